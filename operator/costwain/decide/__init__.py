"""decide(snapshot) -> Plan: what every fleet is to become, and why. Newcomers start here.

For each fleet, the most important first: what its rungs could run on, what is asked of it, what the budget can
still pay, which rung serves and how large, how its traffic moves there, and what the guards make of it.
Pure: the same snapshot gives the same plan.
"""

from dataclasses import replace

from costwain.decide.budget import money, purse
from costwain.decide.choice import Case, Choice, choose
from costwain.decide.forecast import forecast, observe_demand, request_shape
from costwain.decide.guards import Draft, Facts, guarded, refuse_slow_pools
from costwain.decide.options import Rung, ladder
from costwain.decide.placement import arrange, wanted
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.decide.swap import Progress, ready, step_shares
from costwain.domain.memory import Memory
from costwain.domain.money import dollars
from costwain.domain.plan import FleetPlan, Place, Plan, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot, State


def decide(snapshot: Snapshot) -> Plan:
    """One plan for all fleets; accelerators that an earlier fleet claims are no longer free for a later one."""
    pools = dict(snapshot.pools)
    plans = []
    for fleet in sorted(snapshot.fleets, key=lambda f: (-f.spec.priority, f.key)):
        plan = _decide_fleet(fleet, pools, snapshot.now_s)
        pools = _less_claims(pools, fleet, plan)
        plans.append(plan)
    return Plan(snapshot.now_s, tuple(plans))


def _decide_fleet(fleet: Fleet, pools: dict[str, Pool], now_s: float) -> FleetPlan:
    if fleet.spec.scaling.mode == "Paused":
        return _unchanged(fleet, now_s, Why("Paused", "scaling.mode is Paused: nothing changes"), ())
    # 1. What is asked: arrivals and the mean request, smoothed; pools that kept a pod waiting are given a rest.
    memory, news = refuse_slow_pools(fleet, pools, observe_demand(fleet, now_s), now_s)
    fleet = replace(fleet, memory=memory)
    # 2. What could serve it, and what bars it.
    rungs = ladder(fleet, pools, request_shape(memory), now_s)
    problems = tuple(problem for rung in rungs for problem in rung.problems)
    serving = next((r for r in rungs if r.name == memory.target), rungs[0])
    expected, memory = forecast(fleet, memory, now_s, serving.start_s)
    # 3. What can be paid, and with that which rung serves.
    case = Case(replace(fleet, memory=memory), rungs, expected, purse(fleet, now_s), now_s)
    choice = choose(case)
    if choice is None:
        barred = "; ".join(f"{r.name}: {r.barred.sentence}" for r in rungs if r.barred)
        why = Why("NoVariant", f"no variant could serve{': ' + barred if barred else ''}")
        return replace(_unchanged(fleet, now_s, why, problems), memory=memory)
    # 4. How the traffic gets there.
    fleet = replace(fleet, memory=_moved(case, choice))
    # 5. What the guards leave of it.
    return _plan(replace(case, fleet=fleet), choice, tuple(news), problems)


def _moved(case: Case, choice: Choice) -> Memory:
    """Memory with the target and this turn's shares; without readings the shares hold."""
    memory = case.fleet.memory
    if memory.target != choice.rung.name:
        memory = memory.model_copy(update={"target": choice.rung.name, "target_since_s": case.now_s})
    if case.fleet.load is None and memory.shares:
        return memory
    return step_shares(case.fleet, choice.rung.name, _progress(case, choice), memory, case.now_s)


def _progress(case: Case, choice: Choice) -> Progress:
    rates = {o.place: o.per_s for o in choice.rung.options}
    standing = [r for r in ready(case.fleet) if r.variant == choice.rung.name]
    return Progress(
        ready_per_s=sum(rates.get(r.place, 0.0) for r in standing),
        needed_per_s=case.expected.now_per_s,
        complete=len(standing) >= choice.mix.replicas,
    )


