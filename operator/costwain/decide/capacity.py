"""How many requests a second one replica serves within its SLO: the roofline, continuous batching, and memory.

A prior, not a promise: a pool's own measurements correct it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from costwain.decide.attainment import Pace, share_in_time
from costwain.decide.roofline import (
    RESERVED_BYTES_PER_DEVICE,
    USABLE_MEMORY,
    kv_bytes_per_token,
    kv_capacity_tokens,
    prefill_s,
    resident_bytes,
    step_s,
)
from costwain.domain.hardware import Accelerator
from costwain.domain.models import ModelShape
from costwain.domain.once import lazy

# A request holds less than its whole context, since its answer grows: input + 0.75 x output.
KV_SHARE_OF_OUTPUT = 0.75
# TTFT = 43.5 ms + prefill x (1 + 0.076 x batch) + one step; fitted on half of 404 points.
TTFT_FIXED_S = 0.0435
TTFT_PREFILLS_AHEAD = 0.076
# vLLM's own max-num-seqs on large devices.
MAX_CONCURRENCY = 1024
# Where a quarter of the load that the mean request allows is still too much, the requests are to blame, not the load.
LEAST_LOAD = 0.25
# Beyond the mean batch at that rate, in deviations of a Poisson number: a burst waits at the gateway, where only its
# own first token is late, not in the batch, where every answer slows down.
SLOTS_SIGMAS = 3.0
_HALVINGS = 10


@dataclass(frozen=True)
class RequestShape:
    """The mean request, in tokens. Raises ValueError on fewer than one token either way."""

    input_tokens: float
    output_tokens: float

    def __post_init__(self) -> None:
        if not (self.input_tokens >= 1 and self.output_tokens >= 1):
            raise ValueError(
                f"request: needs at least 1 token in and out (found {self.input_tokens} and {self.output_tokens})"
            )


@dataclass(frozen=True)
class Slo:
    """Bounds on the time to the first token and on the mean time per token after it, for a share of the requests."""

    ttft_s: float
    tpot_s: float
    share: float = 0.95


@dataclass(frozen=True)
class Estimate:
    """What one replica carries.

    `requests_per_s` at which the SLO's share is in time, `in_time` the share there, and `slots` the most requests at
    once that this rate brings; the times are at `concurrency`, the most that still leave the mean one in time.
    `meets_slo` False: even one request at a time is too slow, and the figures are for just that.
    """

    requests_per_s: float
    concurrency: int
    ttft_s: float
    tpot_s: float
    in_time: float
    slots: int
    meets_slo: bool = True


@dataclass(frozen=True)
class DoesNotFit:
    """The model can't run there; the sentence holds the arithmetic."""

    sentence: str


@lru_cache(maxsize=1 << 14)  # a turn asks for the same few thousands as the turn before
def capacity(
    shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape, slo: Slo
) -> Estimate | DoesNotFit:
    """The most requests a second at which one replica of `count` accelerators keeps the SLO.

    Both times grow with the batch, and so does the rate. Raises ValueError if count isn't positive.

    >>> from costwain.domain.hardware import ACCELERATORS
    >>> from costwain.domain.models import shape_of
    >>> capacity(shape_of("Qwen/Qwen3-32B"), ACCELERATORS["l4"], 1, RequestShape(1000, 200), Slo(2, 0.05)).sentence
    'qwen3-32b needs 65.6 GB of weights plus 2.0 GB a device, 1 x l4 has 21.6 GB usable'
    """
    if count < 1:
        raise ValueError(f"accelerators: must be at least 1 (found {count})")
    fits = concurrency_in_memory(shape, accelerator, count, request)
    if fits < 1:
        return DoesNotFit(_shortage(shape, accelerator, count, request))
    placed = Placed(shape, accelerator, count, request)
    low, high = 0, fits
    while low < high:
        middle = (low + high + 1) // 2
        found = placed.at(middle)
        if found.tpot_s <= slo.tpot_s and found.ttft_s <= slo.ttft_s:
            low = middle
        else:
            high = middle - 1
    full = placed.at(max(low, 1))
    if low < 1:  # less load helps nobody: a request alone is late already
        in_time = _in_time(placed, slo, 1.0)
        return Estimate(full.requests_per_s, 1, full.ttft_s, full.tpot_s, in_time, slots=1, meets_slo=False)
    per_s, in_time, batch = _promised(placed, slo, low)
    slots = min(full.batch, math.ceil(batch + SLOTS_SIGMAS * math.sqrt(batch)))
    return Estimate(per_s, full.batch, full.ttft_s, full.tpot_s, in_time, slots)


