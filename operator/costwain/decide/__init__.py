"""decide(snapshot) -> Plan: what every fleet is to become, and why. Newcomers start here.

For each fleet, the most important first: what its rungs could run on, what is asked of it, what the budget can
still pay, which rung serves and how large, how its traffic moves there, and what the guards make of it. Where fleets
compete for accelerators it is settled before how many each of them may hold. Of many fleets those rest that are as
they were when nothing was to be done.
Pure: the same snapshot gives the same plan.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from costwain.decide.budget import Purse, money, purse, running_micro_per_h
from costwain.decide.case import Case, Choice
from costwain.decide.choice import choose
from costwain.decide.contest import Contest, contest
from costwain.decide.guards import Draft, Facts, guarded, held
from costwain.decide.known import ENGINE_SLOTS, known
from costwain.decide.lasting import spot_alone
from costwain.decide.late import late_rungs, late_there
from costwain.decide.makeway import made_way
from costwain.decide.nodes import kept_waiting
from costwain.decide.options import Rung, round_slots
from costwain.decide.pair import startable
from costwain.decide.placement import Aim, arrange, wanted
from costwain.decide.rest import Due, are_many, due, laid_to_rest
from costwain.decide.sentences import verdict
from costwain.decide.shared import Pot, share, told, with_claim
from costwain.decide.shortage import SHORT, floor_of
from costwain.decide.sizing import Want
from costwain.decide.split import Key
from costwain.decide.swap import Progress, held_shares, step_shares
from costwain.decide.understand import Understood, asking, blind, less_claims, placed_anew, understood
from costwain.domain.memory import Memory
from costwain.domain.once import changed
from costwain.domain.plan import FleetPlan, Place, Plan, Why
from costwain.domain.snapshot import Fleet, Snapshot


class _Apart(NamedTuple):
    """Fleets as if each were alone, what budgets they share, and what those may hold who together want too much."""

    fleets: Sequence[Fleet]
    alone: Mapping[Key, Understood]
    pots: tuple[Pot, ...]
    shared: Mapping[Key, tuple[Purse, ...]]
    settled: Contest


def decide(snapshot: Snapshot) -> Plan:
    """One plan for all fleets but those that rest; nobody does who could run where accelerators are short."""
    turn = due(snapshot)
    apart = _apart(snapshot, turn)
    woken = turn.with_rivals(apart.settled.reach)
    if len(woken.fleets) > len(turn.fleets):  # one that rests may be who gives way, or who comes first
        apart = _apart(snapshot, woken)
    return _together(snapshot, apart)


def _apart(snapshot: Snapshot, turn: Due) -> _Apart:
    fleets = sorted(turn.fleets, key=lambda f: (-f.spec.priority, f.key))
    members = asking(snapshot, fleets)
    pots = share(snapshot, [member.case for member in members.values()])
    pools, now_s = snapshot.pools, snapshot.now_s
    alone = {
        f.key: placed_anew(members[f.key], pools, now_s)
        if f.key in members
        else understood(with_claim(f, None), pools, now_s)
        for f in fleets
    }
    cases = [alone[f.key].case for f in fleets]
    shared = {key: tuple(pot.purses[key] for pot in pots if key in pot.purses) for key in alone} if pots else {}
    return _Apart(fleets, alone, pots, shared, contest(cases, pools, shared, turn.wanted))


def _together(snapshot: Snapshot, apart: _Apart) -> Plan:
    """The plan; accelerators that an earlier fleet claims are no longer free for a later one."""
    pools, now_s, plans, spare = snapshot.pools, snapshot.now_s, list[FleetPlan](), apart.settled.spare
    many = are_many(snapshot.fleets)
    for fleet in apart.fleets:
        grant = apart.settled.grants.get(fleet.key)
        room = None if grant is None else grant.with_spare(spare)
        this = placed_anew(apart.alone[fleet.key], pools, now_s, room)
        plan = _decide_fleet(this, apart.shared.get(fleet.key, ()), now_s)
        if grant is not None:
            plan = changed(plan, reasons=(plan.reasons[0], grant.why(), *plan.reasons[1:]))
            spare = grant.left_of(spare, fleet, plan.replicas)
        pools = less_claims(pools, fleet, plan.replicas)
        plans.append(laid_to_rest(this.case, plan, may=many and grant is None))
    return Plan(now_s, tuple(plans), told(apart.pots, plans))


def _decide_fleet(this: Understood, shared: tuple[Purse, ...], now_s: float) -> FleetPlan:
    case, fleet, news = this
    # 3. What can be paid: out of its own budget, and of those that it shares.
    try:
        own = purse(fleet, now_s)
    except ValueError as error:  # a time zone that nobody knows
        why = Why("InvalidBudget", str(error))
        return _unchanged(changed(case, fleet=fleet), why, (why,))
    purses = shared if own is None else (own, *shared)
    case = case.paid_from(min(purses, key=lambda p: p.even_micro_per_h, default=None), purses)
    if fleet.spec.scaling.mode == "Paused":
        return _unchanged(changed(case, fleet=fleet), Why("Paused", "scaling.mode is Paused: nothing changes"))
    if (unknown := blind(case.fleet)) is not None:
        return _held(case, unknown, news)
    # 4. Which rung serves with that, and how the traffic gets there.
    case, choice = _tightest(case)
    if choice is None:
        barred = "; ".join(f"{r.name}: {r.barred.sentence}" for r in case.rungs if r.barred)
        why = Why("NoVariant", f"no variant could serve{': ' + barred if barred else ''}")
        return _held(case, why, news)
    # 5. What the guards leave of it.
    return _plan(case.remembering(_moved(case, choice)), choice, news)


def _tightest(case: Case) -> tuple[Case, Choice | None]:
    """The choice of the purse that binds, among those that each purse alone would allow, and the case with it."""
    if len(case.purses) < 2:
        return case, choose(case)
    found = [(this, choose(this)) for this in (case.paid_from(purse, case.purses) for purse in case.purses)]
    return min(found, key=lambda each: _thrift(*each))


def _thrift(case: Case, choice: Choice | None) -> tuple[bool, float, int, int]:
    """A purse that is short first, then fewest dollars, then the lower rung, then the purse that lasts least."""
    assert case.purse is not None
    even = case.purse.even_micro_per_h
    if choice is None:
        return True, 0.0, 0, even
    # What a short one leaves as it is may cost more than what another would move to.
    return choice.why.code not in SHORT, choice.hourly_micro, -case.rungs.index(choice.rung), even


def _moved(case: Case, choice: Choice) -> Memory:
    """Memory with the target and this turn's shares."""
    memory = case.fleet.memory
    if memory.target != choice.rung.name:
        memory = memory.model_copy(update={"target": choice.rung.name, "target_since_s": case.now_s})
    return step_shares(case.fleet, choice.rung.name, _progress(case, choice), memory, case.now_s)


