"""Random fleets and snapshots for the laws: ladders, pools, pods in every state, loads, ledgers and memories."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from tests.decide.builders import NOW_S, PRICES, fleet, ledger, load, pool, replica, variant

from costwain.decide import decide
from costwain.domain.memory import Claim, Demand, Memory, Peak, Refusal
from costwain.domain.plan import FleetPlan
from costwain.domain.pool import InferenceBudgetSpec
from costwain.domain.snapshot import Fleet, Pool, Replica, SharedBudget, Snapshot, State, Undecided, Work
from costwain.domain.spec import Budget

RUNGS, POOLS = ("full", "small", "tiny"), ("h100", "mi300x", "l40s")
URIS = {"full": "hf://Qwen/Qwen3-32B", "small": "hf://Qwen/Qwen3-8B", "tiny": "hf://Qwen/Qwen3-0.6B"}
RATES = st.sampled_from([0.0, 0.3, 4.0, 9.0, 33.0, 250.0])
# Ten o'clock there is a quarter to four, half past three and eleven at night elsewhere: periods that end soon.
ZONES = st.sampled_from(["Etc/UTC", "Asia/Kathmandu", "Asia/Kolkata", "Etc/GMT-13"])

_budgets = st.one_of(
    st.none(),
    st.fixed_dictionaries({
        "amount": st.sampled_from(["0", "2.00", "24.00", "90.00", "1000.00"]),
        "period": st.sampled_from(["Hour", "Day"]),
        "onExhausted": st.sampled_from(["ScaleToFloor", "ScaleToZero"]),
    }),
)  # fmt: skip
_modes = st.sampled_from([{}, {}, {"mode": "Off"}, {"mode": "Manual", "variant": "small"},
                          {"minDwellSeconds": 0, "stepSeconds": 0}])  # fmt: skip
_bars = st.sampled_from([{}, {}, {"minQuality": "60"}, {"minQuality": "70"}, {"allowedLicenses": ["mit"]},
                         {"gates": [{"evaluation": "gsm8k", "min": "80"}]},
                         {"gates": [{"evaluation": "gsm8k", "maxDrop": "12"}]}])  # fmt: skip
_swaps = st.builds(lambda mode, bars: {**mode, **bars}, _modes, _bars)
_scores = st.sampled_from([{"gsm8k": "90"}, {"gsm8k": "90"}, {"gsm8k": "79"}, {}])
_scalings = st.builds(
    lambda least, more, mode: {"minReplicas": least, "maxReplicas": max(1, least + more), "mode": mode},
    st.integers(0, 2), st.integers(0, 8), st.sampled_from(["Managed", "Managed", "Managed", "Paused"]),
)  # fmt: skip
works = st.builds(
    lambda over_s, batch, each: Work(NOW_S, over_s, batch, batch, batch * each),
    st.sampled_from([5.0, 30.0]), st.sampled_from([3.0, 40.1, 64.7]), st.sampled_from([7.3, 21.9, 40.1]),
)  # fmt: skip
_own = st.fixed_dictionaries({"accelerators": st.sampled_from([1, 1, 1, 2]), "work": st.none() | works})


@st.composite
def ladders(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Two or three rungs, each on some of the pools; all have passed something or nobody looked."""
    found = []
    for name, quality in list(zip(RUNGS, ("72", "64", "50"), strict=True))[: draw(st.integers(2, 3))]:
        where = draw(st.lists(st.sampled_from(POOLS), min_size=1, max_size=3, unique=True))
        accelerators = draw(st.sampled_from([1, 1, 2]))
        placements = [{"pool": p, "accelerators": accelerators} for p in where]
        looked = {"evaluations": draw(_scores), "license": draw(st.sampled_from(["mit", "mit", None]))}
        found.append(variant(name, model={"uri": URIS[name]}, quality=quality, placements=placements, **looked))
    found[-1]["evaluations"] = found[-1]["evaluations"] or {"gsm8k": "85"}  # a gate needs one variant that was scored
    return found


@st.composite
def pods(draw: st.DrawFn, name: str) -> tuple[Replica, ...]:
    """Up to six pods; one variant of theirs may have left the ladder, and the spec may ask for other accelerators."""
    places = st.sampled_from([f"{r}/{p}" for r in (*RUNGS, "old") for p in POOLS])
    found = []
    for i in range(draw(st.integers(0, 6))):
        age_s = draw(st.sampled_from([5.0, 200.0, 2000.0]))
        one = replica(f"{draw(places)}#{i}", draw(st.sampled_from(State)), age_s, **draw(_own))
        found.append(replace(one, pod=f"{name}-{one.pod}", uid=f"{name}-{one.pod}"))
    return tuple(found)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    """Nothing, or the middle of a life."""
    if draw(st.booleans()):
        return Memory()
    fast = draw(RATES)
    share = draw(st.sampled_from([25, 50, 100]))
    claim = Claim(at_s=NOW_S - 5, since_s=NOW_S - 400, hourly_micro=draw(st.sampled_from([0, 3_000_000, 50_000_000])))
    both = {"full": share, "small": 100 - share}
    return Memory(
        demand=Demand(at_s=NOW_S - 5, fast_per_s=fast, slow_per_s=draw(RATES), input_tokens=512, output_tokens=128),
        peaks=[Peak(at_s=NOW_S - 60, replicas=draw(RATES))],
        busy_at_s=NOW_S - draw(st.sampled_from([0.0, 500.0, 5000.0])),
        target=draw(st.sampled_from([*RUNGS, "old"])),
        target_since_s=NOW_S - draw(st.sampled_from([10.0, 5000.0])),
        shares={k: v for k, v in both.items() if v},
        stepped_at_s=NOW_S - draw(st.sampled_from([5.0, 500.0])),
        refusals=draw(st.sampled_from([[], [Refusal(pool="h100", until_s=NOW_S + 60)]])),
        claim=draw(st.sampled_from([None, claim])),
    )