def _promised(placed: "Placed", slo: Slo, most: int) -> tuple[float, float, float]:
    """The highest rate at which the SLO's share is in time, that share, and the batch; never less than LEAST_LOAD."""
    low, high = most * LEAST_LOAD, float(most)
    if _in_time(placed, slo, high) >= slo.share:
        low = high
    for _ in range(_HALVINGS if low < high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if _in_time(placed, slo, middle) >= slo.share else (low, middle)
    return placed.at(low).requests_per_s, _in_time(placed, slo, low), low


def _in_time(placed: "Placed", slo: Slo, batch: float) -> float:
    at, prefill = placed.at(batch), placed.prefill_s
    pace = Pace(at.step_s, prefill, at.tpot_s, at.requests_per_s, TTFT_FIXED_S, TTFT_PREFILLS_AHEAD * batch)
    return share_in_time(pace, placed.request.output_tokens, slo.ttft_s, slo.tpot_s)


@dataclass(frozen=True)
class Steady:
    """A replica at a steady batch, whatever the SLO; `step_s` seconds of a decode step of that batch alone."""

    batch: int
    requests_per_s: float
    ttft_s: float
    tpot_s: float
    step_s: float


@dataclass(frozen=True)
class Placed:
    """One replica of a model on so many accelerators, and the mean request that it gets."""

    shape: ModelShape
    accelerator: Accelerator
    count: int
    request: RequestShape

    @lazy
    def prefill_s(self) -> float:
        """Seconds to read the mean prompt."""
        return prefill_s(self.shape, self.accelerator, self.count, self.request.input_tokens)

    def at(self, batch: float) -> Steady:
        """The replica at a steady batch (Little's law): decode steps share the device with prefills of newcomers."""
        tokens, prefill = self.request.output_tokens, self.prefill_s
        step = step_s(self.shape, self.accelerator, self.count, batch, self.request.input_tokens + tokens / 2)
        tpot_s = step + batch * prefill / tokens
        ttft_s = TTFT_FIXED_S + prefill * (1 + TTFT_PREFILLS_AHEAD * batch) + step
        return Steady(math.floor(batch), batch / (ttft_s + tokens * tpot_s), ttft_s, tpot_s, step)


def tokens_per_s(
    shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape, running: float
) -> float:
    """Tokens of answers a second while so many requests run; none runs yet in the fixed part of its first token."""
    at = Placed(shape, accelerator, count, request).at(running)
    return running * request.output_tokens / (at.ttft_s - TTFT_FIXED_S + request.output_tokens * at.tpot_s)


def tokens_held(request: RequestShape) -> float:
    """Tokens of KV cache that a request holds in the mean over its life."""
    return request.input_tokens + KV_SHARE_OF_OUTPUT * request.output_tokens


def concurrency_in_memory(shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape) -> int:
    """Requests whose KV cache fits at a time, at most what vLLM takes; less than 1: not even one does."""
    tokens = kv_capacity_tokens(shape, accelerator, count)
    return min(math.floor(tokens / tokens_held(request)), MAX_CONCURRENCY)


def _shortage(shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape) -> str:
    usable_bytes = count * accelerator.memory_bytes * USABLE_MEMORY
    needs = f"{shape.name} needs {resident_bytes(shape) / 1e9:.1f} GB of weights plus 2.0 GB a device"
    if resident_bytes(shape) + count * RESERVED_BYTES_PER_DEVICE <= usable_bytes:
        cache_bytes = tokens_held(request) * kv_bytes_per_token(shape)
        needs += f" plus {cache_bytes / 1e9:.1f} GB of KV cache for one request"
    return f"{needs}, {count} x {accelerator.name} has {usable_bytes / 1e9:.1f} GB usable"
