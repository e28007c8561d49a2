"""decide(snapshot) -> Plan: what every fleet is to become, and why. Newcomers start here.

For each fleet, the most important first: what its rungs could run on, what is asked of it, what the budget can
still pay, which rung serves and how large, how its traffic moves there, and what the guards make of it.
Pure: the same snapshot gives the same plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from costwain.decide.budget import Purse, money, purse, running_micro_per_h
from costwain.decide.case import Case, Choice
from costwain.decide.choice import choose
from costwain.decide.claims import best_offer, claim_of
from costwain.decide.forecast import Replica, forecast, observe_demand, request_shape
from costwain.decide.guards import Draft, Facts, guarded, refuse_slow_pools, within_bounds, within_hard_budget
from costwain.decide.learning import learn
from costwain.decide.options import ENGINE_SLOTS, Rung, ladder
from costwain.decide.placement import arrange, wanted
from costwain.decide.promise import keep_promises
from costwain.decide.shared import is_member, share, told, with_claim
from costwain.decide.shortage import floor_of
from costwain.decide.sizing import Want
from costwain.decide.split import Key
from costwain.decide.swap import Progress, held_shares, step_shares
from costwain.domain.memory import Memory
from costwain.domain.money import dollars
from costwain.domain.plan import FleetPlan, Place, Plan, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot


def decide(snapshot: Snapshot) -> Plan:
    """One plan for all fleets; accelerators that an earlier fleet claims are no longer free for a later one."""
    ordered = sorted(snapshot.fleets, key=lambda f: (-f.spec.priority, f.key))
    asking = _asking(snapshot, ordered)
    pots = share(snapshot, list(asking.values()))
    pools = dict(snapshot.pools)
    plans = []
    for fleet in ordered:
        knowing = with_claim(fleet, claim_of(asking[fleet.key]) if fleet.key in asking else None)
        shared = tuple(pot.purses[fleet.key] for pot in pots if fleet.key in pot.purses)
        plan = _decide_fleet(knowing, pools, shared, snapshot.now_s)
        pools = _less_claims(pools, fleet, plan.replicas)
        plans.append(plan)
    return Plan(snapshot.now_s, tuple(plans), told(pots, plans))


def _asking(snapshot: Snapshot, ordered: Sequence[Fleet]) -> dict[Key, Case]:
    """What each member of a shared budget would run if it had the dollars, as far as the accelerators go.

    Its claim is in its memory then.
    """
    pools, cases = dict(snapshot.pools), dict[Key, Case]()
    for fleet in ordered:
        if is_member(snapshot, fleet):
            case, _ = _understood(fleet, pools, snapshot.now_s)
            cases[fleet.key] = replace(case, fleet=with_claim(case.fleet, claim_of(case)))
            offer = best_offer(case)
            pools = _less_claims(pools, fleet, offer[1].counts if offer else {})
    return cases


def _understood(fleet: Fleet, pools: dict[str, Pool], now_s: float) -> tuple[Case, tuple[Why, ...]]:
    """What is asked of a fleet and what could serve it, before any money; and the news of that."""
    # 1. What is asked: arrivals and the mean request, smoothed, how fast the pods really are, and whether their answers
    # are in time; pools that kept a pod waiting are given a rest.
    memory, news = fleet.memory, list[Why]()
    if fleet.spec.scaling.mode != "Paused":
        memory, news = refuse_slow_pools(fleet, pools, observe_demand(fleet, now_s), now_s)
        memory = keep_promises(fleet, learn(fleet, pools, memory, now_s), now_s)
    # 2. What could serve it, and what bars it.
    rungs = ladder(replace(fleet, memory=memory), pools, request_shape(memory), now_s)
    best = next((r for r in rungs if r.options and r.barred is None), rungs[0])  # not the target: that may change now
    replica = Replica(best.start_s, max((o.per_s for o in best.options), default=1.0))
    expected, memory = forecast(fleet, memory, now_s, replica)
    return Case(replace(fleet, memory=memory), rungs, expected, None, now_s, pools=dict(pools)), tuple(news)


def _decide_fleet(fleet: Fleet, pools: dict[str, Pool], shared: tuple[Purse, ...], now_s: float) -> FleetPlan:
    case, news = _understood(fleet, pools, now_s)
    # 3. What can be paid: out of its own budget, and of those that it shares.
    try:
        own = purse(fleet, now_s)
    except ValueError as error:  # a time zone that nobody knows
        why = Why("InvalidBudget", str(error))
        return _unchanged(replace(case, fleet=fleet), why, (why,))
    purses = shared if own is None else (own, *shared)
    case = replace(case, purses=purses, purse=min(purses, key=lambda p: p.even_micro_per_h, default=None))
    if fleet.spec.scaling.mode == "Paused":
        return _unchanged(replace(case, fleet=fleet), Why("Paused", "scaling.mode is Paused: nothing changes"))
    if fleet.load is None:
        what = "no readings from the gateway" if fleet.spec.gateway.is_managed else "an engine can't be read"
        return _held(case, Why("Blind", f"{what}: holding every count"), news)
    # 4. Which rung serves with that, and how the traffic gets there.
    case, choice = _tightest(case)
    if choice is None:
        barred = "; ".join(f"{r.name}: {r.barred.sentence}" for r in case.rungs if r.barred)
        why = Why("NoVariant", f"no variant could serve{': ' + barred if barred else ''}")
        return _held(case, why, news)
    # 5. What the guards leave of it.
    return _plan(replace(case, fleet=replace(case.fleet, memory=_moved(case, choice))), choice, news)


def _tightest(case: Case) -> tuple[Case, Choice | None]:
    """The choice of the fewest dollars among those that each purse alone would allow, and the case with that purse."""
    if len(case.purses) < 2:
        return case, choose(case)
    found = [(this, choose(this)) for this in (replace(case, purse=purse) for purse in case.purses)]
    return min(found, key=lambda each: _thrift(*each))


def _thrift(case: Case, choice: Choice | None) -> tuple[float, int, int]:
    """Fewest dollars first, then the lower rung, then the purse that lasts least."""
    assert case.purse is not None
    even = case.purse.even_micro_per_h
    return (0.0, 0, even) if choice is None else (choice.mix.hourly_micro, -case.rungs.index(choice.rung), even)


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
    draft = guarded(Draft(counts), Facts(fleet, case.purses, _floor(case, choice.rung)))
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
    facts = Facts(case.fleet, case.purses, {} if rung is None else _floor(case, rung))
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
    if not any(purse.terms.keeps_floor for purse in case.purses):
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


def _less_claims(pools: dict[str, Pool], fleet: Fleet, replicas: Mapping[Place, int]) -> dict[str, Pool]:
    """Pools after this fleet took what it newly asks for."""
    per_replica = {(v.name, p.pool): p.accelerators for v in fleet.spec.variants for p in v.placements}
    claims: dict[str, int] = {}
    for place, n in replicas.items():
        more = n * per_replica.get(place, 0) - fleet.accelerators.get(place, 0)
        claims[place[1]] = claims.get(place[1], 0) + max(0, more)
    return {name: replace(p, used=p.used + claims[name]) if claims.get(name) else p for name, p in pools.items()}
