"""`make bench-turn`: what a turn of the operator costs with many fleets that run, serve and are paid for.

The loop is the operator's own, from its cache to what it would write. In place of the API server and of what gateways
tell stand those of `tests/controller/turn_world.py`; reading them over the network isn't measured here.
"""

import asyncio
import logging
import statistics
import time

from tests.bench.report import Figure, options, publish
from tests.controller.turn_world import PER_NODE, World, world_of

from costwain.controller.garbage import collect_seldom
from costwain.controller.loop import Loop

FLEETS, TURNS, WARM_UP = 1000, 30, 12


async def measure(loop: Loop, world: World, turns: int) -> tuple[list[float], list[float], int]:
    """Milliseconds of each turn by the wall and of CPU after a warm-up, and the writes that they made."""
    wall, cpu, before = list[float](), list[float](), 0
    for turn in range(WARM_UP + turns):
        if turn == WARM_UP:
            before = len(world.written)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await loop.turn(lambda: True, 1)
        wall.append((time.perf_counter() - wall_s) * 1000)
        cpu.append((time.process_time() - cpu_s) * 1000)
    return wall[WARM_UP:], cpu[WARM_UP:], len(world.written) - before


def main() -> None:
    asked = options(__doc__ or "")
    asked.add_argument("--fleets", type=int, default=FLEETS)
    found = asked.parse_args()
    logging.getLogger("costwain").setLevel(logging.WARNING)
    collect_seldom()  # as the operator does
    loop, world, _ = world_of(found.fleets, nodes=max(2, 4 * found.fleets // PER_NODE))
    wall, cpu, writes = asyncio.run(measure(loop, world, TURNS))
    name, spread = f"{found.fleets} fleets, every load changes", f"{min(wall):.0f} to {max(wall):.0f} ms"
    publish(
        [
            Figure(f"{name}: p50 of a turn", statistics.median(wall), "ms", f"{spread} over {TURNS} turns"),
            Figure(f"{name}: p50 of CPU", statistics.median(cpu), "ms", f"{min(cpu):.0f} to {max(cpu):.0f} ms"),
            Figure(f"{name}: writes a turn", writes / TURNS, "", "turns one after the other, without a pause"),
        ],
        found.json,
    )


if __name__ == "__main__":
    main()
