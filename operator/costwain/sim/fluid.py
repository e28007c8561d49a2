"""The fluid engine: requests of one turn are one cohort, queued and worked off at the rate of the ready replicas.

Work is prefill plus decode: a replica at its slots answers batch / (TTFT + output x TPOT) requests a second, of
the mean request of the cohort. It knows no queueing inside a turn, so its attainment is an estimate: what waits is
spread evenly over its cohort, and prompts are judged by the cohort's own lengths.
"""

import bisect
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costwain.decide.attainment import met
from costwain.decide.capacity import TTFT_FIXED_S, TTFT_PREFILLS_AHEAD
from costwain.domain.plan import Place
from costwain.domain.snapshot import Answers as Told
from costwain.domain.snapshot import Load, State, Work
from costwain.sim.batches import Batch
from costwain.sim.engine import Scene, Terms
from costwain.sim.pods import Pod
from costwain.sim.server import Server
from costwain.sim.tally import Answers

_WAITS = (0.125, 0.375, 0.625, 0.875)  # where the wait of a cohort is looked at
_LEAST_DRAIN_S = 1.0


@dataclass
class _Cohort:
    """Requests that came evenly between two instants; `batch` as their variant answers those of the trace, `asked`."""

    first_s: float
    last_s: float
    count: float
    asked: Batch
    batch: Batch


@dataclass(frozen=True)
class _Line:
    """One place while it serves a cohort: its part of the work and its times at its batch, seconds."""

    server: Server
    part: float
    batch: float
    step_s: float
    tpot_s: float


