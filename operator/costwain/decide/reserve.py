"""Reserve: what a rung may cost on average until the period ends, by what its hours may ask for."""

from costwain.decide.case import Case
from costwain.decide.options import Rung
from costwain.decide.season import LEAST_ERROR, outlook
from costwain.decide.sizing import Mix

SOON_S = 3600.0  # until when it is taken to ask for what it asks for now


def mean_micro_per_h(case: Case, rung: Rung, mix: Mix) -> int:
    """Micro-dollars an hour; within the last hour those of the mix that it needs now."""
    if case.purse is None or case.purse.left_s <= SOON_S:
        return mix.hourly_micro
    known = next((usual for usual in case.usual if usual.name == rung.name and usual.options), rung)
    cost = _usual_micro_per_h(known, case.least_want.per_s * (1 + LEAST_ERROR)) * SOON_S
    for stretch in outlook(case.fleet.memory, case.now_s + SOON_S, case.purse.window.end_s):
        cost += _usual_micro_per_h(known, stretch.per_s) * stretch.duration_s
    return round(cost / case.purse.left_s)


def _usual_micro_per_h(rung: Rung, per_s: float) -> float:
    """About what a rung costs at a load: replicas are whole, but over the hours their count follows the load.

    Whole ones would make the reserve jump by one with every breath of the mean request, and the variants with it.
    """
    one = min(o.hourly_micro for o in rung.options)
    return max(one, per_s * min((o.hourly_micro / o.per_s for o in rung.options if o.per_s > 0), default=0.0))
