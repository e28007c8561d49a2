"""Records of requests, added up by variant, pool and tenant. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from costwain.agent.histogram import Histogram
from costwain.agent.record import NONE, Record, Seen
from costwain.domain.buckets import FIRST_TOKEN_S, REQUEST_S, TOKEN_S

OTHER = "other"  # a tenant that isn't configured
_COUNTERS = {  # name: help
    "costwain_gateway_answers_total": "Answers by exact status; none: the client left before one.",
    "costwain_gateway_answers_cut_total": "Answers that broke off after they had begun, by who ended them.",
    "costwain_gateway_spilled_total": "Requests that a neighbour answered since their own variant's queue was late.",
    "costwain_gateway_answers_without_usage_total": "Good answers of pods that tell no prompt tokens.",
    "costwain_gateway_prompt_tokens_total": "Prompt tokens, as the answers' usage tells them.",
    "costwain_gateway_completion_tokens_total": "Completion tokens by how they are known: usage, counted, estimated.",
}
_HISTOGRAMS = {  # name: (help, bounds)
    "costwain_gateway_queue_time_seconds": ("Wait for a free pod, of requests that got one.", REQUEST_S),
    "costwain_gateway_time_to_first_token_seconds": ("From a request to its stream's first byte.", FIRST_TOKEN_S),
    "costwain_gateway_inter_token_latency_seconds": ("Between tokens of the streams looked at.", TOKEN_S),
}
_ANSWERS, _CUT, _SPILLED, _UNTOLD, _PROMPT, _COMPLETION = _COUNTERS
_QUEUE, _FIRST, _GAPS = _HISTOGRAMS
_USAGE, _COUNTED, _ESTIMATED = "usage", "counted", "estimated"

Who = tuple[str, str, str]  # variant, pool, tenant


class _Sizes:
    """How many bytes streams of one variant have: learned from those whose every token was looked at."""

    def __init__(self) -> None:
        self._streams = self._tokens = self._token_bytes = self._other_bytes = 0

    def learn(self, answer_bytes: int, seen: Seen) -> None:
        self._streams += 1
        self._tokens += seen.tokens
        self._token_bytes += seen.token_bytes
        self._other_bytes += max(answer_bytes - seen.token_bytes, 0)

    @property
    def known(self) -> bool:
        return self._tokens > 0 and self._token_bytes > 0

    def tokens_in(self, answer_bytes: int, streams: int = 1) -> int:
        """About how many tokens so many bytes of so many streams are."""
        net = answer_bytes - streams * self._other_bytes / self._streams
        return max(round(net * self._tokens / self._token_bytes), 0)


class Tally:
    """Everything that was observed since the agent started; each label has as many values as are configured."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[Who, str]]] = {name: Counter() for name in _COUNTERS}
        self._histograms: dict[str, dict[Who, Histogram]] = {name: {} for name in _HISTOGRAMS}
        self._sizes: defaultdict[str, _Sizes] = defaultdict(_Sizes)
        self._unsized: dict[Who, tuple[int, int]] = {}  # streams and their bytes, while a token's size is unknown

    def add(self, record: Record, tenants: Collection[str]) -> None:
        """One request that has ended; a tenant that isn't among `tenants` counts as another."""
        who = record.variant, record.pool, _tenant(record, tenants)
        self._count(_ANSWERS, who, NONE if record.status is None else str(record.status))
        if record.cut_by is not None:
            self._count(_CUT, who, record.cut_by)
        if record.spilled_from is not None:
            self._count(_SPILLED, who, record.spilled_from)
        if record.queued_s is not None and record.pool != NONE:
            self._histogram(_QUEUE, who).observe(record.queued_s)
        if record.first_byte_s is not None:
            self._histogram(_FIRST, who).observe(record.first_byte_s)
        if record.status is not None and record.status < 300 and record.pool != NONE:
            self._add_tokens(record, who)

    def lines(self) -> Iterator[str]:
        """The samples in Prometheus' text form."""
        for name, counts in self._counts.items():
            yield from _head(name, "counter", _COUNTERS[name])
            label = _LABELS.get(name)
            for (who, value), count in counts.items():
                more = f',{label}="{value}"' if label else ""
                yield f"{name}{{{_labels(who)}{more}}} {count}"
        for name, (text, _) in _HISTOGRAMS.items():
            yield from _head(name, "histogram", text)
            for who, histogram in self._histograms[name].items():
                yield from histogram.lines(name, _labels(who))

    def _add_tokens(self, record: Record, who: Who) -> None:
        if record.prompt_tokens is None:
            self._count(_UNTOLD, who)
        else:
            self._count(_PROMPT, who, by=record.prompt_tokens)
        if record.seen is not None and record.seen.token_bytes:
            self._sizes[record.variant].learn(record.answer_bytes, record.seen)
            self._histogram(_GAPS, who).add(record.seen.gaps, record.seen.gaps_s)
            self._settle(record.variant)
        if record.completion_tokens is not None:
            self._count(_COMPLETION, who, _USAGE, record.completion_tokens)
        elif record.seen is not None:
            self._count(_COMPLETION, who, _COUNTED, record.seen.tokens)
        elif record.is_stream:
            streams, size = self._unsized.get(who, (0, 0))
            self._unsized[who] = streams + 1, size + record.answer_bytes
            self._settle(record.variant)

    def _settle(self, variant: str) -> None:
        """Counts the streams that wait for a token's size, once it is known."""
        sizes = self._sizes[variant]
        if sizes.known:
            for who in [who for who in self._unsized if who[0] == variant]:
                streams, size = self._unsized.pop(who)
                self._count(_COMPLETION, who, _ESTIMATED, sizes.tokens_in(size, streams))

    def _count(self, name: str, who: Who, value: str = "", by: int = 1) -> None:
        self._counts[name][who, value] += by

    def _histogram(self, name: str, who: Who) -> Histogram:
        return self._histograms[name].setdefault(who, Histogram(_HISTOGRAMS[name][1]))


_LABELS = {_ANSWERS: "code", _CUT: "by", _SPILLED: "from", _COMPLETION: "source"}


def _tenant(record: Record, tenants: Collection[str]) -> str:
    if record.tenant is None:
        return NONE
    return record.tenant if record.tenant in tenants else OTHER


def _labels(who: Who) -> str:
    return 'variant="{}",pool="{}",tenant="{}"'.format(*who)


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
