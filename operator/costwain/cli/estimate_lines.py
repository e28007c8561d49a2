"""What `estimate` prints: the figures of the capacity prior, each with the arithmetic that gives it. Pure."""

from dataclasses import dataclass

from costwain.cli.format import table
from costwain.decide.capacity import (
    MAX_CONCURRENCY,
    SLOTS_SIGMAS,
    Estimate,
    RequestShape,
    Slo,
    concurrency_in_memory,
    tokens_held,
)
from costwain.decide.roofline import (
    RESERVED_BYTES_PER_DEVICE,
    USABLE_MEMORY,
    expert_parameters,
    kv_bytes_per_token,
    kv_capacity_tokens,
    prefill_s,
    resident_bytes,
    step_s,
    weight_bytes,
)
from costwain.domain.hardware import Accelerator
from costwain.domain.models import ModelShape

Figures = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Asked:
    """One replica of a model on `count` accelerators for requests of a shape; the price is of one accelerator."""

    shape: ModelShape
    accelerator: Accelerator
    count: int
    request: RequestShape
    slo: Slo
    hourly_micro: int | None


def figures(asked: Asked, found: Estimate) -> Figures:
    """Every figure by a name with its unit in it; without a price what costs is None."""
    shape, accelerator, count, request = asked.shape, asked.accelerator, asked.count, asked.request
    usd_per_h = None if asked.hourly_micro is None else asked.hourly_micro * count / 1e6
    per_h = found.requests_per_s * 3600
    return {
        "model": shape.name,
        "accelerator": accelerator.name,
        "count": count,
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
        "weight_bytes": resident_bytes(shape),
        "kv_bytes_per_token": kv_bytes_per_token(shape),
        "kv_capacity_tokens": kv_capacity_tokens(shape, accelerator, count),
        "requests_in_memory": concurrency_in_memory(shape, accelerator, count, request),
        "batch": found.concurrency,
        "bound_by": bound_by(asked, found),
        "step_s": _step_s(asked, found.concurrency),
        "prefill_s": prefill_s(shape, accelerator, count, request.input_tokens),
        "ttft_s": found.ttft_s,
        "tpot_s": found.tpot_s,
        "meets_slo": found.meets_slo,
        "requests_per_s": found.requests_per_s,
        "share_in_time": found.in_time,
        "slots": found.slots,
        "output_tokens_per_s": found.requests_per_s * request.output_tokens,
        "usd_per_h": usd_per_h,
        "usd_per_1000_requests": None if usd_per_h is None else usd_per_h / per_h * 1000,
        "usd_per_million_output_tokens": None if usd_per_h is None else usd_per_h / per_h / request.output_tokens * 1e6,
    }


def bound_by(asked: Asked, found: Estimate) -> str:
    """What keeps the batch from being one larger."""
    if not found.meets_slo:
        return "the SLO, which even one request at a time misses"
    in_memory = concurrency_in_memory(asked.shape, asked.accelerator, asked.count, asked.request)
    if found.concurrency < in_memory:
        return "the SLO: one more request would miss it"
    return "max-num-seqs" if in_memory == MAX_CONCURRENCY else "the KV cache"


def lines(asked: Asked, found: Estimate) -> list[str]:
    """One line of heading, then what, how much and why for each step."""
    request, slo = asked.request, asked.slo
    head = (
        f"{asked.shape.name} on {asked.count} x {asked.accelerator.name}: {request.input_tokens:g} tokens in, "
        f"{request.output_tokens:g} out; SLO {slo.ttft_s * 1000:g} ms to the first token, "
        f"{slo.tpot_s * 1000:g} ms for each one after it, {slo.share:.0%} of requests"
    )
    rows = [*_memory(asked), *_times(asked, found), *_rate(asked, found)]
    closing = (
        "A prior: against published vLLM figures it is off by 8 % in the median, by 12 % for models that it wasn't "
        "fitted to. "
        "The operator corrects it by what its own pods measure."
    )
    return [head, "", *table(rows), "", closing]


