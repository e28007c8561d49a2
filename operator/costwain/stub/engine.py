"""The engine of the stub: continuous batching in simulated time, at the speed of the capacity model.

It holds no clock. `advance(now)` runs whole iterations up to an instant; decode iterations in
which nobody comes or goes are taken together, so a fast clock doesn't cost more CPU.
"""

import math
from collections import deque

from costwain.decide.roofline import prefill_s, step_s
from costwain.stub.args import Settings
from costwain.stub.sequence import ABORT, Meter, Sequence


class Engine:
    """Runs sequences in batches; `now_s` of its methods never goes back."""

    def __init__(self, settings: Settings, meter: Meter) -> None:
        self._settings = settings
        self._meter = meter
        self._at_s = -math.inf
        self._running: list[Sequence] = []
        self._waiting: deque[Sequence] = deque()
        self._held_tokens = 0
        self._touched: dict[Sequence, None] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def kv_usage(self) -> float:
        """Share of the KV cache in use, 0 to 1."""
        return min(self._held_tokens / self._settings.kv_tokens, 1.0)

    def submit(self, sequence: Sequence) -> None:
        """Queues a sequence; it starts with an iteration that begins once it is ready."""
        if not self._running and not self._waiting:
            self._at_s = max(self._at_s, sequence.arrived_s)
        self._waiting.append(sequence)

    def drop(self, sequence: Sequence) -> None:
        """Forgets a sequence whose client has gone, uncounted as in vLLM; no effect once it has ended."""
        if sequence.ended is None:
            sequence.ended = ABORT
            self._remove(sequence)

    def end_all(self, reason: str) -> None:
        """Ends whatever runs or waits, and tells each."""
        for sequence in [*self._running, *self._waiting]:
            self._end(sequence, reason)
        self._running.clear()
        self._waiting.clear()
        self._held_tokens = 0
        self._tell()

    def advance(self, now_s: float) -> None:
        """Runs every iteration that is over by `now_s`, then emits what each sequence gained."""
        while self._running or self._waiting:
            self._admit()
            if not self._running:
                if self._waiting[0].ready_s > now_s:
                    break
                self._at_s = max(self._at_s, self._waiting[0].ready_s)
                continue
            if not (self._decode(now_s) if self._all_read() else self._mixed(now_s)):
                break
        self._tell()

    def wakes_s(self) -> tuple[float, float] | None:
        """When the next iteration ends, and when the next first or last token is due; None when idle."""
        if not self._running:
            return (self._waiting[0].ready_s,) * 2 if self._waiting else None
        if not self._all_read():
            end_s = self._at_s + self._mixed_s(self._chunks())
            return end_s, end_s
        step = self._step_s()
        event_s = self._at_s + step * min(s.target_tokens - s.produced for s in self._running)
        if self._waiting and self._waiting[0].ready_s > self._at_s:
            event_s = min(event_s, self._waiting[0].ready_s + step)
        return self._at_s + step, event_s

    def _all_read(self) -> bool:
        return not any(s.unread for s in self._running)

    def _admit(self) -> None:
        """First come, first served, as slots and KV cache allow: the head of the queue is never overtaken."""
        while self._waiting and len(self._running) < self._settings.max_num_seqs:
            head = self._waiting[0]
            next_tokens = len(self._running) + 1
            if self._held_tokens + head.held_tokens + next_tokens > self._settings.kv_tokens:
                return
            if head.ready_s > self._at_s:
                return
            self._waiting.popleft()
            self._running.append(head)
            self._held_tokens += head.held_tokens
            if head.admitted_s is None:
                head.admitted_s = self._at_s

    def _decode(self, now_s: float) -> bool:
        """As many decode iterations as pass before somebody comes, goes or runs out of cache; False if none."""
        self._make_room()
        step, batch = self._step_s(), len(self._running)
        times = min(
            math.floor((now_s - self._at_s) / step + 1e-9), *(s.target_tokens - s.produced for s in self._running)
        )
        times = min(times, (self._settings.kv_tokens - self._held_tokens) // batch)
        if self._waiting and batch < self._settings.max_num_seqs and self._waiting[0].ready_s > self._at_s:
            times = min(times, math.ceil((self._waiting[0].ready_s - self._at_s) / step))
        if times < 1:
            return False
        self._at_s += step * times
        self._meter.iterations(batch, times)
        self._meter.token_gap(step, times * batch)
        self._meter.generated(times * batch)
        for sequence in list(self._running):
            self._gain(sequence, times)
        return True

    def _mixed(self, now_s: float) -> bool:
        """One iteration that prefills newcomers beside decoding the rest; False if it isn't over by `now_s`."""
        self._make_room()
        chunks = self._chunks()
        end_s = self._at_s + self._mixed_s(chunks)
        if end_s > now_s:
            return False
        self._at_s = end_s
        for sequence, tokens in chunks.items():
            sequence.unread -= tokens
        gaining = [s for s in self._running if not s.unread]
        read = sum(chunks.values())
        self._meter.iterations(read + len(self._running) - len(chunks), 1)
        self._meter.prefilled(read)
        self._meter.generated(len(gaining))
        for sequence in gaining:
            self._first(sequence)
            self._gain(sequence, 1)
        return True

    def _chunks(self) -> dict[Sequence, int]:
        """How much of each unread prompt the next iteration takes, within the budget of tokens."""
        budget = self._settings.max_num_batched_tokens - sum(not s.unread for s in self._running)
        chunks: dict[Sequence, int] = {}
        for sequence in self._running:
            if sequence.unread:
                chunks[sequence] = min(sequence.unread, max(budget, 0))
                budget -= chunks[sequence]
        return chunks

    def _mixed_s(self, chunks: dict[Sequence, int]) -> float:
        placed = (self._settings.shape, self._settings.accelerator, self._settings.accelerators)
        decoding = len(self._running) - len(chunks)
        decode_s = self._step_s(decoding) if decoding else 0.0
        return decode_s + sum(prefill_s(*placed, tokens) for tokens in chunks.values() if tokens)

    def _step_s(self, batch: int | None = None) -> float:
        placed = (self._settings.shape, self._settings.accelerator, self._settings.accelerators)
        running = len(self._running)
        return step_s(*placed, running if batch is None else batch, self._held_tokens / running)

    def _make_room(self) -> None:
        """Sends the latest back to the queue while the next tokens don't fit; it will be computed again."""
        while len(self._running) > 1 and self._held_tokens + len(self._running) > self._settings.kv_tokens:
            victim = self._running.pop()
            self._held_tokens -= victim.held_tokens
            victim.unread = victim.held_tokens
            victim.preemptions += 1
            self._meter.preempted()
            self._waiting.appendleft(victim)

    def _first(self, sequence: Sequence) -> None:
        if sequence.first_token_s is None:
            sequence.first_token_s = self._at_s
            self._meter.first_token(self._at_s - sequence.arrived_s)
        elif sequence.last_token_s is not None:
            self._meter.token_gap(self._at_s - sequence.last_token_s, 1)

    def _gain(self, sequence: Sequence, tokens: int) -> None:
        sequence.produced += tokens
        sequence.fresh += tokens
        sequence.last_token_s = self._at_s
        self._held_tokens += tokens
        self._touched[sequence] = None
        if sequence.produced >= sequence.target_tokens:
            self._end(sequence, sequence.finish_reason)
            self._remove(sequence)

    def _end(self, sequence: Sequence, reason: str) -> None:
        sequence.ended = reason
        self._touched[sequence] = None
        self._meter.finished(sequence)

    def _remove(self, sequence: Sequence) -> None:
        if sequence in self._running:
            self._running.remove(sequence)
            self._held_tokens -= sequence.held_tokens
        elif sequence in self._waiting:
            self._waiting.remove(sequence)

    def _tell(self) -> None:
        touched, self._touched = self._touched, {}
        for sequence in touched:
            fresh, sequence.fresh = sequence.fresh, 0
            sequence.emit(fresh, sequence.ended)
