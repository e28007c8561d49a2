"""`make bench-capacity PERF=path`: how far the capacity prior is from what others measured, and what learning mends.

Each error is of the time a token takes: |prior / measured - 1|. Rows that no replica of these devices could have
run, since they need more than the data sheet's bandwidth and FLOPs, are counted apart.
"""

import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from tests.bench.perf_rows import Row, read
from tests.bench.report import Figure, options, publish

from costwain.cli.format import table
from costwain.decide.roofline import flops_per_s, kv_bytes_per_token, prefill_flops, prefill_s, step_s, weight_bytes
from costwain.sim.arrival import InputError

PRIOR_TARGET, TWO_POINTS_TARGET = 13.0, 8.0  # percent
FEW, DRAWS = (1, 2, 4), 20
WORST = 12
Errors = list[float]


def prior_ms(row: Row) -> float:
    """Milliseconds a token by the prior."""
    placed = (row.shape, row.accelerator, row.devices)
    step = step_s(*placed, row.batch, row.input_tokens + row.output_tokens / 2)
    return (step + row.batch * prefill_s(*placed, row.input_tokens) / row.output_tokens) * 1000


def busy(row: Row) -> float:
    """Share of the data sheet's FLOPs and bandwidth that the row needs; prompts count as read in full."""
    tokens = row.input_tokens + row.output_tokens / 2
    read_bytes = weight_bytes(row.shape, row.batch) + row.batch * tokens * kv_bytes_per_token(row.shape)
    reading = read_bytes / (row.devices * row.accelerator.memory_bandwidth_bytes_per_s) / (row.token_ms / 1000)
    life_s = ((row.ttft_ms or 0.0) + row.output_tokens * row.token_ms) / 1000
    flops = prefill_flops(row.shape, row.input_tokens) + 2 * row.shape.active_parameters * row.output_tokens
    return reading + row.batch / life_s * flops / (row.devices * flops_per_s(row.shape, row.accelerator))


def off(row: Row, scalar: float = 1.0) -> float:
    """Percent by which the prior times a scalar is too long (positive) or too short."""
    return 100 * (prior_ms(row) * scalar / row.token_ms - 1)


def few_shot(rows: Sequence[Row], points: int, seed: int) -> Errors:
    """Errors of the rows that were not drawn, after a scalar of those drawn from each group of rows."""
    draw, errors = random.Random(seed), Errors()
    for group in grouped(rows, lambda r: r.group):
        if len(group) <= points:
            continue
        shown = set(draw.sample(range(len(group)), points))
        scalar = statistics.geometric_mean(group[i].token_ms / prior_ms(group[i]) for i in shown)
        errors += [abs(off(row, scalar)) for i, row in enumerate(group) if i not in shown]
    return errors


def grouped(rows: Iterable[Row], key: Callable[[Row], tuple[object, ...]]) -> list[list[Row]]:
    return [list(group) for _, group in groupby(sorted(rows, key=lambda r: str(key(r))), key)]


def by_what(rows: Sequence[Row]) -> list[str]:
    """A line for each model, accelerator and precision."""
    lines = [["model", "accelerator", "precision", "rows", "median", "p90", "bias", "after 2 points"]]
    for group in grouped(rows, lambda r: r.what):
        found = sorted(abs(off(row)) for row in group)
        learnt = [e for seed in range(DRAWS) for e in few_shot(group, 2, seed)]
        bias = statistics.median(off(row) for row in group)
        lines.append([
            *group[0].what, str(len(group)), f"{statistics.median(found):.1f} %", f"{_p90(found):.0f} %",
            f"{bias:+.0f} %", f"{statistics.median(learnt):.1f} %" if learnt else "-",
        ])  # fmt: skip
    return table(lines, right=range(3, 8))


def measure(rows: Sequence[Row]) -> list[Figure]:
    """The figures over all rows that the hardware could have run."""
    served = [row for row in rows if row.ttft_ms is not None]
    static = [row for row in rows if row.ttft_ms is None]
    errors = sorted(abs(off(row)) for row in served)
    spread = f"p90 {_p90(errors):.0f} %, {len(errors)} rows"
    figures = [Figure("prior, median error", statistics.median(errors), "%", spread, PRIOR_TARGET)]
    for points in FEW:
        draws = [statistics.median(few_shot(served, points, seed)) for seed in range(DRAWS)]
        name = f"after {points} point{'s' if points > 1 else ''}, median error"
        spread = f"{min(draws):.1f} to {max(draws):.1f} % over {DRAWS} draws"
        figures.append(Figure(name, statistics.median(draws), "%", spread, TWO_POINTS_TARGET if points == 2 else None))
    if static:
        found = sorted(abs(off(row)) for row in static)
        spread = f"p90 {_p90(found):.0f} %, {len(found)} rows"
        figures.append(Figure("prior, static batches, median error", statistics.median(found), "%", spread))
    return figures


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--perf", type=Path, required=True, help="a CSV file of measured points, or a folder of them")
    asked = parser.parse_args()
    try:
        rows, left = read(asked.perf)
    except InputError as error:
        parser.error(f"--perf: {error}")
    if not any(row.ttft_ms is not None for row in rows):
        parser.error(f"--perf: no rows of a served load with a known model (found {asked.perf})")
    possible = [row for row in rows if busy(row) <= 1]
    beyond = [row for row in rows if busy(row) > 1]
    print("\n".join(by_what(possible)))
    print(f"\n{len(beyond)} rows need more than the data sheet has, and are not judged:")
    print("\n".join(f"  {row}: {100 * busy(row):.0f} % of it, error {off(row):+.0f} %" for row in beyond))
    print(f"\nthe {WORST} rows on which the prior is furthest off:")
    worst = sorted(possible, key=lambda row: -abs(off(row)))[:WORST]
    print(
        "\n".join(
            f"  {row}: {prior_ms(row):.1f} ms, measured {row.token_ms:.1f} ms, {off(row):+.0f} %" for row in worst
        )
    )
    print("\n".join(["", *left]))
    every = statistics.median(abs(off(row)) for row in rows if row.ttft_ms is not None)
    more = [
        Figure("prior, median error, rows beyond the data sheet included", every, "%"),
        Figure("rows beyond the data sheet", len(beyond), "rows"),
    ]
    publish([*measure(possible), *more], asked.json)


def _p90(ascending: Sequence[float]) -> float:
    return ascending[min(len(ascending) - 1, round(0.9 * len(ascending)))]


if __name__ == "__main__":
    main()
