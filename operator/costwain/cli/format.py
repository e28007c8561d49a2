"""What the reading verbs print: pure functions from objects of the API to lines of text.

They read with `.get`: an operator that is a version ahead must not blind the person who looks.
What isn't known is a question mark, never a zero.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from costwain.domain.money import dollars, micro_of
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet
from costwain.render.conditions import rfc3339

Object = dict[str, Any]
_BAR = 20
_UNKNOWN = "?"


def key_of(item: Object) -> str:
    """`namespace/name`."""
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def money(amount: str | None) -> str:
    """A decimal string as dollars and cents.

    >>> money("9.604999"), money(None)
    ('$9.60', '?')
    """
    return _UNKNOWN if amount is None else dollars(micro_of(amount))


def bar(percent: int | None) -> str:
    """A bar of twenty signs, full at 100 percent; the figure goes on beyond it.

    >>> bar(68), bar(130)
    ('[#############-------]  68 %', '[####################] 130 %')
    """
    if percent is None:
        return f"[{_UNKNOWN * _BAR}]   {_UNKNOWN} %"
    filled = min(_BAR, percent * _BAR // 100)
    return f"[{'#' * filled}{'-' * (_BAR - filled)}] {percent:3d} %"


def table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Columns as wide as their widest cell, those in `right` flush right."""
    flush = set(right)
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def fleet_tree(fleet: Object, *, wide: bool) -> list[str]:
    """One fleet: budget, cost, queue, and its variants with their placements below them."""
    status = fleet.get("status") or {}
    head = f"{key_of(fleet)}  {_ready(status)}"
    if "deletionTimestamp" in fleet["metadata"]:
        head += "  (being deleted)"
    branches = [[f"budget  {_budget(status.get('cost') or {})}"], [f"cost    {_cost(status)}"]]
    branches.append([f"queue   {_queue(status.get('queue') or {})}"])
    if wide:
        branches.append([f"url     {_url(status)}"])
    branches += _variants(fleet, status, wide=wide)
    return [head, *stale(fleet), *_tree(branches)]


def _url(status: Object) -> str:
    """The gateway's address, or without one the addresses of the variants."""
    return status.get("url") or ", ".join(v["url"] for v in status.get("variants", []) if v.get("url")) or _UNKNOWN


def why(fleet: Object) -> list[str]:
    """The last decision's reasons, then the conditions, then what keeps or lets each variant."""
    status = fleet.get("status") or {}
    decision = status.get("decision")
    head = f"decided at {decision['at']}" if decision else "no decision yet"
    lines = [f"{key_of(fleet)}  {head}", *stale(fleet)]
    reasons = [[f"  {r['code']}", r["sentence"]] for r in (decision or {}).get("reasons", [])]
    lines += table(reasons) if reasons else []
    conditions = [
        [
            f"  {c['type']}",
            c["status"],
            c["reason"],
            c.get("message", ""),
            f"since {c.get('lastTransitionTime') or '?'}",
        ]
        for c in status.get("conditions", [])
    ]
    lines += ["conditions", *table(conditions)] if conditions else []
    variants = [
        [f"  {v['name']}", f"{v.get('sharePercent', 0)} %", v.get("reason") or "no reason given"]
        for v in status.get("variants", [])
    ]
    return lines + (["variants", *table(variants, right=[1])] if variants else [])


def plan_lines(plan: FleetPlan, now_s: float) -> list[str]:
    """A plan as `why` tells it: reasons, counts, shares, and what keeps or lets each variant."""
    lines = [f"{'/'.join(plan.key)}  decided at {rfc3339(now_s)}"]
    lines += table([[f"  {w.code}", w.sentence] for w in (*plan.reasons, *plan.news, *plan.problems)])
    counts = [f"{n} x {variant} on {pool}" for (variant, pool), n in sorted(plan.replicas.items()) if n]
    lines.append(f"replicas  {', '.join(counts) or 'none'}")
    if plan.drain or plan.undrain:
        lines.append(f"drains    {', '.join(plan.drain) or 'none'}; takes back {', '.join(plan.undrain) or 'none'}")
    shares = [[f"  {name}", f"{plan.shares.get(name, 0)} %", verdict] for name, verdict in plan.verdicts.items()]
    return lines + (["variants", *table(shares, right=[1])] if shares else [])


def rest_lines(fleet: Fleet, now_s: float) -> list[str]:
    """A turn that didn't decide on a fleet, as `why` tells it."""
    rest = fleet.memory.rest
    since = f"since {rfc3339(rest.since_s)} and up to {rest.most_per_s:.1f} requests/s" if rest else "for now"
    return [f"{'/'.join(fleet.key)}  not decided on at {rfc3339(now_s)}", f"  Rests  nothing is to be done {since}"]


