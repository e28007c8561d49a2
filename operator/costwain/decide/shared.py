"""Shared budgets: one purse a member out of each InferenceBudget that selects it.

What was spent counts by the labels that a fleet had at the time, so a fleet that is deleted or relabelled leaves its
dollars behind. What is left is split by what the members claim, after what nobody can take back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from costwain.decide.budget import STOP_S, UP_MARGIN, Purse, Terms, stopping_s
from costwain.decide.case import Case
from costwain.decide.claims import beyond_micro, claim_of, commitment
from costwain.decide.split import Key, Stake, split
from costwain.decide.window import Window, window
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Claim
from costwain.domain.money import cost_micro, dollars, micro_of
from costwain.domain.plan import BudgetPlan, FleetPlan, Share, Why
from costwain.domain.snapshot import Fleet, SharedBudget, Snapshot, Undecided

ZONE = "Etc/UTC"  # where the budget's own is unknown: dollars stay guarded, and nobody stands still for a typing error
GONE_S = STOP_S + 120.0  # from the deletion of a fleet until its pods are off the bill, at the default shutdown


@dataclass(frozen=True)
class Period:
    """A shared budget and its running period at an instant."""

    budget: SharedBudget
    zone: str
    window: Window
    now_s: float

    @property
    def left_s(self) -> float:
        return self.window.left_s(self.now_s)

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return self.budget.spec.selector.matches(namespace, labels)

    def spent_micro(self, namespace: str, ledger: SpendLedgerSpec, labels: Mapping[str, str]) -> int:
        """What a ledger says was spent under the budget; `labels` where it kept none."""
        spent = 0
        for from_s, until_s, worn in ledger.labels_over_time(labels):
            start_s, end_s = max(from_s, self.window.start_s), min(until_s, self.now_s)
            if start_s < end_s and self.selects(namespace, worn):
                spent += ledger.spent_micro(start_s, end_s)
        return spent

    def reserved_micro(self, other: Undecided) -> int:
        """What the pods of a fleet on which nobody decides still cost."""
        *_, (_, _, labels) = other.ledger.labels_over_time({})
        if not self.selects(other.namespace, labels):
            return 0
        for_s = self.left_s if other.stays else min(GONE_S, self.left_s)
        return sum(cost_micro(line.hourly_micro, for_s) for line in other.ledger.open)


@dataclass(frozen=True)
class Pot:
    """A shared budget as it is split: micro-dollars spent, reserved where nobody decides, and the members' purses."""

    period: Period
    spent_micro: int
    reserved_micro: int
    purses: Mapping[Key, Purse]
    problems: tuple[Why, ...]


def is_member(snapshot: Snapshot, fleet: Fleet) -> bool:
    """Whether any shared budget selects the fleet."""
    return any(budget.spec.selector.matches(fleet.namespace, fleet.labels) for budget in snapshot.budgets)


def with_claim(fleet: Fleet, claim: Claim | None) -> Fleet:
    """The fleet with its claim in its memory; one that is paused is left as it is."""
    if fleet.spec.scaling.mode == "Paused" or fleet.memory.claim == claim:
        return fleet
    return fleet.remembering(fleet.memory.model_copy(update={"claim": claim}))


def share(snapshot: Snapshot, cases: Sequence[Case]) -> tuple[Pot, ...]:
    """Every shared budget by name, split among its members; `cases` are those of all members."""
    return tuple(_pot(snapshot, budget, cases) for budget in sorted(snapshot.budgets, key=lambda b: b.name))


def _pot(snapshot: Snapshot, budget: SharedBudget, cases: Sequence[Case]) -> Pot:
    period, problems = _period(budget, snapshot.now_s)
    members = [case for case in cases if period.selects(case.fleet.namespace, case.fleet.labels)]
    spent = sum(period.spent_micro(f.namespace, f.ledger, f.labels) for f in snapshot.fleets)
    spent += sum(period.spent_micro(x.namespace, x.ledger, {}) for x in snapshot.undecided)
    reserved = sum(period.reserved_micro(x) for x in snapshot.undecided)
    amount, sharing = micro_of(budget.spec.amount), budget.spec.sharing
    left = max(0, amount - spent - reserved)
    stakes = {case.fleet.key: _stake(case, period) for case in members}
    grants = split(left, stakes.values(), sharing)
    coming = split(amount, (_next_stake(case, period) for case in members), sharing)
    if not members:
        problems += (Why("NoMembers", "the selector matches no ModelDeployment"),)
    where = f" for it of the {dollars(left)} in InferenceBudget {budget.name}"
    purses = {}
    for case in members:
        key = case.fleet.key
        terms = replace(_terms(case, period, stakes[key], grants[key]), where=where, next_micro=coming[key])
        purses[key] = _purse(case.fleet, period, (stakes[key].used_micro, grants[key]), terms)
    return Pot(period, spent, reserved, purses, problems)


