"""Learning: how much faster or slower than its prior a (variant, pool) really is, from what its own pods did.

Each turn compares the tokens that warm pods gave with those that the prior says for as many running requests. The
mean of the logarithms is Bayesian: the prior counts as PRIOR_EVIDENCE observations of exactly 1, so few observations
move little; each is bounded first, so an outlier moves little whatever it says.
"""

import math
from collections.abc import Iterable, Mapping

from costwain.decide.capacity import DoesNotFit, RequestShape, Slo, capacity, tokens_per_s
from costwain.decide.forecast import request_shape
from costwain.decide.known import Known, Site, known
from costwain.decide.lengths import lengths_of, longer
from costwain.domain.memory import Learned, Memory
from costwain.domain.plan import Place
from costwain.domain.snapshot import Fleet, Pool, Replica, State, Work

WARM_UP_S = 120.0  # graphs are captured, kernels tuned and caches filled by the first requests
EVIDENCE_S = 30.0  # observations closer together than this tell the same thing once
PRIOR_EVIDENCE = 10.0  # five minutes of full pods weigh as much as the prior
MOST_EVIDENCE = 120.0  # an hour: what changes is followed within that
SURPRISE = 0.3  # most that one observation counts for, in the logarithm
LEAST_RUNNING = 4.0  # fewer requests say more of single prompts than of the pod
LEAST_SHARE = 0.25  # of the batch that the SLO allows
STEADY = 2.0  # the larger of two counts of running requests over the smaller
STEP = 1.03  # the scalar in use moves only as far as this at a time, so that sizes don't follow noise
BOUNDS = (0.25, 4.0)


def scalar_of(memory: Memory, place: Place) -> float:
    """What the prior's speed is to be multiplied with; 1 where nothing was measured."""
    return next((known.scalar for known in memory.learned if (known.variant, known.pool) == place), 1.0)


def learn(fleet: Fleet, pools: Mapping[str, Pool], memory: Memory, now_s: float) -> Memory:
    """Memory with what the pods did since the last turn; without new figures it stays as it is."""
    sites = known(fleet.spec).sites
    lengths, request = lengths_of(fleet.spec, memory), request_shape(memory)
    learned = {(x.variant, x.pool): x for x in memory.learned if (x.variant, x.pool) in sites}
    for place, works in _works(fleet, now_s).items():
        before = learned.get(place)
        told = [work for work in works if before is None or work.at_s > before.at_s]
        pool = pools.get(place[1])
        if not told or pool is None or place not in sites:
            continue
        ratio = _ratio(told, sites[place], pool, longer(request, lengths[place[0]]))
        if ratio is not None:
            learned[place] = updated(before or _nothing(place, told), ratio, told)
    kept = [learned[place] for place in sorted(learned)]
    return memory if kept == memory.learned else memory.model_copy(update={"learned": kept})


def updated(before: Learned, ratio: float, told: Iterable[Work]) -> Learned:
    """What is known after one more observation of real speed over the prior's."""
    newest = max(told, key=lambda work: (work.at_s, work.over_s, work.readings))
    weight = min(newest.over_s / EVIDENCE_S, newest.readings)
    surprise = math.log(ratio) - math.log(before.ratio)
    moved = max(-SURPRISE, min(SURPRISE, surprise)) * weight / (PRIOR_EVIDENCE + before.evidence + weight)
    found = max(BOUNDS[0], min(BOUNDS[1], before.ratio * math.exp(moved)))
    stays = before.scalar / STEP <= found <= before.scalar * STEP
    return before.model_copy(
        update={
            "at_s": newest.at_s,
            "ratio": found,
            "evidence": min(MOST_EVIDENCE, before.evidence + weight),
            "scalar": before.scalar if stays else found,
        }
    )


def _nothing(place: Place, told: Iterable[Work]) -> Learned:
    """The prior alone."""
    return Learned(variant=place[0], pool=place[1], at_s=min(w.at_s - w.over_s for w in told))


def _works(fleet: Fleet, now_s: float) -> dict[Place, list[Work]]:
    """What warm pods did between their last two readings, by place; in one order, however the pods are told."""
    found: dict[Place, list[Work]] = {}
    for r in sorted(fleet.replicas, key=lambda r: r.pod):
        if r.work is not None and _warm(r, now_s) and steady(r.work):
            found.setdefault(r.place, []).append(r.work)
    return found


def _warm(replica: Replica, now_s: float) -> bool:
    return replica.state is State.READY and now_s - replica.since_s >= WARM_UP_S


def steady(work: Work) -> bool:
    """Whether the batch behind the tokens is known: about as many requests ran at both ends."""
    least, most = sorted((work.running_before, work.running))
    return least >= LEAST_RUNNING and most <= STEADY * least and work.tokens_per_s > 0 and work.over_s > 0


def _ratio(told: list[Work], where: tuple[Known, Site], pool: Pool, request: RequestShape) -> float | None:
    """Tokens that were given over tokens that the prior says; None where the pods were too idle to tell."""
    one, site = where
    if one.shape is None or pool.accelerator is None:
        return None
    full = capacity(one.shape, pool.accelerator, site.accelerators, request, Slo(one.ttft_s, one.tpot_s, one.share))
    if isinstance(full, DoesNotFit):
        return None
    busy = [w for w in told if w.batch >= LEAST_SHARE * full.slots]
    expected = math.fsum(tokens_per_s(one.shape, pool.accelerator, site.accelerators, request, w.batch) for w in busy)
    return math.fsum(w.tokens_per_s for w in busy) / expected if busy else None