def shared_budget_line(budget: Object) -> str:
    """An InferenceBudget as `cost` ends with it; what its operator hasn't said yet is a question mark."""
    status, spec = budget.get("status") or {}, budget["spec"]
    members = status.get("members")
    spent = f"{money(status.get('spent'))} of {money(spec['amount'])}"
    return (
        f"InferenceBudget {budget['metadata']['name']}  {spent} until {status.get('periodEnd') or _UNKNOWN}, "
        f"forecast {money(status.get('forecast'))}, members {_UNKNOWN if members is None else members}"
    )


def stale(fleet: Object) -> list[str]:
    """A warning where the status doesn't speak of the spec as it is now."""
    generation = fleet["metadata"].get("generation", 0)
    observed = (fleet.get("status") or {}).get("observedGeneration", 0)
    if observed >= generation:
        return []
    found = f"acted on generation {observed}" if observed else "never acted on it"
    return [f"! the spec is at generation {generation}, the operator has {found}: is it running?"]


def _ready(status: Object) -> str:
    for condition in status.get("conditions", []):
        if condition["type"] == "Ready":
            state = {"True": "Ready", "False": "NOT READY"}.get(condition["status"], "Ready unknown")
            return f"{state}: {condition['reason']}"
    return "Ready unknown: no condition"


def _budget(cost: Object) -> str:
    if cost.get("limit") is None:
        return f"none, {money(cost.get('spent'))} spent"
    part = f" of InferenceBudget {cost['sharedBudget']}" if "sharedBudget" in cost else ""
    spent = f"{money(cost.get('spent'))} of {money(cost['limit'])}{part}"
    return f"{bar(cost.get('percent'))}  {spent}, forecast {money(cost.get('forecast'))}, until {_end(cost)}"


def _end(cost: Object) -> str:
    return str(cost.get("periodEnd") or _UNKNOWN)


def _cost(status: Object) -> str:
    cost = status.get("cost") or {}
    per_token = cost.get("perMillionTokens")
    return f"{money(cost.get('hourly'))}/h" + (f", {money(per_token)} a million tokens" if per_token else "")


def _queue(queue: Object) -> str:
    return f"{queue.get('waiting', _UNKNOWN)} waiting, {queue.get('running', _UNKNOWN)} running"


def _variants(fleet: Object, status: Object, *, wide: bool) -> list[list[str]]:
    """A branch a variant, its first line its own and the others its placements'."""
    ladder = [v["name"] for v in fleet.get("spec", {}).get("variants", [])]
    known = {v["name"]: v for v in status.get("variants", [])}
    names = list(dict.fromkeys([*ladder, *known]))
    width = max(map(len, names), default=0)
    branches = []
    for name in names:
        places = [p for p in status.get("placements", []) if p["variant"] == name]
        branch = [f"{name.ljust(width)}  {_variant(known.get(name), places)}"]
        if wide and known.get(name, {}).get("reason"):
            branch[0] += f"  {known[name]['reason']}"
        rows = [[p["pool"], _pods(p), f"{money(p.get('hourlyCost'))}/h", _state(p)] for p in places]
        branches.append(branch + (_tree([[line] for line in table(rows)]) if rows else []))
    return branches


def _variant(variant: Object | None, places: Sequence[Object]) -> str:
    if variant is None:
        return "not reported"
    hourly = [micro_of(p["hourlyCost"]) for p in places if "hourlyCost" in p]
    cost = dollars(sum(hourly)) if len(hourly) == len(places) else _UNKNOWN
    return f"{variant.get('sharePercent', 0):3d} %  {_pods(variant)}  {cost}/h"


def _pods(counts: Object) -> str:
    return f"{counts.get('readyReplicas', 0)}/{counts.get('replicas', 0)} ready"


def _state(place: Object) -> str:
    missing = place.get("replicas", 0) - place.get("readyReplicas", 0)
    if not place.get("replicas", 0):
        return "empty"
    return "serving" if missing <= 0 else f"{missing} on the way in or out"


def _tree(branches: Sequence[Sequence[str]]) -> list[str]:
    lines = []
    for i, (first, *rest) in enumerate(branches):
        last = i == len(branches) - 1
        lines.append(f"{'└─' if last else '├─'} {first}")
        lines += [f"{'  ' if last else '│ '} {line}" for line in rest]
    return lines
