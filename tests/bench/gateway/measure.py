"""`make bench-gateway`: what our gateway adds, and costs, beside Envoy, vllm-router and sglang-router.

Each round gives every contender the same load in turn, and the pods without any ("direct"): whole answers at 300
requests/s with bodies of 4 KB, then 200 and 1,000 streams at a time. Rounds are repeated, each in another order, and
the figures are medians over rounds with their quartiles.
"""

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.gateway.contenders import Running, Stage
from tests.bench.gateway.figures import figures, summary
from tests.bench.report import options, publish

ROUNDS = 5
REQUESTS = {"mode": "requests", "rate": 300, "seconds": 5, "warm_up_s": 0.5}
STREAMS = {
    200: {"mode": "streams", "streams": 200, "tokens": 80, "gap_ms": 50, "ramp_s": 1},
    1000: {"mode": "streams", "streams": 1000, "tokens": 40, "gap_ms": 100, "ramp_s": 2},
}


@dataclass(frozen=True)
class Seen:
    """What one load against one contender showed."""

    load: dict
    cpu_s: float
    beside_cpu_s: float
    rss_mb: float | None


Round = dict[str, dict[str, Seen]]  # contender -> phase -> what was seen


def one(stage: Stage, at: Running, seed: int, **asked: object) -> Seen:
    """One load, and the CPU that the contender took for it."""
    cpu_s, beside_s = at.cpu_s, at.beside_cpu_s
    load = stage.load(targets=at.targets, seed=seed, **asked)
    return Seen(load, at.cpu_s - cpu_s, at.beside_cpu_s - beside_s, at.rss_mb if at.pid else None)


def play(stage: Stage, contenders: dict[str, Running], number: int) -> Round:
    """A round: each phase for every contender before the next phase, in an order that changes by round."""
    names = list(contenders)
    turn = number % len(names)
    order = names[turn:] + names[:turn]
    seen: Round = {name: {} for name in names}
    for phase, asked in {"requests": REQUESTS, **{f"streams {n}": asked for n, asked in STREAMS.items()}}.items():
        for name in order:
            seen[name][phase] = one(stage, contenders[name], number, **asked)
    return seen


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--venv", type=Path, required=True, help="has requirements/bench.txt installed")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bgw-"))
    stage = Stage(asked.venv.absolute(), folder)
    try:
        contenders = stage.start()
        idle_mb = {name: at.rss_mb for name, at in contenders.items() if at.pid}
        rounds = []
        for number in range(asked.rounds):
            rounds.append(play(stage, contenders, number))
            print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)
    finally:
        stage.end()
        shutil.rmtree(folder)
    print("\n".join(summary(rounds, idle_mb)))
    publish(figures(rounds, idle_mb), asked.json)


if __name__ == "__main__":
    main()
