"""Claims: what a fleet asks of the budgets that it shares, and what it costs them whatever is decided."""

import math
from dataclasses import dataclass

from costwain.decide.budget import UP_MARGIN, owed_micro, purse, running_micro_per_h, stopping_s
from costwain.decide.case import Case
from costwain.decide.choice import way_down
from costwain.decide.options import Rung
from costwain.decide.reserve import SOON_S, usual_micro_per_h
from costwain.decide.season import UNKNOWN
from costwain.decide.sizing import Mix, Want
from costwain.decide.window import Window
from costwain.domain.memory import Claim
from costwain.domain.money import cost_micro
from costwain.domain.snapshot import State

HOLD_S = 900.0  # how long the highest rate stays claimed: a load that swings must not swap the variants of others

_BILLED_NEVER = (State.DRAINING, State.DRAINED, State.TERMINATING)


@dataclass(frozen=True)
class Commitment:
    """Micro-dollars that a fleet costs until the period ends even if nothing more is granted to it.

    `owed`: what runs, until it has stopped. `floor`: what stays although the money is gone, after that.
    """

    owed_micro: int
    floor_micro: int

    @property
    def micro(self) -> int:
        return self.owed_micro + self.floor_micro


def best_offer(case: Case) -> tuple[Rung, Mix] | None:
    """The best rung that carries the demand, whatever it costs; None where none could run."""
    offers = case.offers
    return next((o for o in offers if not o[1].short), max(offers, key=lambda o: o[1].per_s)) if offers else None


def claim_of(case: Case) -> Claim:
    """What the fleet's demand would cost: enough that the choice is as free as if the fleet had the budget alone.

    It rises at once and falls after a while. The same instant again gives the same claim.
    """
    before = case.fleet.memory.claim
    if before is not None and before.at_s == case.now_s:
        return before
    hourly, moving, moving_s = _asked(case)
    new = Claim(at_s=case.now_s, since_s=case.now_s, hourly_micro=hourly, moving_micro=moving, moving_s=moving_s)
    return new if before is None or case.now_s - before.since_s >= HOLD_S else _held(before, new)


def _held(before: Claim, new: Claim) -> Claim:
    """The higher rate of both, with what it is above the usual; what a move costs beside it ends with the move."""
    serves = before.moving_s == new.moving_s == SOON_S
    above, above_before = (new.moving_micro, before.moving_micro) if serves else (0, 0)
    if new.hourly_micro + above >= before.hourly_micro + above_before:
        return new
    moving_micro = before.moving_micro if serves else new.moving_micro
    return new.model_copy(
        update={"since_s": before.since_s, "hourly_micro": before.hourly_micro, "moving_micro": moving_micro}
    )


def _asked(case: Case) -> tuple[int, int, float]:
    """Micro-dollars an hour to the period's end, and beside them for some seconds.

    A rung that serves need only be paid; any other move must find what `may_start` and `may_rise` keep behind.
    """
    running = running_micro_per_h(case.fleet)
    offers = case.offers
    best = best_offer(case)
    if best is None or case.fleet.load is None or stands_still(case):
        return running, 0, 0.0
    target = case.fleet.memory.target
    step = way_down(case, offers, next((rung for rung, _ in offers if rung.name == target), None))
    dearest = max(mix.hourly_micro for _, mix in offers if not mix.short or best[1].short)
    beside = _with_margin(dearest + max(running, step.serving_micro_per_h))
    if case.expected.idle:
        dwell_s = case.fleet.spec.swap.min_dwell_seconds
        return _with_margin(step.reserve_micro_per_h), beside, dwell_s + step.both_s
    if target == best[0].name and case.count(best[0]):
        # More than usual is asked for an hour: for the rest of the period, it would swap the variants of others.
        now_micro = best[1].hourly_micro
        usual_micro = min(now_micro, usual_micro_per_h(case, best[0]))
        return usual_micro, now_micro - usual_micro, SOON_S
    return _with_margin(max(dearest, (1 + UNKNOWN) * step.reserve_micro_per_h)), beside, step.both_s


def stands_still(case: Case) -> bool:
    """Whether nothing changes in the fleet whatever it costs: it is paused, or nobody knows its budget's time zone."""
    if case.fleet.spec.scaling.mode == "Paused":
        return True
    try:
        purse(case.fleet, case.now_s)
    except ValueError:
        return True
    return False


def needed_micro(case: Case, claim: Claim, window: Window) -> int:
    """What the claim comes to until a window ends, but not more than the fleet's own budget lets it spend."""
    left_s = window.left_s(case.now_s)
    needed = cost_micro(claim.hourly_micro, left_s) + cost_micro(claim.moving_micro, min(claim.moving_s, left_s))
    own = None if stands_still(case) else purse(case.fleet, case.now_s)
    if own is None:
        return needed
    periods = math.ceil(max(0.0, window.end_s - own.window.end_s) / (own.window.end_s - own.window.start_s))
    return min(needed, own.left_micro + periods * own.limit_micro)


def beyond_micro(case: Case, claim: Claim, window: Window, committed: Commitment) -> int:
    """What is needed beyond the commitment; what stopping costs anyhow also serves until then."""
    stop_s = min(stopping_s(case.fleet), window.left_s(case.now_s))
    served = min(committed.owed_micro, cost_micro(claim.hourly_micro, stop_s))
    return max(0, needed_micro(case, claim, window) - served - committed.floor_micro)


def commitment(case: Case, window: Window, *, keeps_floor: bool) -> Commitment:
    """What runs must be stopped, which takes its time, or runs on where nothing is decided; a declared floor stays."""
    fleet, left_s = case.fleet, window.left_s(case.now_s)
    if stands_still(case):
        return Commitment(cost_micro(running_micro_per_h(fleet), left_s), 0)
    stop_s = min(stopping_s(fleet), left_s)
    owed = owed_micro(fleet, case.now_s, left_s) + cost_micro(_soon_micro_per_h(case), stop_s)
    if not keeps_floor:
        return Commitment(owed, 0)
    least = fleet.spec.scaling.min_replicas
    floors = [case.mix(rung, Want(0.0, least, least)).hourly_micro for rung in case.eligible]
    floor = min(floors, default=0)
    after = cost_micro(floor, left_s - stop_s)
    return Commitment(owed, after + max(0, cost_micro(floor, stop_s) - owed))


def _soon_micro_per_h(case: Case) -> int:
    """Pods that were asked for and are not on the bill yet: they may be within the next turn."""
    prices = {option.place: option.hourly_micro for rung in case.rungs for option in rung.options}
    billed = {line.uid for line in case.fleet.ledger.open}
    standing = [r for r in case.fleet.alive if r.uid in billed or r.state in _BILLED_NEVER]
    soon = 0
    for place, price in prices.items():
        asked = max(case.fleet.deployed.get(place, 0), case.fleet.counts.get(place, 0))
        soon += price * max(0, asked - sum(r.place == place for r in standing))
    return soon


def _with_margin(micro: float) -> int:
    return math.ceil(micro * (1 + UP_MARGIN))
