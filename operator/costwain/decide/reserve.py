"""Reserve: what rungs may cost on average until the period ends, by what its hours may ask for."""

from collections.abc import Sequence

from costwain.decide.case import Case
from costwain.decide.options import Rung
from costwain.decide.season import DAY_S, LEAST_ERROR, Stretch, outlook
from costwain.decide.sizing import Mix

SOON_S = 3600.0  # until when it is taken to ask for what it asks for now


def mean_micro_per_h(case: Case, offers: Sequence[tuple[Rung, Mix]]) -> list[int]:
    """Micro-dollars an hour by rung; within the last hour, and without a budget, those of the mix that it needs now."""
    if case.purse is None or case.purse.left_s <= SOON_S:
        return [mix.hourly_micro for _, mix in offers]
    now = Stretch(SOON_S, case.least_want.per_s * (1 + LEAST_ERROR))
    hours = (now, *outlook(case.fleet.memory, case.now_s + SOON_S, case.purse.window.end_s))
    usual = {rung.name: rung for rung in case.usual if rung.options}
    return [_mean(usual.get(rung.name, rung), hours, case.purse.left_s) for rung, _ in offers]


def usual_micro_per_h(case: Case, rung: Rung) -> int:
    """Micro-dollars an hour that a rung may cost on average over the next day."""
    hours = tuple(outlook(case.fleet.memory, case.now_s, case.now_s + DAY_S))
    usual = next((r for r in case.usual if r.name == rung.name and r.options), rung)
    return _mean(usual, hours, DAY_S)


def _mean(rung: Rung, hours: Sequence[Stretch], left_s: float) -> int:
    """About what a rung costs: replicas are whole, but over the hours their count follows the load.

    Whole ones would make the reserve jump by one with every breath of the mean request, and the variants with it.
    """
    one = min(o.hourly_micro for o in rung.options)
    micro_per_h = min((o.hourly_micro / o.per_s for o in rung.options if o.per_s > 0), default=0.0)
    return round(sum(max(one, hour.per_s * micro_per_h) * hour.duration_s for hour in hours) / left_s)
