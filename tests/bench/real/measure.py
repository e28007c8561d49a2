"""`make bench-real`: ten minutes of a trace on the real parts, and the same in the simulator: how far are they apart?

The real side is the control plane, the operator, HAProxy, and pods that run the CPU stand-in for vLLM; both sides take
the engine's speed from the capacity model. So the gap is what the simulator leaves out: the gateway, how the operator
measures, watches, probes, drains, and a machine that is late. It exits 0 when it has measured.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.real import actual, simulated
from tests.bench.real.seen import ROWS, Seen, changes, figures, gap
from tests.bench.report import Figure, options, publish

from costwain.cli.format import table
from costwain.local.errors import LocalError
from costwain.sim.arrival import Arrival, InputError
from costwain.sim.fleet_file import read_fleet
from costwain.sim.scenario import read_scenario
from costwain.sim.trace import Take, read_trace

HERE = Path(__file__).parent
IDLE_S = 300.0
Values = dict[str, list[float]]


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--trace", required=True)
    parser.add_argument("--start", type=float, default=1980.0, help="second of the trace at which the stretch begins")
    parser.add_argument("--duration", type=float, default=600.0, help="its length, fleet seconds")
    parser.add_argument("--scale", type=float, default=0.5, help="share of its requests")
    parser.add_argument("--factor", type=float, default=2.0, help="fleet seconds a second")
    parser.add_argument("--rounds", type=int, default=1, help="real runs; the simulator gives the same each time")
    asked = parser.parse_args()
    try:
        take = Take(0, asked.scale, asked.start, asked.duration)
        requests = list(read_trace(asked.trace, None, take))
        scenario = read_scenario(HERE / "scenario.yaml")
        fleet = read_fleet(HERE / "fleet.yaml", scenario)
    except InputError as error:
        sys.exit(str(error))
    one = actual.Play(
        HERE / "fleet.yaml", fleet, requests, simulated.slo_of(fleet), asked.factor, scenario.turn_seconds, IDLE_S
    )
    real = _real(one, asked.rounds)
    simulations = {e: simulated.play(fleet, scenario, requests, e, IDLE_S) for e in simulated.ENGINES}
    for engine, seen in simulations.items():
        _tell(f"{engine} engine", seen)
    found = _figures(real, simulations, requests)
    print(
        f"\n{len(requests)} requests in {requests[-1].t_s:.0f} s, clock x{asked.factor:g}, real rounds: {asked.rounds}"
    )
    publish(found, asked.json)


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


def _figures(real: Sequence[Seen], simulations: dict[str, Seen], requests: Sequence[Arrival]) -> list[Figure]:
    """The real values, then by engine the simulated ones with their gap to the median real one."""
    duration_s = requests[-1].t_s
    runs = [figures(seen, duration_s) for seen in real]
    simulated_by = {engine: figures(seen, duration_s) for engine, seen in simulations.items()}
    found, cells = list[Figure](), [["", "real", "spread", *(c for e in simulated_by for c in (e, "gap"))]]
    for row, unit in ROWS.items():
        values = [run[row] for run in runs if row in run]
        middle, spread = statistics.median(values), f"{min(values):.4g} to {max(values):.4g}" if len(values) > 1 else ""
        found.append(Figure(f"{row}: real", middle, unit, spread))
        line = [f"{row} {unit}".strip(), f"{middle:.4g}", spread]
        for engine, simulated_ in simulated_by.items():
            if row not in simulated_:
                line += ["", ""]
                continue
            apart, what = gap(row, middle, simulated_[row])
            found.append(Figure(f"{row}: {engine}", simulated_[row], unit))
            found.append(Figure(f"{row}: {engine}, gap", apart, what))
            line += [f"{simulated_[row]:.4g}", f"{apart:+.3g} {what}".strip()]
        cells.append(line)
    for name in real[0].notes:
        found.append(
            Figure(f"real: {name}", statistics.median(seen.notes[name] for seen in real), name.split(", ")[-1])
        )
    print("\n".join(["", *table(cells, right=range(1, 9))]))
    return found


if __name__ == "__main__":
    main()
