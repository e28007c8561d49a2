"""Lengths: how many tokens the answers of each variant have, over those of the ladder's other variants.

One that thinks writes five times the tokens, which is five times the work. What is asked changes with the hour and is
common to all variants, so only a ratio is kept: tokens of one that serves against those of another that served within
the last twenty minutes or serves beside it. The fleet's mean request is that of a variant of length 1.
"""

import math
from collections.abc import Iterable, Mapping

from costwain.decide.capacity import RequestShape
from costwain.decide.known import known
from costwain.decide.smoothing import SHAPE_S, ewma, on_grid, summed
from costwain.domain.memory import AnswerLength, Memory
from costwain.domain.once import changed
from costwain.domain.snapshot import Answers, Fleet, Load
from costwain.domain.spec import ModelDeploymentSpec

STEADY_S = 300.0  # after a step of the shares: a variant's first answers are its short ones, its last the long ones
MEAN_S = 300.0  # of a variant's mean tokens
MOVE_S = 300.0  # of a length: nearly all the way to what is measured, while two are comparable after a swap
APART_S = 1200.0  # between the answers of two variants: later the load itself is another
ENOUGH = 100.0  # answers of each, whose means are within a tenth or so; fewer say more of single requests
STEP = 1.25  # by which a length differs before it is used: noise and the load's own drift change no plan
HOURS_S = 3 * 3600.0  # over which the mean request of the hours to come is taken
_LEAST, _MOST = 0.05, 100.0
_LEAST_TOKENS = 0.01


def lengths_of(spec: ModelDeploymentSpec, memory: Memory) -> Mapping[str, float]:
    """The length in use by variant: as measured, else as the spec says; what was measured for another spec is void."""
    told = known(spec).lengths
    if not memory.lengths:
        return told
    return {**told, **{x.variant: x.used for x in memory.lengths if told.get(x.variant) == x.told}}


def longer(request: RequestShape, length: float) -> RequestShape:
    """The request as a variant of a length answers it.

    >>> longer(RequestShape(512, 128), 5.0)
    RequestShape(input_tokens=512, output_tokens=645.08)
    """
    if length == 1.0:
        return request
    return RequestShape(request.input_tokens, on_grid(request.output_tokens * length))


def plain(load: Load, fleet: Fleet) -> Load:
    """The load with the mean answer that a variant of length 1 would have given in place of those that did."""
    length = mean_length(load, fleet)
    if length == 1.0 or load.output_tokens is None:
        return load
    return changed(load, output_tokens=load.output_tokens / length)


def mean_length(load: Load, fleet: Fleet) -> float:
    """Mean length in use of those who gave a load's answers; where none are told, of those who have the traffic."""
    lengths = lengths_of(fleet.spec, fleet.memory)
    if all(length == 1.0 for length in lengths.values()):
        return 1.0
    counts = {name: told.count for name, told in summed(load.earlier, load.answers).items()}
    return _mean(lengths, counts) or _mean(lengths, fleet.memory.shares) or 1.0


def learn_lengths(fleet: Fleet, memory: Memory, now_s: float) -> Memory:
    """Memory with this turn's answers compared with those of other variants; without any it stays as it is."""
    told = known(fleet.spec).lengths
    kept = {x.variant: x for x in memory.lengths if told.get(x.variant) == x.told}
    heard = _heard(fleet, kept, now_s) if len(told) > 1 else {}
    kept.update(heard)
    before = fleet.memory.demand
    elapsed_s = max(0.0, now_s - before.at_s) if before is not None else 0.0
    order = sorted(heard, key=lambda name: (-fleet.memory.shares[name], list(told).index(name)))
    for n, name in enumerate(order):
        # Of two that serve together the one with less traffic moves: with both, a third would be judged anew.
        kept[name] = _compared(kept[name], [x for x in kept.values() if x.variant not in order[n:]], elapsed_s)
    found = [kept[name] for name in told if name in kept]
    if found == memory.lengths:
        return memory
    return _as_if_known(memory, memory.model_copy(update={"lengths": found}), fleet, now_s)


