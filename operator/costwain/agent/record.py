"""What HAProxy writes of each request once it has ended (observe.cfg), read back. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from costwain.render.haproxy import SERVING, WAITING

NONE = "none"
_FIELDS = 17
_NUMBER = re.compile(r"-?\d{1,18}")
_API = "api"  # the frontend of clients; others hand requests on inside HAProxy


@dataclass(frozen=True)
class Seen:
    """What was seen of a stream whose every token was looked at: events that carried one, their bytes, and gaps.

    `token_bytes` is 0 where the stream broke off; `gaps` counts by the index of a bucket, from 0.
    """

    tokens: int
    token_bytes: int = 0
    gaps_s: float = 0.0
    gaps: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One request. `status` is None where the client left before an answer; times in seconds, None where unknown."""

    id: str
    from_client: bool
    in_variant: bool  # it reached a variant's backend, so HAProxy's statistics count it
    variant: str
    pool: str
    tenant: str | None
    status: int | None
    cut_by: str | None  # who ended an answer that had begun
    queued_s: float | None
    first_byte_s: float | None  # of a stream: from the request to the answer's first byte
    answer_bytes: int  # with its header
    prompt_tokens: int | None  # what `usage` says
    completion_tokens: int | None
    seen: Seen | None
    spilled_from: str | None = None  # the variant that it would have had, were that one's queue not late

    @property
    def is_stream(self) -> bool:
        return self.first_byte_s is not None


def parse_record(line: str) -> Record:
    """Reads a line; raises ValueError for one that is no record."""
    words = line.split(" ")
    if len(words) != _FIELDS:
        raise ValueError(f"a record has {_FIELDS} words, found {len(words)}")
    frontend, number, backend, server, status, ended, queued, size, tenant, served = words[:10]
    arrived, first, prompt, completion, count, seen, spilled = words[10:]
    queued_ms = _known(queued)
    in_variant = backend.startswith((f"{SERVING}.", f"{WAITING}."))
    if served != "-":  # another frontend of this HAProxy routed it anew: that one knows who answered
        backend, server, more = _exactly(served.split(","), 3)
        queued_ms = _sum(queued_ms, _known(more))
    begun, got = _optional(arrived), _optional(first)
    return Record(
        id=number,
        from_client=frontend == _API,
        in_variant=in_variant,
        variant=backend.partition(".")[2] or NONE,
        pool=server.partition(":")[0] if ":" in server else NONE,
        tenant=None if tenant == "-" else tenant,
        status=_status(status),
        cut_by=_cut_by(ended),
        queued_s=None if queued_ms is None else queued_ms / 1e3,
        first_byte_s=None if begun is None or got is None else max(got - begun, 0) / 1e6,
        answer_bytes=max(_integer(size), 0),
        prompt_tokens=_optional(prompt),
        completion_tokens=_optional(completion),
        seen=_seen(seen) if seen != "-" else _cut_short(_optional(count)),
        spilled_from=None if spilled == "-" else spilled,
    )


def _cut_short(tokens: int | None) -> Seen | None:
    """What is known of a stream that did not come to its end."""
    return None if tokens is None else Seen(tokens)


def _seen(text: str) -> Seen:
    tokens, size, gaps_us, buckets = _exactly(text.split(","), 4)
    pairs = (_exactly(pair.split(":"), 2) for pair in buckets.split(";") if pair)
    gaps = {_integer(index) - 1: _integer(count) for index, count in pairs}  # Lua counts from 1
    if any(index < 0 or count < 0 for index, count in gaps.items()):
        raise ValueError(f"buckets and their counts aren't negative, found {buckets!r}")
    return Seen(_natural(tokens), _natural(size), _natural(gaps_us) / 1e6, gaps)


def _status(text: str) -> int | None:
    status = _integer(text)
    if status != -1 and not 100 <= status <= 599:
        raise ValueError(f"no status of HTTP: {status}")
    return None if status == -1 else status


def _cut_by(ended: str) -> str | None:
    """Who ended the session while the answer was on its way, from the first two letters of HAProxy's end state."""
    if len(ended) != 2:
        raise ValueError(f"an end state has two letters, found {ended!r}")
    if ended[1] not in "DL" or ended[0] == "-":
        return None
    return {"C": "client", "c": "client", "S": "pod", "s": "pod"}.get(ended[0], "gateway")


def _known(text: str) -> int | None:
    """A time of HAProxy's, which says -1 for one that never was."""
    value = _integer(text)
    return None if value < 0 else value


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _optional(text: str) -> int | None:
    return None if text == "-" else _natural(text)


def _natural(text: str) -> int:
    value = _integer(text)
    if value < 0:
        raise ValueError(f"not negative: found {text}")
    return value


def _integer(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"a whole number is wanted, found {text[:20]!r}")
    return int(text)


def _exactly(parts: list[str], count: int) -> list[str]:
    if len(parts) != count:
        raise ValueError(f"{count} parts are wanted, found {len(parts)}")
    return parts
