"""Pair: where accelerators don't reach for a rung to carry everything, the next below takes a part of the traffic."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from costwain.decide.case import Beside, Case, Choice
from costwain.decide.options import Option, Rung
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.plan import Place

GRID_PERCENT = 5  # shares don't follow every breath of the load
MOST_PERCENT = 90  # below a tenth the upper rung's replicas serve hardly anybody
_TRIES = 16


@dataclass(frozen=True)
class Pair:
    """Two neighbouring rungs that carry the demand together."""

    mix: Mix
    beside: Beside

    @property
    def both(self) -> Mix:
        """What both take."""
        return self.mix.plus(self.beside.mix)


def paired(case: Case, upper: Rung, short: Mix) -> Pair | None:
    """As much as the upper rung can carry (`short` is what it can alone), and the rest by the next one that has room.

    One that runs comes before a better one that couldn't start beside it. None where none has room, and where hardly
    anybody would be served by the upper one. Where it is replicas that are short, the lower one has the others.
    """
    first: Pair | None = None
    names = [rung.name for rung in case.eligible]
    for lower in case.eligible[names.index(upper.name) + 1 :]:
        pair = _with_lower(case, upper, short, lower)
        if pair is not None and (case.count(lower) or _can_start(case, pair.beside)):
            return pair
        first = first or pair
    return first


def _with_lower(case: Case, upper: Rung, short: Mix, lower: Rung) -> Pair | None:
    """The pair with this rung, as much as possible by the upper one."""
    want = case.want
    for n in range(short.replicas, max(0, short.replicas - _TRIES), -1):
        mix = short if n == short.replicas else cheapest(upper.options, replace(want, least=1, most=n), {})
        carried = min(1.0, mix.per_s / want.per_s) if want.per_s else 1.0
        percent = GRID_PERCENT * math.ceil(100 * (1 - carried) / GRID_PERCENT)
        if percent > MOST_PERCENT:
            return None
        room = [replace(o, most=_left(o, upper, mix.counts)) for o in lower.options]
        rest = Want(want.per_s * percent / 100, max(1, want.least - mix.replicas), want.most - mix.replicas)
        below = cheapest(room, rest, case.running(lower)) if rest.most > 0 else None
        if below is not None and not below.short:
            return Pair(mix, Beside(lower, below, percent))
    return None


def _can_start(case: Case, beside: Beside) -> bool:
    """Whether all of a rung of which nothing runs could start now, under the ceiling and beside all that lives."""
    options = beside.rung.by_place
    room = case.fleet.spec.scaling.max_replicas - len(case.fleet.alive)
    return beside.mix.replicas <= room and all(n <= options[p].most_now for p, n in beside.mix.counts.items())


def startable(choice: Choice, counts: Mapping[Place, int], standing: Mapping[Place, int]) -> dict[Place, int]:
    """Replicas of the lower rung that fit now, after what the upper one newly takes; `standing` are living ones."""
    if choice.beside is None:
        return {}
    beside, upper = choice.beside, choice.rung
    options = {o.place: o for o in beside.rung.options}
    new = {place: max(0, n - standing.get(place, 0)) for place, n in counts.items()}
    return {
        place: min(n, max(standing.get(place, 0), options[place].most_now - _taken(options[place], upper, new)))
        for place, n in beside.mix.counts.items()
    }


def _left(option: Option, upper: Rung, counts: Mapping[Place, int]) -> int:
    return max(0, option.most - _taken(option, upper, counts))


def _taken(option: Option, upper: Rung, counts: Mapping[Place, int]) -> int:
    """Replicas of an option for which the upper rung's replicas on the same pool leave no accelerators."""
    here = (o for o in upper.options if o.place[1] == option.place[1])
    return math.ceil(sum(o.accelerators * counts.get(o.place, 0) for o in here) / option.accelerators)
