"""Promise: whether a variant's answers are as quick as the SLO says, and how far its replicas are filled in turn.

The capacity model knows the mean request; how widely this fleet's requests are spread about it, only their own times
tell. Answers that came too slowly by the token are counted for a quarter of an hour and until their number says
something. More of them than the SLO allows, and the variant's replicas are filled less from then on; far fewer, and
they are filled a little more. Then the count begins anew, so that what a change brings is judged by itself. The steps
are small, since the load at which a share is late moves by a third of that share: late answers grow with its cube.
"""

import math
from collections.abc import Mapping

from costwain.domain.memory import Memory, Promise
from costwain.domain.snapshot import Answers, Fleet

PERIOD_S = 900.0  # a change of replicas has come and is felt
DOWN, UP = 0.94, 1.04
AIM = 0.7  # of the late answers that the SLO allows
ANSWER_S = 90.0  # answers that a strained replica began have ended
ENOUGH = 3.0  # late answers that the SLO allows, before their number says anything
LEAST = 0.25  # of the load that the capacity model gives; what misses the SLO even so isn't mended by less


def load_of(memory: Memory, variant: str) -> float:
    """Share of the modelled rate that a replica of a variant is given; 1 until its answers were too slow."""
    return next((known.load for known in memory.promises if known.variant == variant), 1.0)


def keep_promises(fleet: Fleet, memory: Memory, given_per_s: Mapping[str, float], now_s: float) -> Memory:
    """Memory with this turn's answers counted; without readings it stays as it is.

    `given_per_s`: requests/s that the ready replicas of a variant are given. Where more comes, or waits, more replicas
    mend it: what is late then says nothing of how far they may be filled.
    """
    if fleet.load is None or not (fleet.load.answers or fleet.load.earlier):
        return memory
    names = [v.name for v in fleet.spec.variants]
    known = {p.variant: p for p in memory.promises if p.variant in names}
    for name, told in fleet.load.earlier.items():  # by turns that found nothing to do
        if name in names:
            known[name] = _kept(known.get(name) or Promise(variant=name, since_s=now_s), fleet, told, now_s)
    for name, told in fleet.load.answers.items():
        if name in names:
            before = known.get(name) or Promise(variant=name, since_s=now_s)
            coming_per_s = memory.demand.fast_per_s * memory.shares.get(name, 0) / 100 if memory.demand else 0.0
            if fleet.load.queued.get(name) or coming_per_s > given_per_s.get(name, 0.0):
                before = before.model_copy(update={"strained_at_s": now_s})
            known[name] = _kept(before, fleet, told, now_s)
    return memory.model_copy(update={"promises": [known[name] for name in names if name in known]})


def _kept(before: Promise, fleet: Fleet, told: Answers, now_s: float) -> Promise:
    slo = fleet.spec.slo
    if before.strained_at_s is not None and now_s - before.strained_at_s < ANSWER_S:
        return before
    answered = before.answered + told.count
    late = before.late + max(0.0, told.count - told.within(slo.time_per_output_token_milliseconds / 1000))
    allowed = answered * (1 - slo.percentile / 100)
    if allowed < ENOUGH or now_s - before.since_s < PERIOD_S:
        return before.model_copy(update={"answered": answered, "late": late})
    chance = math.sqrt(allowed)
    moved = before.load * (DOWN if late > allowed * AIM + chance else UP if late < allowed * AIM - chance else 1.0)
    anew = {"since_s": now_s, "answered": 0.0, "late": 0.0, "load": min(1.0, max(LEAST, moved))}
    return before.model_copy(update=anew)
