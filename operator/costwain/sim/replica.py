"""One replica, iteration by iteration: continuous batching, chunked prefill, a KV cache that ends.

Iterations in which nobody comes or goes are taken together. Decoding requests count one shared clock of iterations, so
a request ends when the clock reaches its number: a heap knows the next one whatever the batch.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from costwain.decide.capacity import TTFT_FIXED_S
from costwain.domain.hardware import GIB
from costwain.sim.server import Server

_LARGE_BYTES = 70 * GIB
_BATCHED_TOKENS = {True: 8192, False: 2048}  # vLLM's max_num_batched_tokens on large devices, and on others


@dataclass(slots=True, eq=False)
class Request:
    """One request on its way; seconds. `unread` tokens of it are still to be prefilled.

    `asked_tokens` of its answer as the trace has it, where a variant writes more or fewer.
    """

    arrived_s: float
    input_tokens: int
    output_tokens: int
    ready_s: float = 0.0
    unread: int = 0
    produced: int = 0
    first_s: float | None = None
    asked_tokens: int | None = None

    @property
    def held(self) -> int:
        return self.input_tokens + self.produced


Done = Callable[[Request, float], None]


class Replica:
    """The engine of one pod; `done(request, at_s)` is called at each last token."""

    def __init__(self, server: Server, at_s: float, done: Done) -> None:
        self._server, self._done, self.at_s = server, done, at_s
        self._budget = _BATCHED_TOKENS[server.accelerator.memory_bytes >= _LARGE_BYTES]
        self._waiting: deque[Request] = deque()
        self._reading: deque[Request] = deque()
        self._ends: list[tuple[int, int, Request]] = []  # (iteration at which it ends, tie, request)
        self._clock = self._tie = 0
        self._held = 0
        self.tokens = 0  # of answers, since its start
        self.quiet_until_s = math.inf  # nobody comes, goes or is read before

    @property
    def outstanding(self) -> int:
        return len(self._waiting) + len(self._reading) + len(self._ends)

    @property
    def running(self) -> int:
        """Requests in its batch, those whose prompts are read included, as vLLM counts them."""
        return len(self._reading) + len(self._ends)

    def requests(self) -> list[Request]:
        """All that it was given and hasn't answered."""
        return [*self._waiting, *self._reading, *(request for _, _, request in self._ends)]

    def submit(self, request: Request, at_s: float) -> None:
        """Takes a request; HTTP, tokenizer and hand-over are the fixed part of the TTFT."""
        if not self.outstanding:
            self.at_s = max(self.at_s, at_s)
        self.quiet_until_s = self.at_s
        request.ready_s, request.unread = at_s + TTFT_FIXED_S, request.input_tokens
        self._waiting.append(request)

    def advance(self, until_s: float) -> None:
        """Runs every iteration that is over by an instant."""
        self._run(until_s)
        if self._reading or self._waiting:
            self.quiet_until_s = self.at_s
        elif self._ends:  # steps only grow longer until the first of them ends
            self.quiet_until_s = self.at_s + (self._ends[0][0] - self._clock) * self._step_s(len(self._ends))
        else:
            self.quiet_until_s = math.inf

    def _run(self, until_s: float) -> None:
        while True:
            self._admit()
            if self._reading:
                if not self._mixed(until_s):
                    return
            elif self._ends:
                if not self._decode(until_s):
                    return
            elif self._waiting and self._waiting[0].ready_s <= until_s:
                self.at_s = max(self.at_s, self._waiting[0].ready_s)
            else:
                self.at_s = max(self.at_s, until_s)
                return

    def _admit(self) -> None:
        """First come, first served, as slots and KV cache allow."""
        while self._waiting and self._waiting[0].ready_s <= self.at_s:
            head, running = self._waiting[0], len(self._reading) + len(self._ends)
            full = self._held + head.unread + running + 1 > self._server.kv_tokens
            if running >= self._server.most or (full and running):
                return
            self._reading.append(self._waiting.popleft())
            self._held += head.unread

    def _mixed(self, until_s: float) -> bool:
        """One iteration that reads prompts beside decoding the rest; False if it isn't over in time."""
        decoding = len(self._ends)
        budget, chunks = max(1, self._budget - decoding), list[int]()
        for request in self._reading:
            chunks.append(min(request.unread, budget))
            budget -= chunks[-1]
            if budget <= 0:
                break
        took_s = self._step_s(decoding) if decoding else 0.0
        took_s += sum(map(self._server.read_s, chunks))
        if self.at_s + took_s > until_s:
            return False
        self.at_s += took_s
        self._tick(1)
        for n in chunks:
            self._reading[0].unread -= n
            if self._reading[0].unread == 0:
                self._start(self._reading.popleft())
        return True

    def _start(self, request: Request) -> None:
        """The prompt is read, which gives the first token; after a preemption it goes on where it was."""
        if request.first_s is None:
            request.first_s = self.at_s
        request.produced += 1
        self.tokens += 1
        self._held += 1
        self._tie += 1
        heapq.heappush(self._ends, (self._clock + request.output_tokens - request.produced, self._tie, request))
        self._end_due()

    def _decode(self, until_s: float) -> bool:
        """As many iterations as pass before somebody comes, goes or runs out of cache; False if none."""
        self._make_room()
        batch = len(self._ends)
        step_s = self._step_s(batch)
        times = min(math.floor((until_s - self.at_s) / step_s + 1e-9), self._ends[0][0] - self._clock)
        times = min(times, max(1, (self._server.kv_tokens - self._held) // batch))
        if self._waiting and self._waiting[0].ready_s > self.at_s:
            times = min(times, math.ceil((self._waiting[0].ready_s - self.at_s) / step_s))
        if times < 1:
            return False
        self.at_s += step_s * times
        self._tick(times)
        return True

    def _tick(self, times: int) -> None:
        self._clock += times
        self._held += times * len(self._ends)
        self.tokens += times * len(self._ends)
        self._end_due()

    def _end_due(self) -> None:
        while self._ends and self._ends[0][0] <= self._clock:
            _, _, request = heapq.heappop(self._ends)
            self._held -= request.input_tokens + request.output_tokens
            request.produced = request.output_tokens
            self._done(request, self.at_s)

    def _step_s(self, batch: int) -> float:
        return self._server.iteration_s(batch, self._held)

    def _make_room(self) -> None:
        """Sends the one with most to go back to the queue while the next tokens don't fit; it is computed again."""
        while len(self._ends) > 1 and self._held + len(self._ends) > self._server.kv_tokens:
            end, _, victim = self._ends.pop(max(range(len(self._ends)), key=lambda i: self._ends[i][:2]))
            heapq.heapify(self._ends)
            victim.produced = victim.output_tokens - (end - self._clock)
            self._held -= victim.held
            victim.unread, victim.ready_s = victim.held, self.at_s
            self._waiting.appendleft(victim)