def _memory(asked: Asked) -> list[list[str]]:
    shape, accelerator, count = asked.shape, asked.accelerator, asked.count
    experts = expert_parameters(shape)
    billions = f"{shape.parameters / 1e9:.1f} billion parameters"
    weights = f"{billions} x {shape.bytes_per_weight:g} bytes ({shape.precision})"
    if experts:
        weights = f"{billions}, {experts / 1e9:.1f} of them in experts x {shape.bytes_per_weight:g} bytes, the rest x 2"
    kv = f"2 x {shape.layers} layers x {shape.kv_heads} heads x {shape.head_dim} x {shape.kv_element_bytes} bytes"
    tokens = kv_capacity_tokens(shape, accelerator, count)
    room = (
        f"{count} x ({accelerator.memory_bytes / 1e9:.1f} GB x {USABLE_MEMORY:g} - "
        f"{RESERVED_BYTES_PER_DEVICE / 1e9:.1f} GB) less the weights, by the bytes of a token"
    )
    held = tokens_held(asked.request)
    fits = concurrency_in_memory(shape, accelerator, count, asked.request)
    return [
        ["weights", f"{resident_bytes(shape) / 1e9:.1f} GB", weights],
        ["KV of a token", f"{kv_bytes_per_token(shape) / 1e3:.1f} kB", kv],
        ["KV cache", f"{tokens:,} tokens", room],
        ["in memory", f"{fits} requests", f"by {held:g} tokens a request, at most {MAX_CONCURRENCY}"],
    ]


def _times(asked: Asked, found: Estimate) -> list[list[str]]:
    shape, accelerator, count, request = asked.shape, asked.accelerator, asked.count, asked.request
    use, batch = accelerator.vendor.efficiency, found.concurrency
    context = request.input_tokens + request.output_tokens / 2
    kv_bytes = batch * context * kv_bytes_per_token(shape)
    step = (
        f"reads {weight_bytes(shape, batch) / 1e9:.1f} GB of weights and {kv_bytes / 1e9:.1f} GB of KV at {count} x "
        f"{accelerator.memory_bandwidth_bytes_per_s / 1e12:.2f} TB/s x {use.bandwidth:g}, and fixed costs"
    )
    prefill = (
        f"{2 * shape.active_parameters * request.input_tokens / 1e12:.1f} TFLOP of weights and the attention at "
        f"{use.prefill_flops:g} of the peak, or reading the weights"
    )
    wait = prefill_s(shape, accelerator, count, request.input_tokens)
    return [
        ["batch", f"{batch}", f"bound by {bound_by(asked, found)}"],
        ["step", _ms(_step_s(asked, batch)), step],
        ["prefill", _ms(wait), prefill],
        ["first token", _ms(found.ttft_s), "prefill, those ahead of it, and one step"],
        ["next tokens", _ms(found.tpot_s), f"a step, and {batch} prefills spread over {request.output_tokens:g} steps"],
    ]


def _rate(asked: Asked, found: Estimate) -> list[list[str]]:
    per_s, answer = found.requests_per_s, asked.request.output_tokens
    rows = [
        ["rate", f"{per_s:.2f} requests/s", _in_time(asked, found)],
        ["", f"{per_s * answer:.0f} tokens/s", "of answers"],
        ["at once", f"{found.slots} requests", _room(found)],
    ]
    told = figures(asked, found)
    if told["usd_per_h"] is not None:
        cost = f"${told['usd_per_million_output_tokens']:.3f}"
        rows.append(["cost", cost, f"a million tokens of answers, at ${told['usd_per_h']:.2f}/h and this rate"])
    return rows


def _in_time(asked: Asked, found: Estimate) -> str:
    """Who is in time at this rate, and at which one the mean request would be."""
    answer = asked.request.output_tokens
    share = f"{found.in_time:.1%} of requests in time, short answers and long prompts included"
    by = f"{found.concurrency} / (first token + {answer:g} next tokens)"
    if not found.meets_slo:
        return f"one request at a time: {by}; {share}; the mean one at no rate"
    most = found.concurrency / (found.ttft_s + answer * found.tpot_s)
    return f"{share}; the mean one still is at {most:.2f}/s = {by}"


def _room(found: Estimate) -> str:
    """Why a pod gets so many requests at a time."""
    if not found.meets_slo:
        return "a second one would make both later still"
    if found.slots == found.concurrency:
        return "the batch above: this rate may need all of it"
    return f"what this rate brings and {SLOTS_SIGMAS:g} deviations more; a burst waits in the gateway's queue"


def _step_s(asked: Asked, batch: int) -> float:
    context_tokens = asked.request.input_tokens + asked.request.output_tokens / 2
    return step_s(asked.shape, asked.accelerator, asked.count, batch, context_tokens)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
