"""Making way: at maxReplicas a replica on a dearer pool goes before the one that takes its place can start.

Below the ceiling a move starts first and drains then. At the ceiling nothing could start, so one ready replica is
drained first, and the next one starts in its slot. Where that fails, such as on a pool that gives no
node after all, or where the load takes it back, it is tried again less and less often.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from costwain.decide.budget import priced
from costwain.decide.case import Case
from costwain.decide.options import Rung
from costwain.decide.sizing import Mix
from costwain.domain.memory import MadeWay
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Replica, State

SERVES_S = 1800.0  # what just loaded isn't given up, and a pool that had no node has time to get one
LEAST_REST_S, MOST_REST_S = 1800.0, 24 * 3600.0  # between two tries of which the first brought nothing


class Way(NamedTuple):
    """What a fleet's counts are after one has made way, and what is said of it."""

    case: Case
    counts: dict[Place, int]
    note: Why | None = None


def made_way(case: Case, rung: Rung, mix: Mix, counts: dict[Place, int]) -> Way:
    """One replica less where one is to make way now; the case remembers it, so that a failure isn't repeated soon."""
    fleet, most = case.fleet, case.fleet.spec.scaling.max_replicas
    comes = [place for place in sorted(mix.counts) if counts.get(place, 0) > fleet.counts.get(place, 0)]
    if not comes or not _is_stuck(fleet, rung, counts) or not _saves(fleet, rung, mix):
        return Way(case, counts)
    leaver, pools = _leaver(fleet, rung, mix), " + ".join(pool for _, pool in comes)
    if leaver is None or not _may_go(case, rung, mix, leaver):
        runs = " + ".join(f"{n} x {pool}" for (_, pool), n in sorted(fleet.counts.items()))
        sentence = f"{rung.name} still runs on {runs} for {priced(_runs_micro(fleet, rung))}"
        return Way(case, counts, Why("MoveWaits", f"{sentence}: maxReplicas {most} leaves no slot for {pools}"))
    memory = fleet.memory.model_copy(update={"made_way": _noted(fleet, mix, case.now_s)})
    left = {**counts, leaver.place: counts[leaver.place] - 1}
    sentence = f"{leaver.pod} makes way: maxReplicas {most} leaves no slot for {pools}"
    return Way(case.remembering(memory), left, Why("MakesWay", sentence))


def _is_stuck(fleet: Fleet, rung: Rung, counts: Mapping[Place, int]) -> bool:
    """Whether the rung alone fills the ceiling, with nothing on its way in or out."""
    most = fleet.spec.scaling.max_replicas
    settled = all(r.state is State.READY and r.variant == rung.name for r in fleet.replicas)
    alone = all(place[0] == rung.name for place, n in counts.items() if n)
    return settled and alone and len(fleet.replicas) == most < sum(counts.values())


def _saves(fleet: Fleet, rung: Rung, mix: Mix) -> bool:
    """A mix that carries the demand for less; how much less a move must save was settled when it was chosen."""
    return not mix.short and mix.hourly_micro < _runs_micro(fleet, rung)


def _runs_micro(fleet: Fleet, rung: Rung) -> int:
    """Micro-dollars an hour of what is ready; a replica on a pool that the rung no longer has is on the bill too."""
    bills = {x.uid: x.hourly_micro for x in fleet.ledger.open}
    options = rung.by_place
    return sum(options[r.place].hourly_micro if r.place in options else bills.get(r.uid, 0) for r in fleet.ready)


def _leaver(fleet: Fleet, rung: Rung, mix: Mix) -> Replica | None:
    """Who goes first of those beyond the mix: the dearest a request, then the youngest, whose cache is the coldest."""
    beyond = [r for r in fleet.ready if fleet.counts[r.place] > mix.counts.get(r.place, 0)]
    return max(
        (r for r in beyond if _leaves_one_that_lasts(r, fleet.ready, rung)),
        key=lambda r: (_rate(rung, r.place), r.since_s, r.pod),
        default=None,
    )


def _leaves_one_that_lasts(replica: Replica, ready: Sequence[Replica], rung: Rung) -> bool:
    lasting = [r for r in ready if r.place not in rung.by_place or rung.by_place[r.place].lasting]
    return len(ready) == 1 or lasting != [replica]


def _rate(rung: Rung, place: Place) -> float:
    option = rung.by_place.get(place)
    return option.hourly_micro / option.per_s if option is not None and option.per_s else float("inf")


def _may_go(case: Case, rung: Rung, mix: Mix, leaver: Replica) -> bool:
    """Whether it has served its time, and what waits until the next one is ready is borne; with a queue others stay."""
    fleet = case.fleet
    if case.now_s < max(_not_before_s(fleet, mix), leaver.since_s + SERVES_S):
        return False
    if len(fleet.ready) == 1 and not fleet.spec.gateway.is_managed:  # nobody would hold what arrives
        return False
    if len(fleet.ready) > 1 and (fleet.load is None or fleet.load.waiting):
        return False
    return _ends_its_queue(case, rung, mix, leaver)


def _ends_its_queue(case: Case, rung: Rung, mix: Mix, leaver: Replica) -> bool:
    """Whether the mix also works off what arrives meanwhile; else that queue would bring the dearer one back."""
    others = sum(rung.by_place[r.place].per_s for r in case.fleet.ready if r is not leaver and r.place in rung.by_place)
    return mix.per_s >= case.want.per_s + max(0.0, case.expected.arriving_per_s - others)


def _settled(fleet: Fleet, mix: Mix) -> int:
    """How many of the mix run already."""
    return sum(min(n, fleet.counts.get(place, 0)) for place, n in mix.counts.items())


def _not_before_s(fleet: Fleet, mix: Mix) -> float:
    """When the next may go: at once where the last brought the mix nearer, else after its rest."""
    last = fleet.memory.made_way
    return 0.0 if last is None or _settled(fleet, mix) > last.settled else last.at_s + last.rest_s


def _noted(fleet: Fleet, mix: Mix, now_s: float) -> MadeWay:
    """What the next turn must know; the rest doubles while nothing comes of it."""
    last, settled = fleet.memory.made_way, _settled(fleet, mix)
    failed = last is not None and settled <= last.settled and now_s - last.at_s < MOST_REST_S + SERVES_S
    rest_s = min(MOST_REST_S, 2 * last.rest_s) if failed and last is not None else LEAST_REST_S
    return MadeWay(at_s=now_s, settled=settled, rest_s=rest_s)
