"""A calm day, and builders that name only what differs from it.

Two rungs, `full` (Qwen3-32B) above `small` (Qwen3-8B), each on NVIDIA (`h100`, $4) and AMD (`mi300x`, $3); eight
accelerators in each pool, nobody else there, ten o'clock, no budget, no pod, no request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from costwain.decide.budget import Purse, own_terms
from costwain.decide.case import Case
from costwain.decide.forecast import Forecast
from costwain.decide.options import Option, Rung
from costwain.decide.window import Window
from costwain.domain.hardware import ACCELERATORS
from costwain.domain.ledger import Line, SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.money import decimal_of, micro_of
from costwain.domain.plan import Why
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Fleet, Load, Pool, Replica, Snapshot, State
from costwain.domain.spec import ModelDeploymentSpec
from costwain.domain.variant import Variant

NOW_S = datetime(2026, 11, 24, 10, tzinfo=UTC).timestamp()
HOUR_S = 3600.0
MODELS = {"full": "hf://Qwen/Qwen3-32B", "small": "hf://Qwen/Qwen3-8B"}
QUALITY = {"full": "72.7", "small": "64.3"}
PRICES = {"h100": "4.00", "mi300x": "3.00", "l40s": "1.00"}


def variant(name: str = "full", pools: Sequence[str] = ("h100", "mi300x"), **change: Any) -> dict[str, Any]:
    """A rung as users write it."""
    return {
        "name": name,
        "model": {"uri": MODELS.get(name, MODELS["small"])},
        "quality": QUALITY.get(name, "50"),
        "placements": [{"pool": p} for p in pools],
        **change,
    }


def spec(**change: Any) -> ModelDeploymentSpec:
    """A ladder of two rungs, with the given top-level fields put in."""
    return ModelDeploymentSpec.model_validate({"variants": [variant("full"), variant("small")], **change})


def pool(name: str = "h100", total: int = 8, used: int = 0, price: str | None = "", **change: Any) -> Pool:
    """A pool whose accelerator has its name; `price` empty: the usual one, None: unknown."""
    accelerator = ACCELERATORS.get(change.pop("accelerator", name))
    amount = PRICES.get(name, "1.00") if price == "" else price
    fields = {
        "vendor": accelerator.vendor.name if accelerator else "nvidia",
        "accelerator": accelerator.name if accelerator else "b999",
        "price": None if amount is None else {"amount": amount, "source": "owned"},
        **change,
    }
    parsed = AcceleratorPoolSpec.model_validate(fields)
    return Pool(name, parsed, accelerator, total, used, None if amount is None else micro_of(amount))


def pools(*these: Pool, using: Sequence[Replica] = ()) -> dict[str, Pool]:
    """The two usual pools, or those given in their stead; the replicas hold their accelerators."""
    found = {p.name: p for p in (pool("h100"), pool("mi300x"), *these)}
    held = {name: sum(r.accelerators for r in using if r.pool == name) for name in found}
    return {
        name: Pool(name, p.spec, p.accelerator, p.total, p.used + held[name], p.hourly_micro)
        for name, p in found.items()
    }


def replica(place: str = "full/mi300x", state: State = State.READY, age_s: float = 600.0, **change: Any) -> Replica:
    """A pod `age_s` seconds in its state; its name is its place and a number: `full/h100#2`."""
    at, _, number = place.partition("#")
    name, _, where = at.partition("/")
    pod = f"chat-{name}-{where}-{number or 1}"
    since_s = NOW_S - age_s
    bound_s = None if state is State.PENDING else since_s
    return Replica(**{"pod": pod, "uid": pod, "variant": name, "pool": where, "state": state} | {
        "since_s": since_s, "bound_s": bound_s, **change,
    })  # fmt: skip


def replicas(place: str, n: int, state: State = State.READY, age_s: float = 600.0) -> tuple[Replica, ...]:
    """So many pods of a place, number 1 the oldest."""
    return tuple(replica(f"{place}#{i + 1}", state, age_s - i) for i in range(n))


def load(per_s: float | None = 0.0, queued: int | Mapping[str, int] = 0, running: int = 0, **change: Any) -> Load:
    """What the gateway reports; a bare number of requests is `full`'s."""
    waiting = {"full": queued} if isinstance(queued, int) else queued
    return Load(**{
        "arrivals_per_s": per_s, "queued": waiting, "running": {"full": running},
        "input_tokens": 512.0, "output_tokens": 128.0, **change,
    })  # fmt: skip


