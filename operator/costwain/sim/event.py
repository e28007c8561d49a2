"""The event engine: every request by itself, through the gateway's queue and one replica's iterations.

The gateway is ours: one queue a variant, first come first served, to the ready pod with the fewest requests that has a
slot. It is slower than the fluid engine and is what that is measured against.
"""

import random
from collections import deque
from functools import partial

from costwain.domain.snapshot import Answers as Told
from costwain.domain.snapshot import Load, State, Work
from costwain.sim.batches import Batch
from costwain.sim.engine import Scene, Terms
from costwain.sim.pods import Pod
from costwain.sim.replica import Replica, Request
from costwain.sim.tally import Answers

_TICK_S = 1.0  # how far replicas run ahead of one another while requests wait


class Event:
    """Queues by variant and replicas by pod."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._queues: dict[str, deque[Request]] = {}
        self._replicas: dict[str, Replica] = {}
        self._draw = random.Random("shares")  # noqa: S311
        self._done: list[Request] = []
        self._open: dict[str, list[tuple[str, Replica, int]]] = {}  # ready pods by variant, with their slots
        self._quick: dict[str, list[bool]] = {}
        self._wrote: dict[str, int] = {}  # tokens of answers in this turn, by variant
        self._read: dict[str, tuple[int, int]] = {}  # running requests and tokens so far, by pod
        self._works: dict[str, Work] = {}

    def serve(self, batch: Batch, scene: Scene) -> Load:
        """Passes one turn, from arrival to arrival and at least once a second."""
        self._terms.tally.arrived += batch.count
        self._stand(scene)
        self._reroute(scene)
        self._done, self._quick, self._wrote = [], {}, {}
        turn_s = scene.end_s - scene.start_s
        origin_s, now_s = self._origin_s(batch, scene), scene.start_s
        for arrival in batch.arrivals:
            at_s = origin_s + arrival.t_s
            now_s = self._pass(now_s, at_s)
            self._arrive(Request(at_s, arrival.input_tokens, max(1, arrival.output_tokens)), scene)
            self._dispatch(at_s)
        self._pass(now_s, scene.end_s)
        self._look(scene)
        return self._load(batch.count / turn_s, scene)

    def work(self, pod: Pod) -> Work | None:
        """From its counters at the ends of the last two turns."""
        return self._works.get(pod.name)

    def is_free(self, pod: Pod, now_s: float) -> bool:
        """Whether it has answered all that it took."""
        replica = self._replicas.get(pod.name)
        return replica is None or replica.outstanding == 0

    def finish(self) -> None:
        """Counts what still waits or runs as lost."""
        waiting = [r for queue in self._queues.values() for r in queue]
        for request in [*waiting, *(r for replica in self._replicas.values() for r in replica.requests())]:
            self._terms.tally.lose(1, request.arrived_s)
        self._queues.clear()
        self._replicas.clear()

    def _origin_s(self, batch: Batch, scene: Scene) -> float:
        """The trace's start: a turn holds the arrivals from its start on."""
        if not batch.arrivals:
            return 0.0
        turn_s = round(scene.end_s - scene.start_s, 6)  # as the batches were cut: unix times know no better
        return scene.start_s - batch.arrivals[0].t_s // turn_s * turn_s

    def _stand(self, scene: Scene) -> None:
        """Replicas for pods that became ready; what a vanished pod was answering is lost."""
        present = {pod.name for pod in scene.pods}
        for name in [n for n in self._replicas if n not in present]:
            for request in self._replicas.pop(name).requests():
                self._terms.tally.lose(1, request.arrived_s)
        for pod in scene.pods:
            if pod.state is State.READY and pod.name not in self._replicas and pod.place in self._terms.servers:
                self._replicas[pod.name] = Replica(
                    self._terms.servers[pod.place], scene.start_s, partial(self._count, pod.place[0])
                )
        self._open = {}
        for pod in scene.pods:
            if pod.state is State.READY and pod.name in self._replicas:
                each = (pod.name, self._replicas[pod.name], self._slots(pod, scene))
                self._open.setdefault(pod.place[0], []).append(each)

    def _count(self, variant: str, request: Request, at_s: float) -> None:
        first_s = request.first_s if request.first_s is not None else at_s
        later = max(1, request.output_tokens - 1)
        in_ttft = first_s - request.arrived_s <= self._terms.slo.ttft_s
        in_tpot = (at_s - first_s) / later <= self._terms.slo.tpot_s
        asked = request.output_tokens if request.asked_tokens is None else request.asked_tokens
        tokens = request.input_tokens + asked  # not what was written: a question doesn't weigh more by a long answer
        answers = Answers(1, in_ttft, in_tpot, in_ttft and in_tpot, tokens)
        self._terms.tally.add(variant, answers, request.arrived_s)
        self._done.append(request)
        self._quick.setdefault(variant, []).append(in_tpot)
        self._wrote[variant] = self._wrote.get(variant, 0) + request.output_tokens

    def _reroute(self, scene: Scene) -> None:
        """What waits at a variant that is given up goes where the traffic goes."""
        standing = {pod.place[0] for pod in scene.pods if pod.state in (State.READY, State.DRAINING)}
        main = max(scene.shares, key=lambda v: (scene.shares[v], v))
        for variant in [v for v, q in self._queues.items() if q and not scene.shares.get(v) and v not in standing]:
            moved = sorted([*self._queues.pop(variant), *self._queues.get(main, ())], key=lambda r: r.arrived_s)
            self._queues[main] = deque(moved)

    def _arrive(self, request: Request, scene: Scene) -> None:
        names = sorted(v for v, percent in scene.shares.items() if percent > 0)
        (variant,) = self._draw.choices(names, [scene.shares[v] for v in names])
        queue = self._queues.setdefault(variant, deque())
        if len(queue) >= self._terms.most_queued:
            self._terms.tally.lose(1, request.arrived_s)
        else:
            queue.append(request)

    def _pass(self, from_s: float, to_s: float) -> float:
        """Lets every replica run until an instant; second by second while requests wait for a slot."""
        now_s = from_s
        while now_s < to_s:
            now_s = min(to_s, now_s + _TICK_S) if any(self._queues.values()) else to_s
            for replica in self._replicas.values():
                if replica.quiet_until_s <= now_s:
                    replica.advance(now_s)
            self._give_up(now_s)
            self._dispatch(now_s)
        return max(from_s, to_s)

    def _give_up(self, now_s: float) -> None:
        for queue in self._queues.values():
            while queue and now_s - queue[0].arrived_s > self._terms.queue_timeout_s:
                self._terms.tally.lose(1, queue.popleft().arrived_s)

    def _dispatch(self, now_s: float) -> None:
        for variant, queue in self._queues.items():
            if not queue:
                continue
            open_to = self._open.get(variant, ())
            while queue:
                free = [(n, name, r) for name, r, slots in open_to if (n := r.outstanding) < slots]
                if not free:
                    break
                _, _, replica = min(free)  # names differ, so replicas are never compared
                replica.advance(now_s)
                replica.submit(self._written(queue.popleft(), variant), now_s)

    def _written(self, request: Request, variant: str) -> Request:
        """The request with the tokens that this variant will answer it with: who waits may go to another yet."""
        request.asked_tokens = request.output_tokens
        request.output_tokens = max(1, round(request.output_tokens * self._terms.lengths.get(variant, 1.0)))
        return request

    def _slots(self, pod: Pod, scene: Scene) -> int:
        return scene.slots.get(pod.place, self._terms.servers[pod.place].most)

    def _look(self, scene: Scene) -> None:
        """Reads every replica's metrics, as a scrape at the turn's end does."""
        before, over_s = self._read, scene.end_s - scene.start_s
        for replica in self._replicas.values():
            replica.advance(scene.end_s)
        self._read = {name: (replica.running, replica.tokens) for name, replica in self._replicas.items()}
        self._works = {
            name: Work(scene.end_s, over_s, before[name][0], running, (tokens - before[name][1]) / over_s)
            for name, (running, tokens) in self._read.items()
            if name in before
        }

    def _load(self, arrivals_per_s: float, scene: Scene) -> Load:
        running: dict[str, int] = {}
        for pod in scene.pods:
            if pod.name in self._replicas:
                running[pod.place[0]] = running.get(pod.place[0], 0) + self._replicas[pod.name].outstanding
        n = len(self._done)
        return Load(
            arrivals_per_s=arrivals_per_s,
            queued={v: len(q) for v, q in self._queues.items() if q},
            running={v: k for v, k in running.items() if k},
            input_tokens=sum(r.input_tokens for r in self._done) / n if n else None,
            output_tokens=sum(r.output_tokens for r in self._done) / n if n else None,
            answers={
                v: Told(len(q), ((self._terms.slo.tpot_s, sum(q)),), float(self._wrote[v]))
                for v, q in self._quick.items()
            },
        )
