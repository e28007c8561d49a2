"""decide(snapshot) -> Plan: what every fleet is to become, and why. Newcomers start here.

For each fleet, the most important first: what its rungs could run on, what is asked of it, what the budget can
still pay, which rung serves and how large, how its traffic moves there, and what the guards make of it.
Pure: the same snapshot gives the same plan.
"""

from dataclasses import replace

from costwain.decide.budget import money, purse, running_micro_per_h
from costwain.decide.case import Case, Choice
from costwain.decide.choice import choose
from costwain.decide.forecast import forecast, observe_demand, request_shape
from costwain.decide.guards import Draft, Facts, guarded, refuse_slow_pools, within_bounds, within_hard_budget
from costwain.decide.learning import learn
from costwain.decide.options import ENGINE_SLOTS, Rung, ladder
from costwain.decide.placement import arrange, wanted
from costwain.decide.promise import keep_promises
from costwain.decide.shortage import floor_of
from costwain.decide.sizing import Want
from costwain.decide.swap import Progress, held_shares, step_shares
from costwain.domain.memory import Memory
from costwain.domain.money import dollars
from costwain.domain.plan import FleetPlan, Place, Plan, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot


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
    # 1. What is asked: arrivals and the mean request, smoothed, how fast the pods really are, and whether their
    # answers are in time; pools that kept a pod waiting are given a rest.
    memory, news = fleet.memory, list[Why]()
    if fleet.spec.scaling.mode != "Paused":
        memory, news = refuse_slow_pools(fleet, pools, observe_demand(fleet, now_s), now_s)
        memory = keep_promises(fleet, learn(fleet, pools, memory, now_s), now_s)
    # 2. What could serve it, and what bars it.
    rungs = ladder(replace(fleet, memory=memory), pools, request_shape(memory), now_s)
    best = next((r for r in rungs if r.options and r.barred is None), rungs[0])  # not the target: that may change now
    expected, memory = forecast(fleet, memory, now_s, best.start_s)
    # 3. What can be paid.
    try:
        case = Case(replace(fleet, memory=memory), rungs, expected, purse(fleet, now_s), now_s)
    except ValueError as error:  # a time zone that nobody knows
        case = Case(replace(fleet, memory=fleet.memory), rungs, expected, None, now_s)
        return _unchanged(case, Why("InvalidBudget", str(error)), (Why("InvalidBudget", str(error)),))
    if fleet.spec.scaling.mode == "Paused":
        return _unchanged(replace(case, fleet=fleet), Why("Paused", "scaling.mode is Paused: nothing changes"))
    if fleet.load is None:
        return _held(case, Why("Blind", "no readings from the gateway: holding every count"), tuple(news))
    # 4. Which rung serves with that, and how the traffic gets there.
    choice = choose(case)
    if choice is None:
        barred = "; ".join(f"{r.name}: {r.barred.sentence}" for r in rungs if r.barred)
        why = Why("NoVariant", f"no variant could serve{': ' + barred if barred else ''}")
        return _held(case, why, tuple(news))
    # 5. What the guards leave of it.
    return _plan(replace(case, fleet=replace(case.fleet, memory=_moved(case, choice))), choice, tuple(news))


def _moved(case: Case, choice: Choice) -> Memory:
    """Memory with the target and this turn's shares."""
    memory = case.fleet.memory
    if memory.target != choice.rung.name:
        memory = memory.model_copy(update={"target": choice.rung.name, "target_since_s": case.now_s})
    return step_shares(case.fleet, choice.rung.name, _progress(case, choice), memory, case.now_s)


def _progress(case: Case, choice: Choice) -> Progress:
    """How far the new rung is; complete when no more of it can start until others go."""
    options = {o.place: o for o in choice.rung.options}
    standing = [r for r in case.fleet.ready if r.variant == choice.rung.name]
    others = sum(r.variant != choice.rung.name for r in case.fleet.alive)
    startable = sum(min(n, options[place].most_now) for place, n in choice.mix.counts.items())
    return Progress(
        ready_per_s=sum(options[r.place].per_s for r in standing if r.place in options),
        needed_per_s=case.expected.now_per_s,
        complete=len(standing) >= min(startable, case.fleet.spec.scaling.max_replicas - others),
    )