def _progress(case: Case, choice: Choice) -> Progress:
    """How far the new rung is; complete when no more of it can start until others go."""
    options = choice.rung.by_place
    standing = [r for r in case.fleet.ready if r.variant == choice.rung.name]
    others = sum(r.variant != choice.rung.name for r in case.fleet.alive)
    soon = sum(min(n, options[place].most_now) for place, n in choice.mix.counts.items())
    beside = (choice.beside.rung.name, choice.beside.percent) if choice.beside else None
    return Progress(
        beside=beside,
        ready_per_s=math.fsum(options[r.place].per_s for r in standing if r.place in options),
        needed_per_s=case.expected.now_per_s,
        complete=len(standing) >= min(soon, case.fleet.spec.scaling.max_replicas - others),
    )


def _plan(case: Case, choice: Choice, news: tuple[Why, ...]) -> FleetPlan:
    fleet, scaling = case.fleet, case.fleet.spec.scaling
    least = Want(0.0, scaling.min_replicas, scaling.min_replicas)
    lean = case.mix(choice.rung, least) if case.expected.idle and choice.mix.counts else choice.mix
    # What money or one rung's room don't allow, an idle fleet has no better right to.
    mix = choice.mix if lean.short or lean.hourly_micro > choice.hourly_micro else lean
    counts = wanted(fleet, Aim(choice.rung, mix, case.expected.stable_per_s), case.rungs, case.now_s)
    beside = startable(choice, counts, fleet.counts) if mix is choice.mix else {}
    counts.update({place: max(n, counts.get(place, 0)) for place, n in beside.items()})
    case, counts, note = made_way(case, choice.rung, mix, counts)
    draft = guarded(Draft(counts), Facts(fleet, case.purses, lambda: _floor(case, choice.rung), case.pools))
    alone = None if choice.lasts_beside and mix is choice.mix else spot_alone(choice.rung, mix.counts)
    why, late = choice.why, late_there(choice.rung, mix.counts, fleet.spec.slo)
    notes = (note, alone, late, kept_waiting(fleet, case.pools, case.now_s))
    if case.expected.idle and mix is not choice.mix:
        count = f"{mix.replicas} replica{'' if mix.replicas == 1 else 's'}"
        why = Why("Idle", f"no requests for {scaling.scale_to_zero_after_seconds} s: {count}")
    return _arranged(
        case,
        changed(draft, reasons=(why, *(note for note in notes if note), *draft.reasons)),
        changed(
            _planned(case, why, choice.hourly_micro if mix is choice.mix else mix.hourly_micro),
            news=news if choice.news is None else (*news, choice.news),
            verdicts={r.name: verdict(case, choice, r) for r in case.rungs},
        ),
    )


