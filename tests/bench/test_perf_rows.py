"""The benchmarks' own parts: reading measured points, reporting figures, naming what falls short."""

import json
from pathlib import Path

import pytest
from tests.bench.bench_capacity import main
from tests.bench.check import short
from tests.bench.perf_rows import read
from tests.bench.report import Figure, publish

SERVED = "model_path,system,precision,mode,isl,osl,batch_size,tp_size,moe_tp_size,moe_ep_size,silicon_data_source,"
STATIC = "model,precision,tp,batch,input,output,latency_s\n"
ROWS = {  # story: (line, devices, batch, precision) or the sentence why not
    "a dense model": ("Qwen/Qwen3-32B,h100_sxm,,agg,1024,128,8,2,1,1,f.csv", (2, 8, "bf16")),
    "the load that was sent beats the batch of the plan": (
        "Qwen/Qwen3-32B,h100_sxm,fp8,agg,1024,128,8,2,,,silicon_concurrency=32", (2, 32, "fp8"),
    ),
    "attention copied over the devices that share the experts": (
        "Qwen/Qwen3-235B-A22B-FP8,h200_sxm,fp8,agg,1024,128,8,1,2,1,f.csv", (2, 8, "fp8"),
    ),
    "copies on other nodes are replicas of their own": (
        "MiniMaxAI/MiniMax-M2.5,h100_sxm,fp8,agg,1024,128,8,4,1,16,f.csv", (4, 8, "fp8"),
    ),
    "split prefill": (
        "Qwen/Qwen3-32B,h100_sxm,fp8,disagg,1024,128,8,2,1,1,f.csv",
        "1 rows left out: prefill and decode on different devices",
    ),
    "nobody knows the accelerator": (
        "Qwen/Qwen3-32B,tpu_v5,,agg,1024,128,8,2,1,1,f.csv",
        "1 rows left out: tpu_v5 isn't in the table of accelerators",
    ),
    "nobody knows the model": (
        "moon/Kimi,h200_sxm,int4,agg,1024,128,8,8,8,1,f.csv", "1 rows left out: moon/Kimi isn't in the table of models",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "want"), ROWS.values(), ids=ROWS)
def test_a_served_row(line: str, want: tuple[int, int, str] | str, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(f"{SERVED}silicon_ttft_ms,silicon_tpot_ms\n{line},100.0,20.0\n", encoding="utf-8")
    rows, left = read(file)
    if isinstance(want, str):
        assert (rows, left) == ([], [want])
        return
    (row,) = rows
    assert (row.devices, row.batch, row.shape.precision, row.token_ms) == (*want, 20.0)


def test_static_batches_and_files_of_another_kind(tmp_path: Path) -> None:
    model = "Llama 3.1 70B (amd/Llama-3.1-70B-Instruct-FP8-KV)"
    (tmp_path / "vllm-mi300x-latency.csv").write_text(f"{STATIC}{model},FP8,8,4,128,2048,20.48\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    rows, left = read(tmp_path)
    assert [(r.accelerator.name, r.devices, r.batch, r.token_ms, r.ttft_ms) for r in rows] == [
        ("mi300x", 8, 4, 10.0, None)
    ]
    assert rows[0].shape.kv_element_bytes == 1
    assert left == ["1 rows left out: other.csv has neither silicon_tpot_ms nor latency_s"]


def test_a_report_says_what_holds_and_the_check_names_what_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    figures = [
        Figure("turn", 40.0, "ms", "p99", 50.0),
        Figure("error", 9.0, "%", "", 8.0),
        Figure("attainment", 99.5, "%", "", 99.0, most=False),
        Figure("rows", 7.0, "rows"),
    ]
    publish(figures, path)
    assert [line.rstrip().rsplit("  ")[-1] for line in capsys.readouterr().out.splitlines()[2:]] == [
        "holds", "FALLS SHORT", "holds", "7 rows",
    ]  # fmt: skip
    told = json.loads(path.read_text(encoding="utf-8"))
    assert sorted(told) == ["command", "figures", "machine"]
    assert sorted(told["figures"][0]) == ["holds", "name", "spread", "target", "unit", "value"]
    assert [f["holds"] for f in told["figures"]] == [True, False, True, None]
    assert short(path) == ["error: 9 %, the target is 8"]


POINT = "Qwen/Qwen3-32B,h100_sxm,,agg,1024,128,8,2,1,1,f.csv,100.0,20.0"
HEADER = f"{SERVED}silicon_ttft_ms,silicon_tpot_ms"
UNREADABLE: dict[str, tuple[bytes | None, str]] = {  # story: content, what is said behind the file's name
    "no file": (None, ":1: want a readable text file (found No such file or directory)"),
    "no text": (b"\xff\xfe\x00", ":1: want a readable text file (found 'utf-8' codec"),
    "a word for a number": (f"{HEADER}\n{POINT.replace('1024', 'x')}".encode(), ":2: isl: want a number (found 'x')"),
    "a time of nothing": (f"{HEADER}\n{POINT.replace('20.0', '0')}".encode(), ":2: silicon_tpot_ms: want more than 0"),
    "not a number": (f"{HEADER}\n{POINT.replace('20.0', 'nan')}".encode(), ":2: silicon_tpot_ms: want a finite number"),
    "half a device": (f"{HEADER}\n{POINT.replace(',2,1,1', ',1.5,1,1')}".encode(), ":2: tp_size: want a whole number"),
    "a column that is missing": (
        f"{HEADER}\n{POINT}".replace("osl", "out").encode(), ":2: want a column osl (found model_path, system",
    ),
    "a ragged row": (f"{HEADER}\n{POINT},1".encode(), ":2: want 13 columns as in the header (found 14"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "what"), UNREADABLE.values(), ids=UNREADABLE)
def test_points_that_cant_be_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    what: str,
) -> None:
    file = tmp_path / "points.csv"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["bench_capacity", "--perf", str(file)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert f"--perf: {file}{what}" in capsys.readouterr().err