def _period(budget: SharedBudget, now_s: float) -> tuple[Period, tuple[Why, ...]]:
    spec = budget.spec
    try:
        return Period(budget, spec.time_zone, window(spec.period, spec.time_zone, now_s), now_s), ()
    except ValueError as error:
        sentence = f"{str(error).removeprefix('budget.')}: its periods go by {ZONE}"
        return Period(budget, ZONE, window(spec.period, ZONE, now_s), now_s), (Why("InvalidBudget", sentence),)


def _stake(case: Case, period: Period) -> Stake:
    fleet = case.fleet
    committed = commitment(case, period.window, keeps_floor=_keeps_floor(period))
    return Stake(
        key=fleet.key,
        priority=fleet.spec.priority,
        used_micro=period.spent_micro(fleet.namespace, fleet.ledger, fleet.labels),
        committed_micro=committed.micro,
        needed_micro=beyond_micro(case, claim_of(case), period.window, committed),
    )


def _next_stake(case: Case, period: Period) -> Stake:
    """The next period, if all went on as it is: it tells what may start late in this one."""
    claim, period_s = claim_of(case), period.window.end_s - period.window.start_s
    needed = cost_micro(claim.hourly_micro, period_s) + cost_micro(claim.moving_micro, min(claim.moving_s, period_s))
    return Stake(case.fleet.key, case.fleet.spec.priority, 0, 0, round(needed * (1 + UP_MARGIN)))


def _terms(case: Case, period: Period, stake: Stake, grant_micro: int) -> Terms:
    """The purse's terms. It is dry when the grant pays the commitment alone: what runs must stop while that is so."""
    spare = grant_micro - stake.committed_micro
    stops_in_time = period.left_s <= stopping_s(case.fleet)  # then the commitment pays all to the period's end
    return Terms(
        time_zone=period.zone,
        keeps_floor=_keeps_floor(period),
        shared=period.budget.name,
        dry=stake.committed_micro > 0 and (spare < 0 or (spare == 0 and not stops_in_time)),
    )


def _keeps_floor(period: Period) -> bool:
    return period.budget.spec.on_exhausted == "ScaleToFloor"


def _purse(fleet: Fleet, period: Period, micro: tuple[int, int], terms: Terms) -> Purse:
    used, grant = micro
    return Purse(
        window=period.window,
        limit_micro=used + grant,
        spent_micro=used,
        uncertain_micro=fleet.ledger.uncertain_micro(period.window.start_s),
        now_s=period.now_s,
        terms=terms,
    )


def told(pots: Sequence[Pot], plans: Sequence[FleetPlan]) -> tuple[BudgetPlan, ...]:
    """The shared budgets for their status, with what the members plan to spend."""
    planned = {plan.key: plan.money.planned_micro_per_h or 0 for plan in plans}
    return tuple(_told(pot, planned) for pot in pots)


def _told(pot: Pot, planned: Mapping[Key, int]) -> BudgetPlan:
    rate = sum(planned[key] for key in pot.purses)
    return BudgetPlan(
        name=pot.period.budget.name,
        start_s=pot.period.window.start_s,
        end_s=pot.period.window.end_s,
        limit_micro=micro_of(pot.period.budget.spec.amount),
        spent_micro=pot.spent_micro,
        reserved_micro=pot.reserved_micro,
        forecast_micro=pot.spent_micro + pot.reserved_micro + cost_micro(rate, pot.period.left_s),
        shares=tuple(Share(*key, p.spent_micro, p.left_micro) for key, p in sorted(pot.purses.items())),
        problems=pot.problems,
    )
