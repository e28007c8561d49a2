"""Guards: what stands above every choice, in order. The order is the policy."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from costwain.decide.budget import Purse, must_stop_all
from costwain.decide.lasting import last_one
from costwain.decide.owed import Prices, may_owe_too_much, owes_too_much, prices_of, unbilled
from costwain.decide.placement import arrange
from costwain.domain.money import dollars
from costwain.domain.once import lazy
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Pool, State


@dataclass(frozen=True)
class Draft:
    """Counts by place before the guards have seen them; pods that are `away` aren't among them, and go on leaving."""

    counts: dict[Place, int]
    reasons: tuple[Why, ...] = ()
    away: frozenset[str] = frozenset()

    def because(self, counts: dict[Place, int], code: str, sentence: str) -> "Draft":
        return replace(self, counts=counts, reasons=(*self.reasons, Why(code, sentence)))


@dataclass(frozen=True)
class Facts:
    """What a guard may look at; the `pools` tell what a start costs, and whose nodes may be taken away."""

    fleet: Fleet
    purses: tuple[Purse, ...]
    floor: Callable[[], dict[Place, int]]
    pools: Mapping[str, Pool] = field(default_factory=dict)

    @lazy
    def prices(self) -> Prices:
        return prices_of(self.fleet, self.pools)

    @lazy
    def spot(self) -> Set[str]:
        return {name for name, pool in self.pools.items() if pool.spec.capacity_type == "Spot"}


Guard = Callable[[Draft, Facts], Draft]


def within_bounds(draft: Draft, facts: Facts) -> Draft:
    """Never above maxReplicas over all variants: what serves already goes before what would be started.

    A pod that is being drained still counts, so nothing starts in its place until it is gone.
    """
    most = facts.fleet.spec.scaling.max_replicas
    if sum(draft.counts.values()) + len(facts.fleet.alive) <= most:
        return draft  # nearly always
    counts = _least_useful_first(draft.counts, facts, sum(draft.counts.values()) - most)
    over = sum(arrange(facts.fleet, counts).replicas.values()) - most
    for place in sorted(counts, key=lambda p: (p[1] not in facts.spot, p)):
        started = max(0, counts[place] - _here(facts.fleet, place))
        cut = min(max(0, over), started)
        counts[place] -= cut
        over -= cut
    return draft if counts == draft.counts else draft.because(counts, "AtMaxReplicas", f"capped at maxReplicas {most}")


def _least_useful_first(draft: dict[Place, int], facts: Facts, surplus: int) -> dict[Place, int]:
    """Counts less the surplus: first what isn't ready, then the rungs that are left, then the target.

    Spot capacity goes before what lasts, and of that one ready replica stays as long as any on spot does.
    """
    counts, fleet, spot = dict(draft), facts.fleet, facts.spot
    standing = {p: sum(r.place == p and r.state is State.READY for r in fleet.alive) for p in counts}
    for place in sorted(counts, key=lambda p: (p[1] not in spot, standing[p] - counts[p], p)):
        cut = min(max(0, surplus), max(0, counts[place] - standing[place]))
        counts[place] -= cut
        surplus -= cut
    last = last_one(fleet, counts, spot)
    for place in sorted(counts, key=lambda p: (p[0] == fleet.memory.target, p)):
        cut = min(max(0, surplus), counts[place] - (place == last))
        counts[place] -= cut
        surplus -= cut
    return counts


def _here(fleet: Fleet, place: Place) -> int:
    return sum(r.place == place for r in fleet.alive)


def within_hard_budget(draft: Draft, facts: Facts) -> Draft:
    """Pods go before the money does: what runs now must still be payable while it stops."""
    ended = [purse for purse in facts.purses if must_stop_all(facts.fleet, purse)]
    if not ended:
        return draft
    purse = _binding(ended)
    terms, left = purse.terms, _left(purse)
    counts = {**dict.fromkeys(draft.counts, 0), **(facts.floor() if terms.keeps_floor else {})}
    if any(counts.values()):
        if terms.dry:
            sentence = f"{left}, no more than is reserved: only the declared floor stays"
            return draft.because(counts, "BudgetFloor", sentence)
        return draft.because(counts, "BudgetFloor", f"{left}: only the declared floor stays, above the budget")
    if terms.shared:
        sentence = f"{left}, no more than stopping costs: nothing runs until there is more"
        return draft.because(counts, "BudgetExhausted", sentence)
    return draft.because(counts, "BudgetExhausted", f"{left} in this period: nothing runs until the next one")