@st.composite
def fleets(draw: st.DrawFn, name: str = "chat") -> Fleet:
    """One fleet with its pods, load, bill and memory."""
    these = draw(pods(name))
    seen = st.builds(load, RATES, st.sampled_from([0, 3, 900]), st.sampled_from([0, 5]))
    made = fleet(
        *these, name=name, variants=draw(ladders()), budget=draw(_budgets), swap=draw(_swaps), scaling=draw(_scalings),
        load=draw(st.one_of(st.none(), seen, seen, seen)), memory=draw(memories()), priority=draw(st.integers(0, 1)),
        labels=draw(st.sampled_from([{}, {"team": "blue"}])),
    )  # fmt: skip
    return replace(made, ledger=ledger(draw(st.sampled_from(["0", "1.90", "23.90", "89.00"])), these))


@st.composite
def snapshots(draw: st.DrawFn, most: int = 2, least_budgets: int = 0) -> Snapshot:
    """Some fleets on three pools, whose accelerators their pods hold; often under shared budgets."""
    found = tuple(draw(fleets(f"chat-{i}")) for i in range(draw(st.integers(1, most))))
    budgets = tuple(draw(_shared(f"team-{i}")) for i in range(draw(st.integers(least_budgets, 2))))
    others = draw(_undecided()) if budgets else ()
    return Snapshot(NOW_S, found, {name: draw(_pool(name, found)) for name in POOLS}, budgets, others)


@st.composite
def nearly_spent(draw: st.DrawFn) -> Snapshot:
    """One fleet that is managed, with pods in every state, and a few dollars left of its own budget's late period."""
    of = draw(fleets())
    scaling = of.spec.scaling.model_copy(update={"mode": "Managed"})
    budget = draw(st.fixed_dictionaries({
        "amount": st.just("10.00"), "period": st.sampled_from(["Hour", "Day"]), "timeZone": ZONES,
        "onExhausted": st.sampled_from(["ScaleToFloor", "ScaleToZero", "ScaleToZero"]),
    }))  # fmt: skip
    bill = ledger(f"{10 - draw(st.integers(0, 400)) / 100:.2f}", of.replicas)
    of = replace(
        of, spec=of.spec.model_copy(update={"budget": Budget.model_validate(budget), "scaling": scaling}), ledger=bill
    )
    return Snapshot(NOW_S, (of,), {name: draw(_pool(name, (of,))) for name in POOLS})


@st.composite
def _shared(draw: st.DrawFn, name: str) -> SharedBudget:
    """An InferenceBudget over all, over one team, over nobody, or over a clock that nobody knows."""
    spec = {
        "amount": draw(st.sampled_from(["0", "2.00", "24.00", "90.00", "1000.00"])),
        "period": draw(st.sampled_from(["Hour", "Day"])),
        "timeZone": draw(st.sampled_from(["Etc/UTC", "Etc/UTC", "Mars/Base"])),
        "onExhausted": draw(st.sampled_from(["ScaleToFloor", "ScaleToZero"])),
        "sharing": draw(st.sampled_from(["Priority", "FairShare"])),
        "selector": draw(st.sampled_from([{}, {"matchLabels": {"team": "blue"}}, {"namespaces": ["elsewhere"]}])),
    }
    return SharedBudget(name, InferenceBudgetSpec.model_validate(spec))


@st.composite
def _undecided(draw: st.DrawFn) -> tuple[Undecided, ...]:
    """Nobody, or one that is deleted or can't be read, with a pod on the bill."""
    if draw(st.booleans()):
        return ()
    standing = (replica("full/h100", age_s=600.0, uid="other"),)
    return (Undecided("default", "other", ledger("1.50", standing), stays=draw(st.booleans())),)


@st.composite
def _pool(draw: st.DrawFn, name: str, among: tuple[Fleet, ...]) -> Pool:
    held = sum(r.accelerators for f in among for r in f.replicas if r.pool == name)
    price = draw(st.sampled_from([PRICES[name], PRICES[name], PRICES[name], None, "0"]))
    return pool(name, total=draw(st.integers(0, 12)), used=held + draw(st.integers(0, 1)), price=price)


def only(snapshot: Snapshot) -> FleetPlan:
    """The plan of the one fleet."""
    (plan,) = decide(snapshot).fleets
    return plan


def started(of: Fleet, plan: FleetPlan) -> dict[tuple[str, str], int]:
    """Pods that a plan asks for beyond those that are there or were asked for already, by place."""
    here: dict[tuple[str, str], int] = dict(of.deployed)
    for place in plan.replicas:
        here[place] = max(here.get(place, 0), sum(r.place == place for r in of.alive))
    return {place: n - here[place] for place, n in plan.replicas.items() if n > here[place]}
