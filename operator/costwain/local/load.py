"""Open-loop load: every request is sent when its trace says, however slow the answers are."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp

from costwain.local.load_report import LoadResult, Record, Slo
from costwain.local.load_request import Client, Pace, Target
from costwain.sim.trace import Arrival, TraceError

__all__ = ["Counters", "Load", "LoadResult", "Pace", "Record", "Slo", "Target"]


@dataclass(frozen=True)
class Counters:
    """Requests so far."""

    sent: int = 0
    done: int = 0
    lost: int = 0

    @property
    def in_flight(self) -> int:
        """Sent, and not over yet."""
        return self.sent - self.done - self.lost


class Load:
    """One replay of a trace against one endpoint. `counters` may be read at any time, `stop` called at any time."""

    def __init__(self, target: Target, pace: Pace, slo: Slo | None = None) -> None:
        self._target, self._pace, self._slo = target, pace, slo
        self._records: dict[int, Record] = {}
        self._sent = 0
        self._lost = 0
        self._stopped = asyncio.Event()

    @property
    def counters(self) -> Counters:
        """Requests so far."""
        return Counters(self._sent, len(self._records) - self._lost, self._lost)

    def stop(self) -> None:
        """Sends no further request; those under way are waited for."""
        self._stopped.set()

    def so_far(self) -> LoadResult:
        """What became of the requests that are over; its duration is that of their trace."""
        records = tuple(self._records[index] for index in sorted(self._records))
        return LoadResult(records, max((r.t_s + r.delay_s + r.total_s for r in records), default=0.0), self._slo)

    async def run(self, arrivals: Iterable[Arrival]) -> LoadResult:
        """Sends all requests and waits for every answer; raises TraceError, after that, where the trace is faulty.

        A connection serves one request, as if each came from a client of its own: a kept one that the server
        closes at the instant of its next use would be counted as a loss and is none.
        """
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            fault = await self._send_all(Client(session, self._target, self._pace), arrivals, tasks)
        if fault is not None:
            raise fault
        return self.so_far()

    async def _send_all(
        self, client: Client, arrivals: Iterable[Arrival], tasks: asyncio.TaskGroup
    ) -> TraceError | None:
        start_s = self._pace.now_s()
        try:
            for index, arrival in enumerate(arrivals):
                due_s = start_s + arrival.t_s
                await self._wait_until(due_s)
                if self._stopped.is_set():
                    break
                self._sent += 1
                tasks.create_task(self._one(client, index, arrival, due_s))
        except TraceError as error:
            return error  # raised in the group, it would end the requests under way
        return None

    async def _one(self, client: Client, index: int, arrival: Arrival, due_s: float) -> None:
        record = await client.send(index, arrival, due_s)
        self._lost += record.lost is not None
        self._records[index] = record

    async def _wait_until(self, due_s: float) -> None:
        wait_s = self._pace.wall_duration_s(due_s - self._pace.now_s())
        if wait_s <= 0:
            await asyncio.sleep(0)  # late: the answers must be read all the same
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._stopped.wait()
        except TimeoutError:
            return
