"""Shortage: what runs of a rung that the rest of the period can't pay in full."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from costwain.decide.budget import Purse, must_stop, worth_a_start
from costwain.decide.case import Case, Choice
from costwain.decide.options import Option, Rung
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.money import dollars
from costwain.domain.plan import Place, Why

SHORT = ("BudgetShort", "BudgetExhausted", "BudgetFloor")  # codes of what within_money() chooses


def within_money(case: Case, purse: Purse, rung: Rung, floor: int) -> Choice:
    """As many replicas of a rung as the rest of the period can pay, at least the declared floor."""
    mix = _growing(case, purse, rung, _staying(case, purse, rung))
    until, left = case.clock(purse.window.end_s), f"{dollars(purse.left_micro)} left{purse.terms.where}"
    if mix.replicas >= floor:
        count = mix.replicas or "no replica"
        sentence = f"{left} until {until} pays {count} of {rung.name}"
        if mix.counts and not purse.pays(mix.hourly_micro, purse.left_s):
            sentence += f" until {case.clock(case.now_s + purse.lasts_s(mix.hourly_micro, 0))}"
        return Choice(rung, mix, Why("BudgetShort" if mix.counts else "BudgetExhausted", sentence))
    least = floor_of(case, rung, floor)
    part = f", of {floor} that are declared" if least.replicas < floor else " as the declared floor"
    count = f"{least.replicas or 'no replica'} of {rung.name} {'stay' if least.replicas > 1 else 'stays'}"
    sentence = f"{left} until {until}: {count}{part}"
    return Choice(rung, least, Why("BudgetFloor", sentence))


def floor_of(case: Case, rung: Rung, least: int) -> Mix:
    """A floor without money: of the replicas that run, where they suffice; a move would cost both."""
    running, want = case.running(rung), Want(0.0, least, least)
    standing = cheapest([replace(o, most=min(o.most, running.get(o.place, 0))) for o in rung.options], want, running)
    return case.mix(rung, want) if standing.short else standing


def _staying(case: Case, purse: Purse, rung: Rung) -> Mix:
    """What may stay of the replicas that run: the even rate pays it, or it is one that can still be stopped."""
    running = case.running(rung)
    options = [replace(o, most=min(o.most, running.get(o.place, 0))) for o in rung.options]
    mix = cheapest(options, replace(case.want, hourly_micro=purse.even_micro_per_h), running)
    if mix.counts:
        return mix
    # Serve while there is money rather than save it for an idle end.
    lone = _lone(options, running, lambda hourly_micro: not must_stop(case.fleet, purse, hourly_micro))
    return mix if lone is None else lone


def _growing(case: Case, purse: Purse, rung: Rung, staying: Mix) -> Mix:
    """What stays, and what may be started beside it: the even rate pays both, or it is one that serves for a while.

    Nothing moves to another pool: while both ran, neither could be paid. A margin keeps it from coming and going,
    since the even rate grows as long as less runs than it pays.
    """
    rest_micro = purse.growing_micro_per_h(rung.start_s) - staying.hourly_micro
    options = [replace(o, most=max(0, o.most - staying.counts.get(o.place, 0))) for o in rung.options]
    missing = Want(case.want.per_s - staying.per_s, 0, case.want.most - staying.replicas, rest_micro)
    if staying.counts:
        lasts = any(o.lasting and staying.counts.get(o.place) for o in rung.options)
        return staying.plus(cheapest(options, replace(missing, lasting=not lasts), {}))
    mix = cheapest(options, replace(missing, least=case.want.least), {})
    if mix.counts:
        return mix
    lone = _lone(options, {}, lambda hourly_micro: worth_a_start(case.fleet, purse, hourly_micro, rung.start_s))
    return mix if lone is None else lone


def _lone(options: Sequence[Option], running: Mapping[Place, int], paid: Callable[[int], bool]) -> Mix | None:
    """One replica that can be paid: the cheapest that lasts, else one on spot capacity."""
    ones = [cheapest(options, Want(0.0, 1, 1, lasting=lasting), running) for lasting in (True, False)]
    return next((one for one in ones if paid(one.hourly_micro)), None)
