"""vLLM's metrics by their own names, labels and buckets, as Prometheus text."""

from bisect import bisect_left
from collections.abc import Iterator

from costwain.stub.metric_table import COUNTERS, GAUGES, HISTOGRAMS, token_bounds
from costwain.stub.sequence import Sequence


class Histogram:
    """Counts per bucket; `bounds` are the inclusive upper ends, without infinity."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


class Metrics:
    """The counters and histograms of one engine process; they start at zero when it does.

    `model` is the first served name: vLLM labels everything with it, whatever alias was asked for.
    """

    def __init__(self, model: str, max_model_len: int, created_s: float, cache: dict[str, str]) -> None:
        self._labels = f'engine="0",model_name="{_escaped(model)}"'
        self._model = f'model_name="{_escaped(model)}"'
        self._cache = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(cache.items()))
        self._created_s = created_s
        self._counts: dict[tuple[str, str], float] = {
            (name, value): 0.0 for name, _, _, values in COUNTERS for value in values
        }
        self._histograms = {name: Histogram(bounds or token_bounds(max_model_len)) for name, _, bounds in HISTOGRAMS}

    def count(self, name: str, by: float = 1, value: str = "") -> None:
        """Adds to a counter; `value` is that of its own label, if it has one."""
        self._counts[name, value] += by

    def iterations(self, tokens: int, times: int) -> None:
        self._histograms["iteration_tokens_total"].observe(tokens, times)

    def prefilled(self, tokens: int) -> None:
        for name, value in (("prompt_tokens", ""), ("prompt_tokens_by_source", "local_compute")):
            self.count(name, tokens, value)
        self.count("prefix_cache_queries", tokens)

    def generated(self, tokens: int) -> None:
        self.count("generation_tokens", tokens)

    def first_token(self, after_s: float) -> None:
        self._histograms["time_to_first_token_seconds"].observe(after_s)

    def token_gap(self, gap_s: float, times: int) -> None:
        self._histograms["inter_token_latency_seconds"].observe(gap_s, times)

    def preempted(self) -> None:
        self.count("num_preemptions")

    def finished(self, sequence: Sequence) -> None:
        """Counts a finished request and, where they are known, its times."""
        self.count("request_success", value=sequence.ended or "")
        observed: dict[str, float] = {
            "request_prompt_tokens": sequence.prompt_tokens,
            "request_generation_tokens": sequence.produced,
            "request_max_num_generation_tokens": sequence.produced,
            **({"request_params_n": sequence.siblings} if sequence.siblings else {}),
            "request_params_max_tokens": sequence.max_tokens,
            "request_num_preemptions": sequence.preemptions,
            "request_prefill_kv_computed_tokens": sequence.prompt_tokens,
            **_durations(sequence),
        }
        for name, value in observed.items():
            self._histograms[name].observe(value)

    def render(self, running: int, waiting: int, kv_usage: float) -> str:
        """The whole page."""
        now: dict[str, dict[str, float]] = {
            "num_requests_running": {"": running},
            "num_requests_waiting": {"": waiting},
            "num_requests_waiting_by_reason": {"capacity": waiting, "deferred": 0},
            "engine_sleep_state": {"awake": 1, "weights_offloaded": 0, "discard_all": 0},
            "kv_cache_usage_perc": {"": kv_usage},
        }
        lines = [*self._counter_lines()]
        for name, help_text, label in GAUGES:
            lines += _head(f"vllm:{name}", "gauge", help_text)
            lines += [f"vllm:{name}{{{self._with(label, v)}}} {float(n)}" for v, n in now[name].items()]
        lines += self._histogram_lines()
        lines += _head("vllm:cache_config_info", "gauge", "How the KV cache is set up")
        lines.append(f'vllm:cache_config_info{{engine="0",{self._cache}}} 1.0')
        lines += _head("process_start_time_seconds", "gauge", "Start of the process, unix seconds")
        lines.append(f"process_start_time_seconds {self._created_s}")
        return "\n".join(lines) + "\n"

    def _with(self, label: str, value: str) -> str:
        return f'{self._labels},{label}="{value}"' if label else self._labels

    def _counter_lines(self) -> Iterator[str]:
        for name, help_text, label, values in COUNTERS:
            # The only counter that vLLM keeps outside its engines.
            bare = name == "admission_rejections"
            labels = [f'{self._model},{label}="{v}"' if bare else self._with(label, v) for v in values]
            yield from _head(f"vllm:{name}_total", "counter", help_text)
            yield from (
                f"vllm:{name}_total{{{text}}} {self._counts[name, v]}" for text, v in zip(labels, values, strict=True)
            )
            yield from _head(f"vllm:{name}_created", "gauge", help_text)
            yield from (f"vllm:{name}_created{{{text}}} {self._created_s}" for text in labels)

    def _histogram_lines(self) -> Iterator[str]:
        for name, help_text, _ in HISTOGRAMS:
            histogram, total = self._histograms[name], 0
            yield from _head(f"vllm:{name}", "histogram", help_text)
            for bound, count in zip([*histogram.bounds, float("inf")], histogram.counts, strict=True):
                total += count
                le = "+Inf" if bound == float("inf") else str(float(bound))
                yield f'vllm:{name}_bucket{{engine="0",le="{le}",{self._model}}} {float(total)}'
            yield f"vllm:{name}_count{{{self._labels}}} {float(total)}"
            yield f"vllm:{name}_sum{{{self._labels}}} {float(histogram.sum)}"
            yield from _head(f"vllm:{name}_created", "gauge", help_text)
            yield f"vllm:{name}_created{{{self._labels}}} {self._created_s}"


def _durations(sequence: Sequence) -> dict[str, float]:
    admitted_s, first_s, last_s = sequence.admitted_s, sequence.first_token_s, sequence.last_token_s
    if admitted_s is None or first_s is None or last_s is None:
        return {}
    known = {
        "e2e_request_latency_seconds": last_s - sequence.arrived_s,
        "request_queue_time_seconds": admitted_s - sequence.ready_s,
        "request_inference_time_seconds": last_s - admitted_s,
        "request_prefill_time_seconds": first_s - admitted_s,
        "request_decode_time_seconds": last_s - first_s,
    }
    if sequence.produced > 1:
        known["request_time_per_output_token_seconds"] = (last_s - first_s) / (sequence.produced - 1)
    return known


def _head(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# HELP {name} {help_text}.", f"# TYPE {name} {kind}"]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
