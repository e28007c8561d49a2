"""What the operator asks of a gateway: the ladder, its shares, and the limits of a pod."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from costwain.render.haproxy import SHARE_UNIT

_MODEL_NAME = re.compile(r"[A-Za-z0-9._:/@+-]+")  # it becomes one word of a command and a JSON string

_WORD = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Variant:
    """One step of the ladder; `slots` is the requests that one pod may serve at once, by pool."""

    name: str
    share_percent: float
    slots: Mapping[str, int]


@dataclass(frozen=True)
class Tenant:
    """One tenant's limits over all gateway replicas; None is no limit."""

    name: str
    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    max_concurrent_requests: int | None = None
    min_variant: str | None = None


@dataclass(frozen=True)
class Program:
    """One fleet's program; `variants` in ladder order, best first."""

    model: str
    variants: tuple[Variant, ...]
    max_queued: int
    tenants: tuple[Tenant, ...] = ()
    spill_after_s: float | None = None
    late: frozenset[str] = frozenset()  # variants whose queue has waited for longer, as this agent sees it now

    def on_ladder(self, ladder: Sequence[str]) -> "Program":
        """The program as a HAProxy with this ladder can follow it, while a new ladder is rolled out.

        A variant that it does not know yet is left out; one that is no longer asked for has no share and no pods.
        """
        asked = {variant.name: variant for variant in self.variants}
        return replace(self, variants=tuple(asked.get(name, Variant(name, 0, {})) for name in ladder))

    def cumulative_shares(self) -> tuple[int, ...]:
        """Running sums in SHARE_UNIT, best first; the last is SHARE_UNIT, or 0 where every share is 0.

        >>> Program("m", (Variant("full", 1, {}), Variant("small", 2, {})), 9).cumulative_shares()
        (3333, 10000)
        """
        total = sum(variant.share_percent for variant in self.variants)
        sums, running = [], 0.0
        for variant in self.variants:
            running += variant.share_percent
            sums.append(round(SHARE_UNIT * running / total) if total else 0)
        return tuple(sums)


def parse_program(text: str) -> Program:
    """Reads program.json; raises ValueError that says where and what, so that the last good program stays."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"program.json: not JSON: {error}") from None
    try:
        program = Program(
            model=str(data["servedModelName"]),
            variants=tuple(_variant(item) for item in data["variants"]),
            max_queued=int(data["maxQueuedRequests"]),
            tenants=tuple(_tenant(item) for item in data.get("tenants", ())),
            spill_after_s=None if data.get("spillAfterSeconds") is None else float(data["spillAfterSeconds"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"program.json: {type(error).__name__}: {error}") from None
    if not _MODEL_NAME.fullmatch(program.model):
        raise ValueError(f"program.json: servedModelName: letters, digits and ._:/@+- only, found {program.model!r}")
    if not program.variants:
        raise ValueError("program.json: variants: at least one, found none")
    return program


def _variant(item: Mapping[str, Any]) -> Variant:
    share = float(item["sharePercent"])
    if not 0 <= share <= 100:
        raise ValueError(f"variants[{item['name']}].sharePercent: 0..100, found {share:g}")
    slots = {str(pool): int(count) for pool, count in item["slots"].items()}
    if any(count < 1 for count in slots.values()):
        raise ValueError(f"variants[{item['name']}].slots: at least 1 a pod, found {slots}")
    return Variant(str(item["name"]), share, slots)


def _tenant(item: Mapping[str, Any]) -> Tenant:
    def limit(key: str) -> int | None:
        value = item.get(key)
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise ValueError(f"tenants[{item['name']}].{key}: a whole number above 0, found {value!r}")
        return value

    words = [str(item[key]) for key in ("name", "minVariant") if key in item]
    if not all(map(_WORD.fullmatch, words)):
        raise ValueError(f"tenants: letters, digits and ._- only, found {words}")
    return Tenant(
        name=str(item["name"]),
        requests_per_second=limit("requestsPerSecond"),
        requests_per_minute=limit("requestsPerMinute"),
        max_concurrent_requests=limit("maxConcurrentRequests"),
        min_variant=item.get("minVariant"),
    )