def line(usd_per_h: str, pod: str = "p", since_s: float = NOW_S, until_s: float | None = None) -> Line:
    """A pod's bill at a price an hour."""
    until = None if until_s is None else round(until_s * 1000)
    return Line(
        uid=pod, pod=pod, variant="full", pool="mi300x", accelerators=1, hourly_micro=micro_of(usd_per_h),
        since_milliseconds=round(since_s * 1000), until_milliseconds=until, metered_through_milliseconds=until or 0,
    )  # fmt: skip


def ledger(spent: str = "0", running: Sequence[Replica] = (), prices: Mapping[str, str] = PRICES) -> SpendLedgerSpec:
    """So many dollars spent within the last second, and a bill just opened for each pod that has a node."""
    closed = [line(decimal_of(micro_of(spent) * 3600), "gone", NOW_S - 1, NOW_S)] if float(spent) else []
    bound = [r for r in running if r.bound_s is not None]
    return SpendLedgerSpec(closed=closed, open=[line(prices[r.pool], r.uid) for r in bound])


def fleet(*these: Replica, spent: str = "0", **change: Any) -> Fleet:
    """A fleet with these pods; field names of Fleet, and of the spec, may be given."""
    own = {k: change.pop(k) for k in tuple(change) if k in ModelDeploymentSpec.model_fields}
    deployed: dict[tuple[str, str], int] = {}
    for r in these:
        deployed[r.place] = deployed.get(r.place, 0) + (r.state is not State.TERMINATING)
    return Fleet(**{
        "namespace": "default", "name": "chat", "uid": "u1", "generation": 1, "spec": spec(**own), "load": load(),
        "replicas": these, "deployed": deployed, "ledger": ledger(spent, these), **change,
    })  # fmt: skip


def snapshot(*fleets: Fleet, where: Mapping[str, Pool] | None = None, now_s: float = NOW_S) -> Snapshot:
    """These fleets on the usual pools, which their pods use."""
    standing = [r for f in fleets for r in f.replicas]
    return Snapshot(now_s, fleets, pools(using=standing) if where is None else where)


def serving(name: str = "full", since_s: float = 0.0, **change: Any) -> Memory:
    """What a fleet remembers that has served one rung for long and was busy just now."""
    return Memory(**{
        "target": name, "target_since_s": since_s, "shares": {name: 100}, "busy_at_s": NOW_S, **change,
    })  # fmt: skip


def option(place: str, per_s: float = 10.0, usd: str = "4.00", most: int = 8, **change: Any) -> Option:
    """One (variant, pool) with round numbers."""
    name, _, where = place.partition("/")
    return Option(**{
        "place": (name, where), "per_s": per_s, "slots": 32, "hourly_micro": micro_of(usd), "accelerators": 1,
        "most": most, "most_now": most, "start_s": 100.0, **change,
    })  # fmt: skip


def rung(*options: Option, barred: Why | None = None) -> Rung:
    """A rung of these options."""
    return Rung(Variant.model_validate(variant(options[0].place[0])), options, barred, ())


def purse(left: str, limit: str = "100.00", left_s: float = HOUR_S, period_s: float = 24 * HOUR_S) -> Purse:
    """So many dollars of the limit left, for so long."""
    end_s = NOW_S + left_s
    spent = micro_of(limit) - micro_of(left)
    return Purse(Window(end_s - period_s, end_s), micro_of(limit), spent, 0, NOW_S)


def case(of: Fleet, *rungs: Rung, per_s: float = 10.0, money: Purse | None = None, idle: bool = False) -> Case:
    """A choice to be made for a demand."""
    if money is not None and of.spec.budget is not None:
        money = replace(money, terms=own_terms(of.spec.budget))
    return Case(of, rungs, Forecast(per_s, per_s, idle), money, NOW_S, () if money is None else (money,))