class Fluid:
    """Queues by variant, and what the last turn made of them."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._queues: dict[str, deque[_Cohort]] = {}
        self._answer_s: dict[Place, float] = {}
        self._served: list[tuple[float, Batch]] = []
        self._quick: dict[str, tuple[float, float, float]] = {}  # answers, those in time, and their tokens
        self._running: dict[str, float] = {}
        self._read: dict[Place, float] = {}  # running requests a pod, by place, at the turn's end
        self._before: dict[Place, float] = {}  # and at the end of the turn before
        self._works: dict[Place, Work] = {}

    def serve(self, batch: Batch, scene: Scene) -> Load:
        """Passes one turn: requests come, each variant's queue is worked off, late ones give up."""
        self._terms.tally.arrived += batch.count
        self._route(batch, scene)
        self._served, self._running, self._quick = [], {}, {}
        self._before, self._read, self._works = self._read, {}, {}
        for variant in sorted(self._queues):
            self._drop_late(variant, scene.start_s)
            self._work(variant, scene)
            self._refuse(variant)
        queued = {v: round(sum(c.count for c in q)) for v, q in self._queues.items()}
        n = sum(count for count, _ in self._served)
        return Load(
            arrivals_per_s=batch.count / (scene.end_s - scene.start_s),
            queued={v: k for v, k in queued.items() if k},
            running={v: round(k) for v, k in self._running.items() if round(k)},
            input_tokens=sum(count * b.mean_input for count, b in self._served) / n if n else None,
            output_tokens=sum(count * b.mean_output for count, b in self._served) / n if n else None,
            answers={v: Told(n, ((self._terms.slo.tpot_s, q),), tokens) for v, (n, q, tokens) in self._quick.items()},
        )

    def work(self, pod: Pod) -> Work | None:
        """All pods of a place do the same; unknown where the turn had no steady batch."""
        return self._works.get(pod.place) if pod.state is State.READY else None

    def is_free(self, pod: Pod, now_s: float) -> bool:
        """A draining pod is free once its longest answers are given; a notice of minutes is longer than those."""
        return now_s - pod.since_s >= self._answer_s.get(pod.place, _LEAST_DRAIN_S)

    def finish(self) -> None:
        """Counts what still waits as lost."""
        for cohort in [c for queue in self._queues.values() for c in queue]:
            self._terms.tally.lose(cohort.count, cohort.first_s)
        self._queues.clear()

    def _route(self, batch: Batch, scene: Scene) -> None:
        """Splits the arrivals by share; a queue whose variant is given up goes where the traffic goes."""
        shares = {v: n for v, n in scene.shares.items() if n > 0}
        main = max(shares, key=lambda v: (shares[v], v))
        standing = {pod.place[0] for pod in scene.pods if pod.state in (State.READY, State.DRAINING)}
        for variant in [v for v, q in self._queues.items() if q and v not in shares and v not in standing]:
            moved = sorted([*self._queues.pop(variant), *self._queues.get(main, ())], key=lambda c: c.first_s)
            for cohort in moved:
                cohort.batch = self._answered(cohort.asked, main)
            self._queues[main] = deque(moved)
        for variant, percent in sorted(shares.items()) if batch.count else ():
            cohort = _Cohort(
                scene.start_s, scene.end_s, batch.count * percent / 100, batch, self._answered(batch, variant)
            )
            self._queues.setdefault(variant, deque()).append(cohort)

    def _answered(self, batch: Batch, variant: str) -> Batch:
        return batch.longer(self._terms.lengths.get(variant, 1.0))

    def _drop_late(self, variant: str, now_s: float) -> None:
        queue = self._queues[variant]
        while queue and now_s - queue[0].last_s > self._terms.queue_timeout_s:
            self._terms.tally.lose(queue[0].count, queue[0].first_s)
            queue.popleft()

    def _refuse(self, variant: str) -> None:
        """Refuses the newest beyond the gateway's limit."""
        queue = self._queues[variant]
        over = sum(c.count for c in queue) - self._terms.most_queued
        while over > 0 and queue:
            cut = min(over, queue[-1].count)
            queue[-1].count -= cut
            self._terms.tally.lose(cut, queue[-1].first_s)
            over -= cut
            if queue[-1].count <= 0:
                queue.pop()

    def _work(self, variant: str, scene: Scene) -> None:
        """Works off a queue, oldest first, until the turn ends or it is empty."""
        queue, now_s = self._queues[variant], scene.start_s
        counts: dict[Place, int] = {}
        for pod in scene.pods:
            if pod.place[0] == variant and pod.state is State.READY and pod.place in self._terms.servers:
                counts[pod.place] = counts.get(pod.place, 0) + 1
        backlog = len(queue) > 1
        while queue and counts and now_s < scene.end_s:
            cohort = queue[0]
            rates, lines = self._lines(counts, cohort, scene, backlog)
            rate = sum(rates.values())
            begin_s = max(now_s, cohort.first_s)
            end_s = max(begin_s + cohort.count / rate, min(cohort.last_s, scene.end_s))
            done = cohort.count if end_s <= scene.end_s else min(cohort.count, rate * (scene.end_s - begin_s))
            until_s = min(end_s, scene.end_s)
            self._count(variant, cohort, done, (begin_s, until_s), lines)
            now_s = begin_s + done / rate
            ended = done >= cohort.count - 1e-9
            if backlog != ended:
                self._look(counts, cohort.batch, scene, lines)
            if ended:
                queue.popleft()
                continue
            cohort.first_s += (cohort.last_s - cohort.first_s) * done / cohort.count
            cohort.count -= done
            return

    def _lines(
        self, counts: Mapping[Place, int], cohort: _Cohort, scene: Scene, backlog: bool
    ) -> tuple[dict[Place, float], list[_Line]]:
        """Rates by place for a cohort, and the places' batches: full with a backlog, else as the load asks."""
        batch = cohort.batch
        shape = (batch.mean_input, batch.mean_output)
        most = {p: self._terms.servers[p].concurrency(scene.slots.get(p, 256), *shape) for p in counts}
        each = {p: self._terms.servers[p].per_s(most[p], *shape) for p in counts}
        rates = {p: each[p] * n for p, n in counts.items()}
        total = sum(rates.values())
        use = min(1.0, cohort.count / (total * (scene.end_s - scene.start_s)))
        lines = []
        for place, rate in rates.items():
            server = self._terms.servers[place]
            full = backlog or use >= 1
            size = most[place] if full else server.batch_at(each[place] * use, most[place], *shape)
            _, step_s, tpot_s = server.times(size, *shape)
            lines.append(_Line(server, rate / total, size, step_s, tpot_s))
            self._answer_s[place] = TTFT_FIXED_S + server.prefill_s(shape[0]) + batch.long_output * tpot_s
        running = sum(line.batch * n for line, n in zip(lines, counts.values(), strict=True))
        self._running[next(iter(counts))[0]] = running
        return rates, lines

    def _look(self, counts: Mapping[Place, int], batch: Batch, scene: Scene, lines: Sequence[_Line]) -> None:
        """Reads the pods' metrics after a turn at one batch: none runs yet in the fixed part of its first token."""
        for place, line in zip(counts, lines, strict=True):
            per_s = line.server.per_s(line.batch, batch.mean_input, batch.mean_output)
            running = self._read[place] = max(0.0, line.batch - per_s * TTFT_FIXED_S)
            if place in self._before:
                over_s, tokens_per_s = scene.end_s - scene.start_s, per_s * batch.mean_output
                self._works[place] = Work(scene.end_s, over_s, self._before[place], running, tokens_per_s)

    def _count(self, variant: str, cohort: _Cohort, done: float, span: tuple[float, float], lines: list[_Line]) -> None:
        """Counts answers: the wait runs from that of the first to that of the last in the part that was served."""
        share = done / cohort.count
        last_s = cohort.first_s + (cohort.last_s - cohort.first_s) * share
        first_wait_s, last_wait_s = max(0.0, span[0] - cohort.first_s), max(0.0, span[1] - last_s)
        waits = [first_wait_s + (last_wait_s - first_wait_s) * at for at in _WAITS] if last_wait_s else [0.0]
        in_ttft, in_tpot, in_both = 0.0, 0.0, 0.0
        for line in lines:
            timely = sum(self._timely(line, wait_s, cohort.batch) for wait_s in waits) / len(waits)
            steady = self._steady(line, cohort.batch)
            in_ttft += line.part * timely
            in_tpot += line.part * steady
            in_both += line.part * timely * steady
        tokens = done * cohort.asked.tokens  # a question doesn't weigh more by a long answer
        answers = Answers(done, done * in_ttft, done * in_tpot, done * in_both, tokens)
        self._terms.tally.add(variant, answers, cohort.first_s)
        self._served.append((done, cohort.batch))
        before, wrote = self._quick.get(variant, (0.0, 0.0, 0.0)), done * cohort.batch.mean_output
        self._quick[variant] = (before[0] + done, before[1] + done * in_tpot, before[2] + wrote)

    def _steady(self, line: _Line, batch: Batch) -> float:
        """Share of a cohort whose mean time per token is in time: a short answer may meet a long prompt.

        A request meets the prompts that are read while it answers: a Poisson number of them, each as long as a prompt
        takes; the sum is taken as normal, but for meeting none at all.
        """
        bound_s, prefill_s = self._terms.slo.tpot_s - line.step_s, line.server.prefill_s(batch.mean_input)
        if bound_s <= 0:
            return 0.0
        per_s = line.server.per_s(line.batch, batch.mean_input, batch.mean_output)
        return sum(
            met(per_s * n * line.tpot_s, prefill_s, batch.input_spread, bound_s * n) for n in batch.outputs
        ) / len(batch.outputs)

    def _timely(self, line: _Line, wait_s: float, batch: Batch) -> float:
        """Share of a cohort whose first token comes in time after a wait: the prompts that are short enough."""
        slack_s = self._terms.slo.ttft_s - wait_s - TTFT_FIXED_S - line.step_s
        if slack_s <= 0:
            return 0.0
        ahead = 1 + TTFT_PREFILLS_AHEAD * line.batch
        if line.server.prefill_s(batch.inputs[-1]) * ahead <= slack_s:
            return 1.0
        return bisect.bisect_right(batch.inputs, slack_s, key=lambda n: line.server.prefill_s(n) * ahead) / len(
            batch.inputs
        )
