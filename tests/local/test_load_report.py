"""The few figures that are read of a load."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from costwain.local.load_report import LoadResult, Record, Slo, lines_of, quantile

STREAM = Record(
    t_s=0.0,
    delay_s=0.0,
    stream=True,
    lost=None,
    status=200,
    variant="big",
    input_tokens=10,
    output_tokens=11,
    tokens=11,
    total_s=1.5,
    ttft_s=1.0,
    tpot_s=0.05,
)
PLAIN = replace(STREAM, stream=False, ttft_s=None, tpot_s=None)
SLO = Slo(ttft_s=1.0, tpot_s=0.05)

KEPT = {
    "both just kept": (STREAM, True),
    "the first token too late": (replace(STREAM, ttft_s=1.01), False),
    "the further tokens too slow": (replace(STREAM, tpot_s=0.051), False),
    "one token has no time between tokens": (replace(STREAM, tokens=1, tpot_s=None), True),
    "lost": (replace(STREAM, lost="timeout"), False),
    "a plain answer within the sum of both": (PLAIN, True),
    "a plain answer that took longer": (replace(PLAIN, total_s=1.51), False),
}


@pytest.mark.parametrize(("record", "want"), KEPT.values(), ids=KEPT)
def test_whether_an_answer_kept_the_slo(record: Record, want: bool) -> None:
    assert SLO.met(record) is want


QUANTILES = {
    "the median of four is the second": ([1, 2, 3, 4], 0.5, 2),
    "the tail of a hundred is the 99th": (list(range(1, 101)), 0.99, 99),
    "the tail of one is that one": ([7], 0.99, 7),
    "none is unknown, not zero": ([], 0.5, None),
}


@pytest.mark.parametrize(("values", "share", "want"), QUANTILES.values(), ids=QUANTILES)
def test_quantiles_are_by_nearest_rank(values: list[float], share: float, want: float | None) -> None:
    assert quantile(values, share) == want


def result() -> LoadResult:
    """Nineteen answers by two variants, and one that was lost."""
    records = [replace(STREAM, ttft_s=i / 10, total_s=i / 10 + 0.5) for i in range(1, 15)]
    records += [replace(PLAIN, variant="small")] * 5
    records += [replace(STREAM, lost="connection cut", variant=None, delay_s=0.2)]
    return LoadResult(tuple(records), 60.0, SLO)


def test_the_summary_as_a_person_reads_it() -> None:
    assert lines_of(result().summary()) == [
        "requests        20 in 60 s, 209 tokens",
        "lost            1 (1 connection cut)",
        "by variant      big 14, small 5",
        "first token     p50 700 ms, p95 1.40 s, p99 1.40 s",
        "further tokens  p50 50 ms, p95 50 ms, p99 50 ms",
        "whole answer    p50 1.50 s, p95 1.90 s, p99 1.90 s",
        "SLO kept        75.00 % of the requests",
        "sent late by    p50 0 ms, p95 0 ms, p99 200 ms",
    ]


def test_lost_requests_count_against_the_slo_but_not_in_the_times() -> None:
    summary = result().summary()
    assert (summary.requests, summary.complete, summary.lost) == (20, 19, 1)
    assert summary.attainment == pytest.approx(15 / 20)
    assert summary.lost_by_cause == {"connection cut": 1}


def test_without_requests_nothing_is_known() -> None:
    summary = LoadResult((), 0.0, SLO).summary()
    assert (summary.requests, summary.attainment, summary.ttft_s.p50) == (0, None, None)
    assert lines_of(summary) == ["requests        0 in 0 s, 0 tokens", "lost            0"]


def test_all_of_it_goes_into_a_file(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    result().write(file)
    read = json.loads(file.read_text(encoding="utf-8"))
    assert (read["summary"]["lost"], read["slo"], len(read["records"])) == (1, {"ttft_s": 1.0, "tpot_s": 0.05}, 20)
    assert read["records"][0]["ttft_s"] == 0.1
