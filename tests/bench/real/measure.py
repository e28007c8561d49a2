"""`make bench-real`: ten minutes of a trace on the real parts, and the same in the simulator: how far are they apart?

The real side is the control plane, the operator, HAProxy, and pods that run the CPU stand-in for vLLM; both sides take
the engine's speed from the capacity model. So the gap is what the simulator leaves out: the gateway, how the operator
measures, watches, probes, drains, and a machine that is late. Where in a turn a request falls is chance on the real
side, so the simulator plays every phase of the turn. It exits 0 when it has measured.
"""

import statistics
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.real import actual, simulated
from tests.bench.real.seen import ROWS, Seen, changes, figures, gap
from tests.bench.report import Figure, options, publish

from costwain.cli.format import table
from costwain.local.errors import LocalError
from costwain.sim.arrival import InputError
from costwain.sim.fleet_file import read_fleet
from costwain.sim.scenario import read_scenario
from costwain.sim.trace import Take, read_trace

HERE = Path(__file__).parent
IDLE_S = 120.0
PHASES = 5
Runs = Mapping[str, Sequence[Seen]]  # by who played: real, and each engine


def main() -> None:
    asked = _asked()
    try:
        take = Take(0, asked.scale, asked.start - asked.warm_up, asked.duration + asked.warm_up)
        requests = list(read_trace(asked.trace, None, take))
        scenario = read_scenario(HERE / "scenario.yaml")
        fleet = read_fleet(HERE / "fleet.yaml", scenario)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    one = actual.Play(
        HERE / "fleet.yaml",
        fleet,
        requests,
        simulated.slo_of(fleet),
        asked.factor,
        scenario.turn_seconds,
        IDLE_S,
        asked.warm_up,
    )
    same = simulated.Play(fleet, scenario, requests, asked.warm_up, IDLE_S)
    runs = {"real": _real(one, asked.rounds)}
    for engine in simulated.ENGINES:
        runs[engine] = [simulated.play(same, engine, n * scenario.turn_seconds / PHASES) for n in range(PHASES)]
        _tell(f"{engine} engine", runs[engine][0])
    duration_s = requests[-1].t_s - asked.warm_up
    print(f"\n{runs['real'][0].requests} requests in {duration_s:.0f} s, clock x{asked.factor:g}")
    publish(_figures(runs, duration_s), asked.json)


def _asked() -> Namespace:
    parser = options(__doc__ or "")
    parser.add_argument("--trace", required=True)
    parser.add_argument("--start", type=float, default=1980.0, help="second of the trace from which on requests count")
    parser.add_argument("--duration", type=float, default=600.0, help="for how long, fleet seconds")
    parser.add_argument("--warm-up", type=float, default=0.0, help="so much of the trace is played before")
    parser.add_argument("--scale", type=float, default=0.5, help="share of its requests")
    parser.add_argument("--factor", type=float, default=2.0, help="fleet seconds a second")
    parser.add_argument("--rounds", type=int, default=1, help="real runs")
    return parser.parse_args()


def _real(one: actual.Play, rounds: int) -> list[Seen]:
    seen = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-real-") as folder:
            try:
                seen.append(actual.play(one, Path(folder) / "c"))
            except LocalError as error:
                sys.exit(str(error))
        _tell(f"real, round {number + 1} of {rounds}", seen[-1])
    return seen


def _tell(title: str, seen: Seen) -> None:
    notes = "".join(f"; {name} {value:.3g}" for name, value in seen.notes.items())
    print(
        f"\n{title}{notes}", *(f"  {t_s:7.1f} s  {what}" for t_s, what in changes(seen.samples)), sep="\n", flush=True
    )


def _figures(runs: Runs, duration_s: float) -> list[Figure]:
    """Medians with their spread, and the gap of each engine's to the real one; the table on the way."""
    by = {who: [figures(seen, duration_s) for seen in all_] for who, all_ in runs.items()}
    found, cells = (
        list[Figure](),
        [["", *(c for who in by for c in ([who, ""] if who == "real" else [who, "", "gap"]))]],
    )
    for row, unit in ROWS.items():
        line = [f"{row} {unit}".strip()]
        real = statistics.median(each[row] for each in by["real"])
        for who, all_ in by.items():
            values = [each[row] for each in all_ if row in each]
            if not values:
                line += ["", "", ""]
                continue
            middle, spread = statistics.median(values), f"{min(values):.4g} to {max(values):.4g}"
            found.append(Figure(f"{row}: {who}", middle, unit, spread))
            line += [f"{middle:.4g}", spread]
            if who != "real":
                apart, what = gap(row, real, middle)
                found.append(Figure(f"{row}: {who}, gap", apart, what))
                line.append(f"{apart:+.3g} {what}".strip())
        cells.append(line)
    for name in runs["real"][0].notes:
        noted = [seen.notes[name] for seen in runs["real"]]
        what, unit = name.rsplit(", ", 1)
        found.append(Figure(f"real: {what}", statistics.median(noted), unit, f"{min(noted):.3g} to {max(noted):.3g}"))
    print("\n".join(["", *table(cells, right=range(1, 9))]))
    return found


if __name__ == "__main__":
    main()