def _held(case: Case, why: Why, news: tuple[Why, ...]) -> FleetPlan:
    """Every count as it is, but for what the hard budget takes."""
    rung = next((r for r in case.eligible if r.name == case.fleet.memory.target), None)
    draft = held(why, Facts(case.fleet, case.purses, lambda: {} if rung is None else _floor(case, rung), case.pools))
    unchanged = changed(_unchanged(case, why), news=news)
    return unchanged if draft.reasons == (why,) else _arranged(case, draft, unchanged)


def _arranged(case: Case, draft: Draft, plan: FleetPlan) -> FleetPlan:
    """The plan with the draft's counts and reasons; stopping for want of money is news."""
    arrangement = arrange(case.fleet, draft.counts, draft.away)
    stops = [why for why in draft.reasons if why.code in ("BudgetExhausted", "BudgetFloor")]
    return changed(
        plan,
        replicas=arrangement.replicas,
        drain=arrangement.drain,
        undrain=arrangement.undrain,
        reasons=draft.reasons,
        news=(*plan.news, *stops[-1:]) if arrangement.drain else plan.news,
    )


def _unchanged(case: Case, why: Why, problems: tuple[Why, ...] = ()) -> FleetPlan:
    """The plan that leaves everything as it is."""
    held = _planned(case, why, running_micro_per_h(case.fleet))
    return changed(held, shares=held_shares(case.fleet), problems=(*held.problems, *problems))


def _planned(case: Case, why: Why, planned_micro: int) -> FleetPlan:
    """A plan that changes nothing yet, with what it plans to spend an hour."""
    fleet = case.fleet
    names = known(fleet.spec).names
    slots = {place: round_slots(ENGINE_SLOTS) for place in fleet.counts if place[0] in names}
    for rung in case.rungs:
        slots |= rung.slots
    return FleetPlan(
        namespace=fleet.namespace,
        name=fleet.name,
        target=fleet.memory.target,
        replicas=dict(fleet.deployed),
        shares=fleet.memory.shares,
        slots=slots,
        memory=fleet.memory,
        money=money(fleet, case.purse, planned_micro),
        reasons=(why,),
        problems=(*(why for rung in case.rungs for why in rung.problems), *late_rungs(case.rungs, fleet.spec.slo)),
    )


def _floor(case: Case, rung: Rung) -> dict[Place, int]:
    """What stays of the rung that serves although the budget is exhausted."""
    if not any(purse.terms.keeps_floor for purse in case.purses):
        return {}
    now = {o.place: o.most_now for o in rung.options}
    floor = floor_of(case, rung, case.fleet.spec.scaling.min_replicas)
    return {place: min(n, now[place]) for place, n in floor.counts.items()}