def _plan(case: Case, choice: Choice, news: tuple[Why, ...]) -> FleetPlan:
    fleet, scaling = case.fleet, case.fleet.spec.scaling
    least = Want(0.0, scaling.min_replicas, scaling.min_replicas)
    mix = case.mix(choice.rung, least) if case.expected.idle and choice.mix.counts else choice.mix
    counts = wanted(fleet, choice.rung, mix, case.rungs, case.expected.stable_per_s)
    draft = guarded(Draft(counts), Facts(fleet, case.purse, _floor(case, choice.rung)))
    why = choice.why
    if case.expected.idle and mix is not choice.mix:
        why = Why("Idle", f"no requests for {scaling.scale_to_zero_after_seconds} s: {mix.replicas} replicas")
    return _arranged(
        case,
        replace(draft, reasons=(why, *draft.reasons)),
        replace(
            _unchanged(case, why),
            target=choice.rung.name,
            shares=fleet.memory.shares,
            money=money(fleet, case.purse, mix.hourly_micro),
            news=news if choice.news is None else (*news, choice.news),
            verdicts={r.name: _verdict(case, choice, r) for r in case.rungs},
        ),
    )


def _held(case: Case, why: Why, news: tuple[Why, ...]) -> FleetPlan:
    """Every count as it is, but for what the hard budget takes."""
    rung = next((r for r in case.eligible if r.name == case.fleet.memory.target), None)
    facts = Facts(case.fleet, case.purse, {} if rung is None else _floor(case, rung))
    draft = within_hard_budget(Draft(dict(case.fleet.deployed), (why,)), facts)
    unchanged = replace(_unchanged(case, why), news=news)
    return unchanged if draft.reasons == (why,) else _arranged(case, within_bounds(draft, facts), unchanged)


def _arranged(case: Case, draft: Draft, plan: FleetPlan) -> FleetPlan:
    """The plan with the draft's counts and reasons; stopping for want of money is news."""
    arrangement = arrange(case.fleet, draft.counts)
    stops = [why for why in draft.reasons if why.code in ("BudgetExhausted", "BudgetFloor")]
    return replace(
        plan,
        replicas=arrangement.replicas,
        drain=arrangement.drain,
        undrain=arrangement.undrain,
        reasons=draft.reasons,
        news=(*plan.news, *stops[-1:]) if arrangement.drain else plan.news,
    )


def _unchanged(case: Case, why: Why, problems: tuple[Why, ...] = ()) -> FleetPlan:
    """The plan that leaves everything as it is."""
    fleet = case.fleet
    variants = {v.name for v in fleet.spec.variants}
    slots = {r.place: _round_slots(ENGINE_SLOTS) for r in fleet.alive if r.variant in variants}
    return FleetPlan(
        namespace=fleet.namespace,
        name=fleet.name,
        target=fleet.memory.target,
        replicas=dict(fleet.deployed),
        shares=held_shares(fleet),
        slots=slots | {o.place: _round_slots(o.slots) for rung in case.rungs for o in rung.options},
        memory=fleet.memory,
        money=money(fleet, case.purse, running_micro_per_h(fleet)),
        reasons=(why,),
        problems=(*(problem for rung in case.rungs for problem in rung.problems), *problems),
    )


def _floor(case: Case, rung: Rung) -> dict[Place, int]:
    """What stays of the rung that serves although the budget is exhausted."""
    budget = case.fleet.spec.budget
    kept = budget is not None and budget.on_exhausted == "ScaleToFloor"
    if not kept:
        return {}
    now = {o.place: o.most_now for o in rung.options}
    floor = floor_of(case, rung, case.fleet.spec.scaling.min_replicas)
    return {place: min(n, now[place]) for place, n in floor.counts.items()}


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


def _less_claims(pools: dict[str, Pool], fleet: Fleet, plan: FleetPlan) -> dict[str, Pool]:
    """Pools after this fleet took what it newly asks for."""
    per_replica = {(v.name, p.pool): p.accelerators for v in fleet.spec.variants for p in v.placements}
    claims: dict[str, int] = {}
    for place, n in plan.replicas.items():
        more = n * per_replica.get(place, 0) - fleet.accelerators.get(place, 0)
        claims[place[1]] = claims.get(place[1], 0) + max(0, more)
    return {name: replace(p, used=p.used + claims[name]) if claims.get(name) else p for name, p in pools.items()}
