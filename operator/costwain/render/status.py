"""Status: what a plan and the world look like in `kubectl get`, with conditions that kstatus reads rightly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from costwain.domain import names
from costwain.domain.money import decimal_of, dollars
from costwain.domain.plan import FleetPlan, Money, Why
from costwain.domain.pool import Price
from costwain.domain.snapshot import Fleet, Load, State
from costwain.render.conditions import Verdict, rfc3339, stamped
from costwain.render.service import fleet_url, variant_url

TOKENS_EVERY = 1_000_000
_STARTED = (State.READY,)


@dataclass(frozen=True)
class Seen:
    """What the status needs beside the plan: the gateway's readiness, prices by pool, the status before.

    `rival`: an autoscaler that also sets replicas of this fleet.
    """

    gateway_ready: bool
    prices: Mapping[str, Price]
    before: Mapping[str, Any]
    now_s: float
    wall_s: float
    rival: str | None = None


def status(fleet: Fleet, plan: FleetPlan, seen: Seen) -> dict[str, Any]:
    """The whole status of a ModelDeployment, ready for server-side apply."""
    by_variant = _counts(fleet, lambda r: r.variant)
    shares = plan.shares
    return {
        "observedGeneration": fleet.generation,
        "conditions": conditions(fleet, plan, seen),
        "replicas": len(fleet.alive),
        "readyReplicas": sum(r.state is State.READY for r in fleet.replicas),
        "selector": f"{names.FLEET}={fleet.name},{names.ROLE}={names.ROLE_MODEL}",
        "url": fleet_url(fleet),
        "variant": max(shares, key=lambda v: (shares[v], v)) if shares else "",
        "variants": [
            {
                "name": v.name,
                "sharePercent": shares.get(v.name, 0),
                "replicas": by_variant.get(v.name, (0, 0))[0],
                "readyReplicas": by_variant.get(v.name, (0, 0))[1],
                "reason": plan.verdicts.get(v.name, ""),
                **variant_url(fleet, v.name),
            }
            for v in fleet.spec.variants
        ],
        "placements": _placements(fleet),
        "queue": {} if fleet.load is None else {"waiting": fleet.load.waiting, "running": fleet.load.active},
        "cost": _cost(plan.money, fleet.load) | _provenance(fleet, seen.prices),
        "decision": _decision(plan, seen),
        "memory": plan.memory.model_dump(by_alias=True, exclude_none=True),
    }


def conditions(fleet: Fleet, plan: FleetPlan, seen: Seen) -> list[dict[str, Any]]:
    """Every condition, in a fixed order; the transition time stays while the status does."""
    verdicts = [
        _ready(fleet, plan, seen),
        _reconciling(fleet, plan),
        _stalled(fleet, plan),
        _within_budget(plan),
        _capacity(plan),
        _degraded(fleet, plan),
        _scaler_conflict(seen),
        _gateway_managed(fleet),
    ]
    return stamped(verdicts, seen.before.get("conditions", []), fleet.generation, seen.wall_s)


def _ready(fleet: Fleet, plan: FleetPlan, seen: Seen) -> Verdict:
    standing = sum(r.state is State.READY for r in fleet.replicas)
    managed = fleet.spec.gateway.is_managed
    if managed and not seen.gateway_ready:
        return "Ready", "False", "GatewayNotReady", "the gateway isn't ready"
    if keyless := _keyless(fleet):
        return "Ready", "False", "NoApiKeys", keyless
    if standing:
        return "Ready", "True", "Serving", plan.reasons[0].sentence if plan.reasons else ""
    if not any(plan.replicas.values()):
        idle = plan.reasons[0].code == "Idle" if plan.reasons else False
        reason = plan.reasons[-1] if plan.reasons else None
        if idle:
            return "Ready", "True", "ScaledToZero", "no replicas; the gateway holds requests and starts them"
        return "Ready", "False", reason.code if reason else "NoReplicas", reason.sentence if reason else ""
    starting = f"{sum(plan.replicas.values())} replicas are starting"
    return "Ready", "False", "Starting", f"{starting}, the gateway holds requests" if managed else starting


def _reconciling(fleet: Fleet, plan: FleetPlan) -> Verdict:
    asked = {place: n for place, n in plan.replicas.items() if n}
    standing: dict[tuple[str, str], int] = {}
    for r in fleet.replicas:
        if r.state is State.READY:
            standing[r.place] = standing.get(r.place, 0) + 1
    moving = any(r.state not in _STARTED for r in fleet.replicas)
    if asked == standing and not moving and sum(1 for n in plan.shares.values() if n) <= 1:
        return "Reconciling", "False", "Settled", "every replica is where it should be"
    return "Reconciling", "True", "Changing", "replicas or shares are moving"


def _stalled(fleet: Fleet, plan: FleetPlan) -> Verdict:
    keyless = _keyless(fleet)
    barred = [why for why in plan.reasons if why.code == "NoVariant"]
    problems = [*barred, *plan.problems, *([Why("NoApiKeys", keyless)] if keyless else [])]
    if not problems:
        return "Stalled", "False", "NoProblem", ""
    return "Stalled", "True", problems[0].code, "; ".join(dict.fromkeys(problem.sentence for problem in problems))


def _keyless(fleet: Fleet) -> str | None:
    """Why nobody gets in, as far as the gateway's count of keys tells; the Secret itself is never read."""
    secret = fleet.spec.gateway.api_keys_secret_ref
    if secret is None or fleet.load is None or fleet.load.api_keys != 0:
        return None
    return f"Secret {secret.name} is missing or has no usable API key: every request gets 401"


