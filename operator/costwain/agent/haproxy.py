"""HAProxy's admin socket: one command a connection, and what its answers say."""

import asyncio
import csv
import io
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from costwain.render.haproxy import AGAIN, HOLD, PROGRAM_MAP, SERVING, WAITING, backend

_READ_BYTES = 1 << 18
RESPONSE_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class HaproxyError(Exception):
    """HAProxy did not answer, or not what was expected."""


@dataclass(frozen=True)
class Counters:
    """A row of `show stat`: a server, or a whole backend."""

    status: str = ""
    address: str = ""
    limit: int = 0  # requests that a server may serve at once
    sessions: int = 0  # now; of a backend with those that wait
    queued: int = 0  # now
    total: int = 0  # sessions so far
    responses: Mapping[str, int] = field(default_factory=dict)  # class -> so far

    @property
    def in_maintenance(self) -> bool:
        return self.status.startswith("MAINT")

    @property
    def is_free(self) -> bool:
        """Whether a server has no request and gets none any more; idle connections to it may last for seconds."""
        return self.in_maintenance and self.sessions == 0 and self.queued == 0

    @property
    def is_up(self) -> bool:
        return self.status.startswith("UP") or self.status == "no check"


@dataclass(frozen=True)
class LiveMap:
    """A map file as HAProxy has it now."""

    number: int
    entries: Mapping[str, str]


@dataclass(frozen=True)
class State:
    """All that HAProxy says of itself: (backend, server) -> counters, and its maps by file name."""

    backends: Mapping[str, Counters]
    servers: Mapping[tuple[str, str], Counters]
    maps: Mapping[str, LiveMap]

    @property
    def program(self) -> Mapping[str, str]:
        """The program map's entries."""
        return self.maps[PROGRAM_MAP].entries

    def pods(self, of: str) -> dict[str, Counters]:
        """The servers of a backend that are pods, by name."""
        return {name: row for (owner, name), row in self.servers.items() if owner == of and name not in (HOLD, AGAIN)}

    @property
    def ladder(self) -> tuple[str, ...]:
        """The variants that HAProxy was started with, best first."""
        prefix = backend(SERVING, "")
        return tuple(name.removeprefix(prefix) for name in self.backends if name.startswith(prefix))

    @property
    def busy(self) -> int:
        """Requests that wait or are being answered; the hold requests aside."""
        queues = [backend(kind, variant) for kind in (SERVING, WAITING) for variant in self.ladder]
        return sum(self.backends[name].sessions - self.servers[name, HOLD].sessions for name in queues)


def parse_stats(text: str) -> tuple[dict[str, Counters], dict[tuple[str, str], Counters]]:
    """Backends and servers from the CSV of `show stat`; raises HaproxyError where it has no header."""
    if not text.startswith("# "):
        raise HaproxyError(f"show stat: want CSV with a header, found {text[:80]!r}")
    backends: dict[str, Counters] = {}
    servers: dict[tuple[str, str], Counters] = {}
    for row in csv.DictReader(io.StringIO(text.removeprefix("# "))):
        if row["svname"] == "BACKEND":
            backends[row["pxname"]] = _counters(row)
        elif row["svname"] != "FRONTEND":
            servers[row["pxname"], row["svname"]] = _counters(row)
    return backends, servers


def parse_maps(text: str) -> dict[str, int]:
    """File name -> number of each map in `show map`; raises HaproxyError where the program's is missing."""
    found = {}
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        if number.isdigit():
            found[rest.partition(")")[0].rpartition("/")[2]] = int(number)
    if PROGRAM_MAP not in found:
        raise HaproxyError(f"show map: no {PROGRAM_MAP} among {text[:200]!r}")
    return found


def parse_map(text: str) -> dict[str, str]:
    """Keys and values from `show map #<id>`."""
    entries = (line.split(" ", 2) for line in text.splitlines() if line)
    return {entry[1]: entry[2] for entry in entries if len(entry) == 3}


def _counters(row: Mapping[str, str]) -> Counters:
    def number(column: str) -> int:
        return int(row[column] or 0)

    return Counters(
        status=row["status"],
        address=row["addr"],
        limit=number("slim"),
        sessions=number("scur"),
        queued=number("qcur"),
        total=number("stot"),
        responses={kind: number(f"hrsp_{kind}") for kind in RESPONSE_CLASSES},
    )


class Runtime:
    """Client of the admin socket; every call raises HaproxyError where HAProxy does not answer in time."""

    def __init__(self, socket_path: Path, timeout_s: float = 2) -> None:
        self._path, self._timeout_s = socket_path, timeout_s

    async def command(self, text: str) -> str:
        """One command's answer, without the blank lines around it."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(text)
        except (OSError, TimeoutError) as error:
            raise HaproxyError(f"{self._path}: {text.split()[0]}: {str(error) or type(error).__name__}") from None

    async def _exchange(self, text: str) -> str:
        reader, writer = await asyncio.open_unix_connection(str(self._path))
        try:
            writer.write(text.encode() + b"\n")
            answer = await reader.read()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return answer.decode().strip()

    async def follow(self, text: str, pause_s: float) -> AsyncIterator[str]:
        """The lines of a command that goes on by itself, until HAProxy ends it; what comes in a pause comes at once."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as at:
            at.setblocking(False)
            try:
                await loop.sock_connect(at, str(self._path))
                await loop.sock_sendall(at, text.encode() + b"\n")
                rest = b""
                while data := await loop.sock_recv(at, _READ_BYTES):
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        yield line.decode(errors="replace")
                    await asyncio.sleep(pause_s)
            except OSError as error:
                raise HaproxyError(f"{self._path}: {text.split()[0]}: {error}") from None

    async def state(self) -> State:
        """Everything at once; a few commands, a millisecond apart."""
        numbers = parse_maps(await self.command("show map"))
        maps = {
            name: LiveMap(number, parse_map(await self.command(f"show map #{number}")))
            for name, number in numbers.items()
        }
        backends, servers = parse_stats(await self.command("show stat"))
        return State(backends, servers, maps)
