"""Windows of rates become requests: the rate is exact, the bursts are there, the lengths follow the quantiles."""

import itertools
import statistics
from pathlib import Path

import pytest

from costwain.sim.trace import Arrival, Take, TraceError, read_trace

RATES = "client,t_s,rate_rps,cv,pattern,arg1,arg2\n"
_NAMES = [f"{kind}_tokens_p{p}" for kind in ("input", "output") for p in (10, 25, 50, 75, 90, 95, 99)]
LENGTHS = f"client,t_s,{','.join(_NAMES)}\n"
FLAT = ",".join(["100"] * 7 + ["20"] * 7)


def files(folder: Path, rates: str, lengths: str) -> str:
    """The path of a rates file with a lengths file beside it."""
    (folder / "small-lengths.csv").write_text(LENGTHS + lengths, encoding="utf-8")
    file = folder / "small-week1-rates.csv"
    file.write_text(RATES + rates, encoding="utf-8")
    return str(file)


def test_the_rate_of_every_window_comes_out_however_bursty_it_is(tmp_path: Path) -> None:
    rates = "0,0,2,90,Weibull,0.2,0.001\n0,600,0.5,9,Gamma,0.015,400\n1,600,1,1,Gamma,1,1\n"
    got = list(read_trace(files(tmp_path, rates, f"0,0,{FLAT}\n")))
    assert len([a for a in got if a.t_s < 600]) == pytest.approx(1200, abs=1)
    assert len([a for a in got if a.t_s >= 600]) == pytest.approx(900, abs=2)
    assert all(0 <= a.t_s < 1200 for a in got)
    assert all(a.t_s <= b.t_s for a, b in itertools.pairwise(got))


def test_scale_multiplies_the_load_and_small_rates_are_kept_in_the_mean(tmp_path: Path) -> None:
    rates = "".join(f"0,{600 * i},0.01,1,Gamma,1,100\n" for i in range(300))
    source = files(tmp_path, rates, f"0,0,{FLAT}\n")
    for scale in (0.05, 1.0, 3.0):
        got = list(read_trace(source, take=Take(scale=scale)))
        assert len(got) == pytest.approx(1800 * scale, rel=0.2)


def test_gaps_of_a_bursty_client_vary_far_more_than_those_of_a_calm_one(tmp_path: Path) -> None:
    got = list(read_trace(files(tmp_path, "0,0,1,1,Gamma,1,1\n1,0,1,9,Gamma,0.05,20\n", f"0,0,{FLAT}\n")))
    variation = {}
    for tenant in ("client-0", "client-1"):
        gaps = [b.t_s - a.t_s for a, b in itertools.pairwise([a for a in got if a.tenant == tenant])]
        variation[tenant] = statistics.stdev(gaps) / statistics.mean(gaps)
    assert variation["client-0"] < 1.3
    assert variation["client-1"] > 2.5