def _heard(fleet: Fleet, kept: Mapping[str, AnswerLength], now_s: float) -> dict[str, AnswerLength]:
    """The entries of variants that answered and have had their share for a while, with those answers in them."""
    stepped_at_s, told = fleet.memory.stepped_at_s, known(fleet.spec).lengths
    if fleet.load is None or (stepped_at_s is not None and now_s - stepped_at_s < STEADY_S):
        return {}
    return {
        name: _with(kept.get(name), (name, told[name]), answers, now_s)
        for name, answers in summed(fleet.load.earlier, fleet.load.answers).items()
        if name in told and fleet.memory.shares.get(name, 0) > 0 and _tells(answers)
    }


def _tells(answers: Answers) -> bool:
    """Whether they say how long they were, as no broken counter would."""
    told = 0 < answers.count < math.inf and answers.tokens is not None
    return told and _LEAST_TOKENS <= (answers.tokens or 0.0) / answers.count < math.inf


def _with(before: AnswerLength | None, named: tuple[str, float], told: Answers, now_s: float) -> AnswerLength:
    """The entry with more answers in its mean, which forgets in five minutes but keeps the weight of a hundred."""
    tokens, (name, length) = told.tokens or 0.0, named
    if before is None:
        mean, used = tokens / told.count, min(_MOST, max(_LEAST, length))
        new = {"variant": name, "told": length, "at_s": now_s, "tokens": mean, "answers": told.count}
        return AnswerLength.model_validate({**new, "length": used, "used": length})
    elapsed_s = max(0.0, now_s - before.at_s)
    weight = max(before.answers * math.exp(-elapsed_s / MEAN_S), min(before.answers, ENOUGH))
    weight = 0.0 if elapsed_s > APART_S else weight  # of another hour
    answers = weight + told.count
    mean = (before.tokens * weight + tokens) / answers
    return before.model_copy(update={"at_s": now_s, "tokens": mean, "answers": answers})


def _compared(mine: AnswerLength, others: Iterable[AnswerLength], elapsed_s: float) -> AnswerLength:
    """The entry after a turn beside the one of the others that answered last."""
    near = [x for x in others if mine.at_s - x.at_s <= APART_S and x.answers >= ENOUGH]
    if not near or mine.answers < ENOUGH:
        return mine
    other = max(near, key=lambda x: x.at_s)
    # Against its length in use, or the noise of one comparison would be carried into the next, swap by swap.
    measured = min(_MOST, max(_LEAST, other.used * mine.tokens / other.tokens))
    length = ewma(mine.length, measured, elapsed_s / MOVE_S)
    stays = mine.used / STEP <= length <= mine.used * STEP
    return mine.model_copy(update={"length": length, "used": mine.used if stays else measured})


def _as_if_known(before: Memory, memory: Memory, fleet: Fleet, now_s: float) -> Memory:
    """The memory with its mean requests as if the lengths had been these since the shares moved last.

    Else what a variant of 5 wrote as one of 1 would stay in the means, and be taken by 5 once more.
    """
    shares = fleet.memory.shares
    was = _mean({**known(fleet.spec).lengths, **{x.variant: x.used for x in before.lengths}}, shares)
    now = _mean(lengths_of(fleet.spec, memory), shares)
    raw = _mean({x.variant: x.tokens for x in memory.lengths}, shares)
    if was is None or now is None or raw is None or was == now:
        return memory
    since_s = math.inf if memory.stepped_at_s is None else max(0.0, now_s - memory.stepped_at_s)
    update = {}
    for name, seen, window_s in (("demand", memory.demand, SHAPE_S), ("season", memory.season, HOURS_S)):
        if seen is not None and seen.output_tokens is not None:
            weight = 1 - math.exp(-since_s / window_s)
            moved = seen.output_tokens + weight * (raw / now - raw / was)
            least, most = sorted((seen.output_tokens, seen.output_tokens * was / now))  # none of it, and all of it
            update[name] = seen.model_copy(update={"output_tokens": min(most, max(least, moved))})
    return memory.model_copy(update=update)


def _mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """The mean of variants that have both; None where none has."""
    known_ = [(values[name], weight) for name, weight in weights.items() if name in values and 0 < weight < math.inf]
    total = sum(weight for _, weight in known_)
    return sum(value * weight for value, weight in known_) / total if known_ else None
