"""Pods of a simulation: they wait for a node, load, serve, drain and go, and are obedient to a plan."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from costwain.decide.metering import Bill
from costwain.domain.plan import FleetPlan, Place
from costwain.domain.snapshot import Pool, Replica, State, Work
from costwain.sim.market import Market

ENDS_S = 10.0  # from the deletion until the pod is gone
_DELETED_FIRST = (State.PENDING, State.STARTING, State.DRAINED, State.DRAINING, State.READY)  # as Kubernetes does


@dataclass
class Pod:
    """One pod; instants in fleet seconds. `gone_s` is set once it terminates, `lost_s` where the node will go."""

    name: str
    place: Place
    accelerators: int
    since_s: float
    node_s: float
    start_s: float
    state: State = State.PENDING
    bound_s: float | None = None
    lost_s: float = math.inf
    gone_s: float = math.inf

    def replica(self, work: Work | None = None) -> Replica:
        """What a policy sees of it, with what it did in the last turn."""
        held = (self.accelerators, self.bound_s)
        return Replica(self.name, self.name, *self.place, self.state, self.since_s, *held, work)

    def moved(self, state: State, at_s: float) -> None:
        """Puts it into a state."""
        self.state, self.since_s = state, at_s


class Pods:
    """All pods of the fleet. `is_free(pod, now_s)` tells whether a draining one has given its last answer."""

    def __init__(self, market: Market, accelerators: dict[Place, int], is_free: Callable[[Pod, float], bool]) -> None:
        self._market, self._accelerators, self._is_free = market, accelerators, is_free
        self._pods: dict[str, Pod] = {}
        self._made = 0
        self.gone_s: dict[str, float] = {}
        self.cold_s = 0.0

    def __iter__(self) -> Iterator[Pod]:
        return iter(self._pods.values())

    def live(self, now_s: float) -> None:
        """Lets the time pass until `now_s`."""
        for pod in list(self._pods.values()):
            if pod.bound_s is not None and now_s >= self._notice_s(pod) and pod.state is not State.TERMINATING:
                pod.moved(State.TERMINATING, now_s)
                pod.gone_s = max(pod.lost_s, now_s)
            self._age(pod, now_s)
            if pod.state is State.TERMINATING and now_s >= pod.gone_s:
                self.gone_s[pod.name] = pod.gone_s
                del self._pods[pod.name]

    def _notice_s(self, pod: Pod) -> float:
        reclaimed_s = self._market.reclaimed_s(pod.place[1], pod.bound_s or 0.0)
        if reclaimed_s < pod.lost_s:
            pod.lost_s = reclaimed_s
        return pod.lost_s - self._market.notice_s(pod.place[1])

    def _age(self, pod: Pod, now_s: float) -> None:
        pool = pod.place[1]
        if pod.state is State.PENDING and now_s - pod.since_s >= pod.node_s and self._market.gives(pool, now_s):
            bound_s = max(pod.since_s + pod.node_s, self._market.gives_since_s(pool, now_s))
            pod.bound_s, pod.lost_s = bound_s, bound_s + self._market.lives_s(pool)
            pod.moved(State.STARTING, bound_s)
        if pod.state is State.STARTING and now_s - pod.since_s >= pod.start_s:
            self.cold_s += pod.start_s
            pod.moved(State.READY, pod.since_s + pod.start_s)
        if pod.state is State.DRAINING and self._is_free(pod, now_s):
            pod.moved(State.DRAINED, now_s)

    def obey(self, plan: FleetPlan, now_s: float) -> int:
        """Marks, deletes and creates as the plan says; how many pods were created or left."""
        moves = 0
        for names, state in ((plan.drain, State.DRAINING), (plan.undrain, State.READY)):
            for name in names:
                if name in self._pods and self._pods[name].state is not State.TERMINATING:
                    self._pods[name].moved(state, now_s)
                    moves += 1
        for place, n in plan.replicas.items():
            here = [p for p in self._pods.values() if p.place == place and p.state is not State.TERMINATING]
            for _ in range(n - len(here)):
                self._create(place, now_s)
                moves += 1
            here.sort(key=lambda p: (_DELETED_FIRST.index(p.state), -p.since_s))
            for pod in here[: max(0, len(here) - n)]:
                moves += pod.state not in (State.DRAINED, State.DRAINING)
                pod.moved(State.TERMINATING, now_s)
                pod.gone_s = now_s + ENDS_S
        for name in [p.name for p in self._pods.values() if p.state is State.TERMINATING and p.bound_s is None]:
            del self._pods[name]
        return moves

    def _create(self, place: Place, now_s: float) -> None:
        self._made += 1
        name = f"{'-'.join(place)}-{self._made}"
        node_s, start_s = self._market.cold_start_s(place)
        self._pods[name] = Pod(name, place, self._accelerators.get(place, 1), now_s, node_s, start_s)

    def bills(self, pools: Mapping[str, Pool]) -> list[Bill]:
        """What is on the bill now."""
        return [_bill(pod, pools[pod.place[1]]) for pod in self._pods.values() if pod.bound_s is not None]


def _bill(pod: Pod, pool: Pool) -> Bill:
    return Bill(
        uid=pod.name,
        pod=pod.name,
        variant=pod.place[0],
        pool=pod.place[1],
        capacity_type=pool.spec.capacity_type,
        accelerators=pod.accelerators,
        hourly_micro=(pool.hourly_micro or 0) * pod.accelerators,
        bound_s=pod.bound_s or 0.0,
    )