def _plan(case: Case, choice: Choice, news: tuple[Why, ...], problems: tuple[Why, ...]) -> FleetPlan:
    fleet = case.fleet
    mix = _idle_mix(case, choice) if case.expected.idle else choice.mix
    counts = wanted(fleet, choice.rung, mix, case.rungs, case.expected.stable_per_s)
    draft = guarded(Draft(counts), Facts(fleet, case.purse, _floor(case)))
    arrangement = arrange(fleet, draft.counts)
    why = choice.why
    if case.expected.idle:
        why = Why(
            "Idle", f"no requests for {fleet.spec.scaling.scale_to_zero_after_seconds} s: {mix.replicas} replicas"
        )
    news = news if choice.news is None else (*news, choice.news)
    return FleetPlan(
        namespace=fleet.namespace,
        name=fleet.name,
        target=choice.rung.name,
        replicas=arrangement.replicas,
        shares=fleet.memory.shares,
        slots={o.place: _round_slots(o.slots) for rung in case.rungs for o in rung.options},
        memory=fleet.memory,
        money=money(fleet, case.purse, mix.hourly_micro),
        drain=arrangement.drain,
        undrain=arrangement.undrain,
        reasons=(why, *draft.reasons),
        problems=problems,
        news=(*news, *_new_guards(fleet, draft)),
        verdicts={r.name: _verdict(case, choice, r) for r in case.rungs},
    )


def _idle_mix(case: Case, choice: Choice) -> Mix:
    """What stays when nothing is asked: minReplicas of the chosen rung."""
    least = case.fleet.spec.scaling.min_replicas
    running = {r.place: 1 for r in case.fleet.alive if r.variant == choice.rung.name}
    return cheapest(choice.rung.options, Want(0.0, least, least), running)


def _floor(case: Case) -> dict[Place, int]:
    """What stays although the budget is exhausted."""
    budget = case.fleet.spec.budget
    if budget is None or budget.on_exhausted != "ScaleToFloor":
        return {}
    least = case.fleet.spec.scaling.min_replicas
    floors = [cheapest(r.options, Want(0.0, least, least), {}) for r in case.eligible]
    return dict(min(floors, key=lambda mix: (mix.short, mix.hourly_micro)).counts)


def _new_guards(fleet: Fleet, draft: Draft) -> tuple[Why, ...]:
    """A guard that stops everything is news in the turn in which something still runs."""
    stops = [why for why in draft.reasons if why.code in ("BudgetExhausted", "BudgetFloor")]
    running = any(r.state in (State.READY, State.STARTING) for r in fleet.alive)
    return tuple(stops) if running and not any(draft.counts.values()) else ()


def _verdict(case: Case, choice: Choice, rung: Rung) -> str:
    if rung.barred is not None:
        return rung.barred.sentence
    if not rung.options:
        return "; ".join(problem.sentence for problem in rung.problems)
    if rung.name == choice.rung.name:
        return choice.why.sentence
    cost = case.mix(rung, case.want).hourly_micro
    return f"would cost {dollars(cost)}/h"


def _round_slots(slots: int) -> int:
    """Three significant bits: small changes of the mean request don't reprogram the gateway.

    >>> [_round_slots(n) for n in (1, 7, 37, 1000)]
    [1, 7, 32, 896]
    """
    shift = max(0, slots.bit_length() - 3)
    return max(1, slots >> shift << shift)


def _unchanged(fleet: Fleet, now_s: float, why: Why, problems: tuple[Why, ...]) -> FleetPlan:
    return FleetPlan(
        namespace=fleet.namespace,
        name=fleet.name,
        target=fleet.memory.target,
        replicas=dict(fleet.deployed),
        shares=fleet.memory.shares or {fleet.spec.variants[0].name: 100},
        slots={},
        memory=fleet.memory,
        money=money(fleet, purse(fleet, now_s), sum(line.hourly_micro for line in fleet.ledger.open)),
        reasons=(why,),
        problems=problems,
    )


def _less_claims(pools: dict[str, Pool], fleet: Fleet, plan: FleetPlan) -> dict[str, Pool]:
    """Pools after this fleet took what it newly asks for."""
    per_replica = {(v.name, p.pool): p.accelerators for v in fleet.spec.variants for p in v.placements}
    claims: dict[str, int] = {}
    for place, n in plan.replicas.items():
        more = n * per_replica.get(place, 0) - sum(r.accelerators for r in fleet.alive if r.place == place)
        claims[place[1]] = claims.get(place[1], 0) + max(0, more)
    return {name: replace(pool, used=pool.used + claims.get(name, 0)) for name, pool in pools.items()}
