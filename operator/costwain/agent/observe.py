"""Follows HAProxy's records of requests, and says where one is missing.

HAProxy keeps the last records in a ring in its memory; the agent reads them over the admin socket as they come. A
ring is asked from its beginning, so nothing is lost while the agent is away for a moment; what was seen is known by id.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Collection

from costwain.agent.haproxy import HaproxyError, Runtime, State
from costwain.agent.record import parse_record
from costwain.agent.tally import Tally
from costwain.render.haproxy import KEYS_MAP, RECORDS, SERVING, WAITING, backend

_AGAIN_S = 0.2
_PAUSE_S = 0.05  # to be woken for every record costs more than to read it
_CATCH_UP_S, _POLL_S = 0.5, 0.02
_IDS = 65_536  # more than the ring holds
_UNOBSERVED = "costwain_gateway_unobserved_requests_total"
_BROKEN = "costwain_gateway_broken_records_total"
_TENANT_REQUESTS = "costwain_gateway_tenant_requests"
_ROW = re.compile(r"key=(\S+) .*\bconn_cur=(\d+)")
_log = logging.getLogger(__name__)


class Missing:
    """How many requests have ended in HAProxy without a record: its own statistics against what was seen."""

    def __init__(self) -> None:
        self.total = 0
        self._ended: int | None = None
        self._excused = 0  # ended before this agent looked, or found missing already

    def gap(self, ended: int, seen: int) -> int:
        """How many records should still come."""
        return ended - seen - (0 if self._is_new(ended) else self._excused)

    def settle(self, ended: int, seen: int) -> None:
        """Counts what did not come; what a HAProxy did before it was first looked at is nobody's loss."""
        missing = 0 if self._is_new(ended) else max(self.gap(ended, seen), 0)
        self.total += missing
        self._excused = ended - seen if self._is_new(ended) else self._excused + missing
        self._ended = ended

    def _is_new(self, ended: int) -> bool:
        return self._ended is None or ended < self._ended


class Observer:
    """Adds up what becomes of requests; its page is appended to the agent's."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._tally = runtime, Tally()
        self._missing = Missing()
        self._ids: set[str] = set()
        self._order: deque[str] = deque()
        self._tenants: Collection[str] = ()
        self._seen = self._broken = 0

    async def run(self) -> None:
        """Follows until it is cancelled; a HAProxy that is gone is asked again."""
        while True:
            try:
                async for line in self._runtime.follow(f"show events {RECORDS} -w", _PAUSE_S):
                    self.take(line)
            except HaproxyError as error:
                _log.debug("%s", error)
            await asyncio.sleep(_AGAIN_S)

    def known(self, state: State) -> None:
        """Takes over who is configured: each tenant with a key gets a label of its own."""
        if KEYS_MAP in state.maps:
            self._tenants = frozenset(state.maps[KEYS_MAP].entries.values())

    def take(self, line: str) -> None:
        """One line of the ring; what is no record is counted and left."""
        if not line:
            return
        try:
            record = parse_record(line)
            if record.id in self._ids:
                return
            if record.from_client:
                self._tally.add(record, self._tenants)
        except (ValueError, IndexError) as error:
            self._broken += 1
            _log.warning("a record can't be read: %s", error)
            return
        self._remember(record.id)
        self._seen += record.in_variant

    async def page(self, state: State | None) -> str:
        """The samples in Prometheus' text form; waits a moment for the records of what has ended already."""
        requests: dict[str, int] = {}
        if state is not None:
            self.known(state)
            await self._reconcile(state)
            requests = await self._requests_by_tenant(state)
        lines = [*self._tally.lines()]
        lines += [f"# TYPE {_UNOBSERVED} counter", f"{_UNOBSERVED} {self._missing.total}"]
        lines += [f"# TYPE {_BROKEN} counter", f"{_BROKEN} {self._broken}"]
        if requests:
            lines += [f"# TYPE {_TENANT_REQUESTS} gauge"]
            lines += [f'{_TENANT_REQUESTS}{{tenant="{name}"}} {count}' for name, count in sorted(requests.items())]
        return "\n".join(lines) + "\n"

    async def _reconcile(self, state: State) -> None:
        ended, waited_s = _ended(state), 0.0
        while self._missing.gap(ended, self._seen) > 0 and waited_s < _CATCH_UP_S:
            await asyncio.sleep(_POLL_S)
            waited_s += _POLL_S
        self._missing.settle(ended, self._seen)

    async def _requests_by_tenant(self, state: State) -> dict[str, int]:
        if KEYS_MAP not in state.maps:
            return {}
        try:
            found = _ROW.findall(await self._runtime.command("show table tenants"))
        except HaproxyError:
            return {}
        return dict.fromkeys(self._tenants, 0) | {name: int(n) for name, n in found if name in self._tenants}

    def _remember(self, number: str) -> None:
        self._ids.add(number)
        self._order.append(number)
        if len(self._order) > _IDS:
            self._ids.discard(self._order.popleft())


def _ended(state: State) -> int:
    """Requests that have left the variants' backends, by HAProxy's own count."""
    rows = [state.backends[backend(kind, variant)] for kind in (SERVING, WAITING) for variant in state.ladder]
    return sum(row.total - row.sessions for row in rows)
