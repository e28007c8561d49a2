"""`costwain demo`: what it plays, and what it says of a trace that it can't read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from costwain.cli import demo
from costwain.local import demo_fleet


def write(path: Path, gap_s: float, count: int) -> Path:
    rows = "\n".join(f"{n * gap_s},100,50" for n in range(count))
    path.write_text(f"t_s,input_tokens,output_tokens\n{rows}\n", encoding="utf-8")
    return path


TRACES = {"a quiet trace is played whole": (10.0, 50, 0.11), "a busy one is thinned": (0.05, 20_000, 0.8)}


@pytest.mark.parametrize(("gap_s", "count", "most_per_s"), TRACES.values(), ids=TRACES)
def test_a_trace_is_thinned_to_what_a_small_machine_can_play(
    tmp_path: Path, gap_s: float, count: int, most_per_s: float
) -> None:
    arrivals = demo._arrivals(str(write(tmp_path / "t.csv", gap_s, count)))
    assert 0 < len(arrivals) / arrivals[-1].t_s <= most_per_s
    assert arrivals[-1].t_s <= demo.MOST_S


def test_the_seeded_trace_is_the_same_each_time_and_long_enough() -> None:
    assert demo._arrivals(None) == demo_fleet.seeded_trace()
    assert len(demo_fleet.seeded_trace()) >= 2000


def test_a_trace_that_cant_be_read_is_named_before_anything_is_started(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        demo.demo_command, ["--trace", str(tmp_path / "none.csv"), "--dir", str(tmp_path / "c")]
    )
    assert result.exit_code == 2
    assert "none.csv" in result.output
    assert not (tmp_path / "c").exists()