def _binding(purses: Sequence[Purse]) -> Purse:
    """The one that allows least: one without a floor comes first, then the emptiest."""
    return min(purses, key=lambda purse: (purse.terms.keeps_floor, purse.left_micro))


def _left(purse: Purse) -> str:
    return f"{dollars(purse.left_micro)} is left{purse.terms.where}"


def with_payable_stops(draft: Draft, facts: Facts) -> Draft:
    """Nothing starts, and nothing that leaves is taken back, whose stop can't be paid beside what all else owes.

    The guard above looks at what is on the bill: one turn later all would have to stop, and couldn't be paid. A
    declared floor is above the budget here too.
    """
    short = _short(draft, facts)
    if not short:
        return draft
    purse, less, fewer = _binding(short), draft, True
    least = facts.floor() if purse.terms.keeps_floor else {}
    while fewer and _short(less, facts):
        less, fewer = _one_fewer(less, least, facts)
    if {why.code for why in draft.reasons} & {"BudgetFloor", "BudgetExhausted"}:
        return less  # the guard above has said all, and nothing is to stay in place of what goes
    if any(least.values()) and _short(less, facts):
        sentence = f"{_left(purse)}: only the declared floor comes, above the budget"
        return less.because(less.counts, "BudgetFloor", sentence)
    if less is draft:
        return draft
    sentence = f"{_left(purse)}: nothing comes beside what runs or leaves, for its stop couldn't be paid"
    return less.because(_kept_instead(less, facts, len(less.away - draft.away)), "BudgetShort", sentence)


def _short(draft: Draft, facts: Facts) -> list[Purse]:
    """The purses that can't pay what would be owed after a draft."""
    fleet, prices = facts.fleet, facts.prices
    tight = [purse for purse in facts.purses if may_owe_too_much(fleet, draft.counts, prices, purse)]
    if not tight:
        return tight  # nearly always
    after = arrange(fleet, draft.counts, draft.away)
    return [purse for purse in tight if owes_too_much(fleet, after, prices, purse)]


def _one_fewer(draft: Draft, least: Mapping[Place, int], facts: Facts) -> tuple[Draft, bool]:
    """One fewer that starts or, where none does, that is taken back and would serve at once; the dearest of them."""
    fleet, after = facts.fleet, arrange(facts.fleet, draft.counts, draft.away)
    starts = [(place, "") for place in unbilled(fleet, after.replicas)]
    back = [(r.place, r.pod) for r in fleet.alive if r.pod in after.undrain]
    for found in (starts, back):
        spare = [(place, pod) for place, pod in found if draft.counts.get(place, 0) > least.get(place, 0)]
        if spare:
            place, pod = max(spare, key=lambda one: (facts.prices.get(one[0], 0), one))
            counts = {**draft.counts, place: draft.counts[place] - 1}
            return replace(draft, counts=counts, away=draft.away | {pod} if pod else draft.away), True
    return draft, False


def _kept_instead(draft: Draft, facts: Facts, denied: int) -> dict[Place, int]:
    """Counts with what would be drained for those that aren't taken back after all: staying owes no more."""
    drained = set(arrange(facts.fleet, draft.counts, draft.away).drain)
    counts, cheapest = dict(draft.counts), lambda r: (facts.prices.get(r.place, 0), r.pod)
    for one in sorted((r for r in facts.fleet.ready if r.pod in drained), key=cheapest)[:denied]:
        counts[one.place] = counts.get(one.place, 0) + 1
    return counts


GUARDS: tuple[Guard, ...] = (within_hard_budget, within_bounds, with_payable_stops)


def guarded(draft: Draft, facts: Facts) -> Draft:
    """The draft after every guard."""
    for guard in GUARDS:
        draft = guard(draft, facts)
    return draft


def held(why: Why, facts: Facts) -> Draft:
    """Every count as it is, but for what leaves and what the hard budget takes; `why` alone where it takes nothing."""
    leaving = [r for r in facts.fleet.alive if r.state in (State.DRAINING, State.DRAINED)]
    counts = dict(facts.fleet.deployed)
    for one in leaving:
        counts[one.place] = max(0, counts.get(one.place, 0) - 1)
    hold = Draft(counts, (why,), frozenset(r.pod for r in leaving))
    draft = with_payable_stops(within_hard_budget(hold, facts), facts)
    return draft if draft.reasons == (why,) else within_bounds(draft, facts)