def _within_budget(plan: FleetPlan) -> Verdict:
    money = plan.money
    if money.limit_micro is None or money.spent_micro is None:
        return "WithinBudget", "True", "NoBudget", "no budget is set; spend is metered"
    part = "" if money.shared is None else f" (its part of InferenceBudget {money.shared})"
    text = f"{dollars(money.spent_micro)} of {dollars(money.limit_micro)}{part} spent"
    stopped = next((w for w in plan.reasons if w.code in ("BudgetFloor", "BudgetExhausted", "BudgetShort")), None)
    if money.spent_micro > money.limit_micro:
        return "WithinBudget", "False", "Overspent", text + (f"; {stopped.sentence}" if stopped else "")
    if stopped is not None:
        return "WithinBudget", "True", stopped.code, f"{text}; {stopped.sentence}"
    return "WithinBudget", "True", "WithinBudget", text


def _capacity(plan: FleetPlan) -> Verdict:
    short = next((w for w in plan.reasons if w.code in ("AcceleratorsShort", "WaitsForNode")), None)
    if short is not None:
        return "CapacityAvailable", "False", short.code, short.sentence
    return "CapacityAvailable", "True", "Enough", "accelerators for the demand are there"


def _degraded(fleet: Fleet, plan: FleetPlan) -> Verdict:
    best = fleet.spec.variants[0].name
    below = {v: n for v, n in plan.shares.items() if v != best and n}
    if not below:
        return "Degraded", "False", "BestVariant", f"{best} serves"
    text = ", ".join(f"{v} serves {n} % of new conversations" for v, n in sorted(below.items()))
    return "Degraded", "True", "BelowBest", text


def _scaler_conflict(seen: Seen) -> Verdict:
    if seen.rival is None:
        return "ScalerConflict", "False", "Alone", ""
    text = f"HorizontalPodAutoscaler {seen.rival} sets replicas of this fleet too: delete it, Costwain decides"
    return "ScalerConflict", "True", "OtherScaler", text


def _gateway_managed(fleet: Fleet) -> Verdict:
    if fleet.spec.gateway.is_managed:
        return "GatewayManaged", "True", "Managed", ""
    text = (
        "gateway.mode is None: no scale from zero, no exact queue, no enforced shares; "
        "your router should send new conversations by status.variants[].sharePercent"
    )
    return "GatewayManaged", "False", "NoGateway", text


def _counts(fleet: Fleet, key: Any) -> dict[Any, tuple[int, int]]:
    counts: dict[Any, tuple[int, int]] = {}
    for r in fleet.alive:
        total, standing = counts.get(key(r), (0, 0))
        counts[key(r)] = (total + 1, standing + (r.state is State.READY))
    return counts


def _placements(fleet: Fleet) -> list[dict[str, Any]]:
    rates: dict[tuple[str, str], int] = {}
    for line in fleet.ledger.open:
        rates[line.variant, line.pool] = rates.get((line.variant, line.pool), 0) + line.hourly_micro
    return [
        {
            "variant": variant,
            "pool": pool,
            "replicas": total,
            "readyReplicas": standing,
            "hourlyCost": decimal_of(rates.get((variant, pool), 0)),
        }
        for (variant, pool), (total, standing) in sorted(_counts(fleet, lambda r: r.place).items())
    ]


def _cost(money: Money, load: Load | None) -> dict[str, Any]:
    cost: dict[str, Any] = {"hourly": decimal_of(money.hourly_micro)}
    if load is not None and load.tokens_per_s:
        cost["perMillionTokens"] = decimal_of(
            _cents(round(money.hourly_micro / 3600 / load.tokens_per_s * TOKENS_EVERY))
        )
    if money.limit_micro is None or money.spent_micro is None or money.start_s is None or money.end_s is None:
        return cost
    return cost | {
        "periodStart": rfc3339(money.start_s),
        "periodEnd": rfc3339(money.end_s),
        "spent": decimal_of(_cents(money.spent_micro)),
        "uncertain": decimal_of(_cents(money.uncertain_micro or 0)),
        "forecast": decimal_of(_cents(money.forecast_micro or 0)),
        "limit": decimal_of(money.limit_micro),
        "percent": money.spent_micro * 100 // money.limit_micro if money.limit_micro else 0,
        "allowance": decimal_of(_cents(money.allowance_micro_per_h or 0)),
        **({} if money.shared is None else {"sharedBudget": money.shared}),
    }


def _provenance(fleet: Fleet, prices: Mapping[str, Price]) -> dict[str, str]:
    """Where the prices of what runs are from, and how old the oldest is: a price without a date says nothing."""
    used = [prices[pool] for pool in sorted({line.pool for line in fleet.ledger.open}) if pool in prices]
    sources = ", ".join(dict.fromkeys(price.source for price in used if price.source))
    dates = [price.as_of for price in used if price.as_of]
    found = {"priceSource": sources[:253], "priceAsOf": min(dates, default="")}
    return {name: text for name, text in found.items() if text}


def _cents(micro: int) -> int:
    """Rounded to the cent: the ledger is exact, the status is for people."""
    return round(micro / 10_000) * 10_000


def _decision(plan: FleetPlan, seen: Seen) -> dict[str, Any]:
    reasons = [{"code": w.code, "sentence": w.sentence} for w in (*plan.news, *plan.reasons)]
    before = seen.before.get("decision") or {}
    same = [r["code"] for r in before.get("reasons", [])] == [r["code"] for r in reasons]
    return {"at": before["at"] if same and not plan.news else rfc3339(seen.now_s), "reasons": reasons}