def test_lengths_follow_the_quantiles(tmp_path: Path) -> None:
    row = "0,0,10,25,50,75,90,95,99,1,2,3,4,5,6,7\n"
    got = list(read_trace(files(tmp_path, "0,0,10,1,Gamma,1,0.1\n", row)))
    given = sorted(a.input_tokens for a in got)
    assert (given[0], given[-1]) == (10, 99)
    assert given[len(given) // 2] == pytest.approx(50, abs=3)
    assert {a.output_tokens for a in got} == {1, 2, 3, 4, 5, 6, 7}


def test_a_client_uses_its_last_row_or_its_first_or_borrows_one(tmp_path: Path) -> None:
    def row(client: str, t_s: int, tokens: int) -> str:
        return f"{client},{t_s},{','.join([str(tokens)] * 14)}\n"

    rates = "0,0,1,1,Gamma,1,1\n0,600,1,1,Gamma,1,1\n0,1200,1,1,Gamma,1,1\n7,1200,1,1,Gamma,1,1\n"
    got = list(read_trace(files(tmp_path, rates, row("0", 600, 5) + row("0", 1100, 6))))
    seen = {(a.tenant, int(a.t_s // 600), a.input_tokens) for a in got}
    assert seen == {("client-0", 0, 5), ("client-0", 1, 5), ("client-0", 2, 6), ("client-7", 2, 6)}


def test_a_stretch_holds_the_requests_of_the_whole_and_the_seed_decides(tmp_path: Path) -> None:
    rates = "".join(f"{c},{t},0.5,3,Gamma,0.2,10\n" for c in (0, 1) for t in range(0, 3000, 600))
    source = files(tmp_path, rates, f"0,0,{FLAT}\n")
    whole = [a.t_s for a in read_trace(source) if 900 <= a.t_s < 2100]
    part = [a.t_s + 900 for a in read_trace(source, take=Take(start_s=900, duration_s=1200))]
    assert part == pytest.approx(whole)
    assert list(read_trace(source)) != list(read_trace(source, take=Take(seed=1)))


def test_gaps_too_small_to_be_told_from_zero_still_make_requests(tmp_path: Path) -> None:
    got = list(read_trace(files(tmp_path, "0,0,0.005,9,Gamma,1e-9,1\n", f"0,0,{FLAT}\n")))
    assert len(got) == 3
    assert all(isinstance(a, Arrival) and 0 <= a.t_s < 600 for a in got)


REFUSED = {
    "an unknown pattern": ("0,0,1,1,Pareto,1,1\n", "", "week1-rates.csv:2: pattern: want Gamma or Weibull"),
    "a shape of zero": ("0,0,1,1,Gamma,0,1\n", "", "week1-rates.csv:2: arg1: want a shape of 1e-12 to 1e.09"),
    "a Gamma whose drawing has no end": ("0,0,1,1,Gamma,1e308,1\n", "", "csv:2: arg1: want a shape of 1e-12 to 1e.09"),
    "a Weibull without any variation": ("0,0,1,1,Weibull,1e300,1\n", "", "csv:2: arg1: want a shape of 0.01 to 10000"),
    "clients that are too many together": (
        "".join(f"{client},0,6e6,1,Gamma,1,1\n" for client in "ab"),
        f"0,0,{FLAT}\n",
        r"week1-rates.csv: want at most 10000000 requests/s, scale included .found 1.2e.07 x 1",
    ),
    "answers longer than all that was ever written": (
        "0,0,1,1,Gamma,1,1\n",
        f"0,0,1,1,1,1,1,1,1{',1e200' * 7}\n",
        "lengths.csv:2: output_tokens: want at most 1000000000 tokens .found 1e.200",
    ),
    "a negative rate": ("0,0,-1,1,Gamma,1,1\n", "", "week1-rates.csv:2: rate_rps: want 0 or more"),
    "a window twice": (
        "0,0,1,1,Gamma,1,1\n0,0,1,1,Gamma,1,1\n",
        "",
        "week1-rates.csv:3: want ascending windows of client 0 .found 0 s",
    ),
    "quantiles that fall": (
        "0,0,1,1,Gamma,1,1\n",
        "0,0,9,8,7,6,5,4,3,1,1,1,1,1,1,1\n",
        "lengths.csv:2: input_tokens: want ascending quantiles .found 9, 8, 7, 6, 5, 4, 3",
    ),
    "no lengths": ("0,0,1,1,Gamma,1,1\n", "", "lengths.csv:2: want at least one row"),
    "no rates": ("", f"0,0,{FLAT}\n", "want at least one request"),
}


@pytest.mark.parametrize(("rates", "lengths", "want"), REFUSED.values(), ids=REFUSED)
def test_bad_windows_are_refused(tmp_path: Path, rates: str, lengths: str, want: str) -> None:
    source = files(tmp_path, rates, lengths)
    with pytest.raises(TraceError, match=want):
        list(read_trace(source))


def test_rates_without_lengths_beside_them_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(f"{RATES}0,0,1,1,Gamma,1,1\n", encoding="utf-8")
    with pytest.raises(TraceError, match=r"want a file \*lengths.csv or \*lengths.csv.gz beside the rates"):
        list(read_trace(str(file)))


def test_of_several_lengths_files_the_one_named_most_alike_is_taken(tmp_path: Path) -> None:
    source = files(tmp_path, "0,0,1,1,Gamma,1,1\n", f"0,0,{FLAT}\n")
    (tmp_path / "large-lengths.csv").write_text("not,for,us\n", encoding="utf-8")
    assert {a.input_tokens for a in read_trace(source)} == {100}
