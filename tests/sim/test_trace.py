"""Traces: what each format means, and what is said of a file that can't be read."""

import gzip
from pathlib import Path

import pytest

from costwain.sim.trace import Arrival, Take, TraceError, is_servegen, read_trace

READ = {
    "azure: the first request is at 0, also with a zone and seven decimals": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:50.6805900+00:00,396,109\n",
        [Arrival(0, 374, 44), Arrival(4, 396, 109)],
    ),
    "mooncake: milliseconds become seconds": (
        '{"timestamp": 1500, "input_length": 9, "output_length": 3, "hash_ids": [7]}\n',
        [Arrival(1.5, 9, 3)],
    ),
    "mooncake: what repeats an earlier prompt is the same session": (
        '{"timestamp": 0, "input_length": 600, "output_length": 3, "hash_ids": [1, 2]}\n'
        '{"timestamp": 1, "input_length": 600, "output_length": 3, "hash_ids": [8, 9]}\n'
        '{"timestamp": 2, "input_length": 1100, "output_length": 3, "hash_ids": [1, 3, 4]}\n'
        '{"timestamp": 3, "input_length": 1600, "output_length": 3, "hash_ids": [1, 3, 5, 6]}\n',
        [
            Arrival(0, 600, 3, session="s1"),
            Arrival(0.001, 600, 3, session="s8"),
            Arrival(0.002, 1100, 3, session="s1"),
            Arrival(0.003, 1600, 3, session="s1"),
        ],
    ),
    "requests: tenant and session may be missing, as columns and as cells": (
        "t_s,input_tokens,output_tokens,tenant,session\n0.5,10,20,shop,c1\n0.5,10,20,,\n",
        [Arrival(0.5, 10, 20, "shop", "c1"), Arrival(0.5, 10, 20)],
    ),
    "requests: columns in another order, blank lines and a byte order mark": (
        "\ufeffinput_tokens,t_s,output_tokens\r\n10,1,20\r\n\r\n",
        [Arrival(1, 10, 20)],
    ),
    "an answer of no tokens was cut: it is asked again as one of one token": (
        "t_s,input_tokens,output_tokens\n0,0,0\n",
        [Arrival(0, 1, 1)],
    ),
    "a gap of hours is a gap": (
        "t_s,input_tokens,output_tokens\n0,1,1\n36000,1,1\n",
        [Arrival(0, 1, 1), Arrival(36000, 1, 1)],
    ),
}


@pytest.mark.parametrize(("text", "want"), READ.values(), ids=READ)
def test_a_trace_is_read(tmp_path: Path, text: str, want: list[Arrival]) -> None:
    file = tmp_path / "trace"
    file.write_text(text, encoding="utf-8")
    assert list(read_trace(str(file))) == want


def test_a_gzipped_trace_is_read_as_well(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv.gz"
    file.write_bytes(gzip.compress(b"t_s,input_tokens,output_tokens\n2,3,4\n"))
    assert list(read_trace(str(file))) == [Arrival(2, 3, 4)]


HEAD = "t_s,input_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
REFUSED = {
    "a time before the one above it": (
        f"{HEAD}2,1,1\n1,1,1\n",
        "FILE:3: want times in ascending order (found 1 s after 2 s)",
    ),
    "a negative time": (f"{HEAD}-1,1,1\n", "FILE:2: t_s: want 0 or more (found -1)"),
    "a time that is no number": (f"{HEAD}nan,1,1\n", "FILE:2: t_s: want a finite number (found nan)"),
    "an endless prompt": (f"{HEAD}0,inf,1\n", "FILE:2: input_tokens: want a finite number (found inf)"),
    "half a token": (
        f"{HEAD}0,1,1.5\n",
        "FILE:2: output_tokens: want a whole number of tokens, 0 to 1000000000 (found 1.5)",
    ),
    "a word for a number": (f"{HEAD}0,many,1\n", "FILE:2: input_tokens: want a number (found 'many')"),
    "a row cut short": (
        f"{HEAD}0,1,1\n1,1\n",
        "FILE:3: want 3 columns as in the header (found 2: '1,1')",
    ),
    "a header and nothing else": (HEAD, "FILE: want at least one request in the part that is read (found none)"),
    "an empty file": ("", "FILE:1: want at least a header (found an empty file)"),
    "a header that nobody knows": (
        "time,tokens\n",
        "FILE:1: want a line of JSON or one of these headers: TIMESTAMP,ContextTokens,GeneratedTokens; "
        "t_s,input_tokens,output_tokens; client,t_s,rate_rps,pattern,arg1,arg2 (found 'time,tokens')",
    ),
    "a date that is none": (
        f"{AZURE}yesterday,1,1\n",
        "FILE:2: TIMESTAMP: want a date and time such as 2023-11-16 18:15:46.68 (found 'yesterday')",
    ),
    "an instant before the first": (
        f"{AZURE}2024-01-02 00:00:01,1,1\n2024-01-02 00:00:00,1,1\n",
        "FILE:3: want times in ascending order (found -1 s after 0 s)",
    ),
    "JSON with a field missing": (
        '{"timestamp": 0, "input_length": 1}\n',
        'FILE:1: want the fields output_length (found \'{"timestamp": 0, "input_length": 1}\')',
    ),
    "JSON that isn't a number": (
        '{"timestamp": NaN, "input_length": 1, "output_length": 1}\n',
        "FILE:1: timestamp: want a finite number (found nan)",
    ),
    "blocks that are words": (
        '{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": ["a"]}\n',
        "FILE:1: hash_ids: want a list of whole numbers (found ['a'])",
    ),
}


@pytest.mark.parametrize(("text", "want"), REFUSED.values(), ids=REFUSED)
def test_a_bad_trace_is_refused_with_where_what_and_found(tmp_path: Path, text: str, want: str) -> None:
    file = tmp_path / "trace"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError) as error:
        list(read_trace(str(file)))
    assert str(error.value) == want.replace("FILE", str(file))


def test_a_named_format_wants_its_own_columns(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text(f"{HEAD}0,1,1\n", encoding="utf-8")
    with pytest.raises(TraceError, match="want the columns TIMESTAMP, ContextTokens, GeneratedTokens"):
        list(read_trace(str(file), "azure"))


def test_json_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    for line, want in {"[1]": "want a JSON object", "{": "want a JSON object: Expecting property name"}.items():
        file.write_text(line, encoding="utf-8")
        with pytest.raises(TraceError, match=want):
            list(read_trace(str(file), "mooncake"))


UNREADABLE = {
    "there is no such file": (None, "No such file or directory"),
    "it is a picture": (b"\x89PNG\xff\xfe", "can't decode byte"),
    "it is no gzip inside": (b"plain", "Not a gzipped file"),
    "it ends early": (gzip.compress(f"{HEAD}0,1,1\n".encode())[:-9], "end-of-stream"),
}


@pytest.mark.parametrize(("content", "want"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None, want: str) -> None:
    file = tmp_path / ("trace.csv" if content and content.startswith(b"\x89") else "trace.csv.gz")
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TraceError, match=want):
        list(read_trace(str(file)))


@pytest.fixture(name="minutes")
def _minutes(tmp_path: Path) -> str:
    """A request every second for ten minutes; its prompt tells which."""
    file = tmp_path / "minutes.csv"
    file.write_text(HEAD + "".join(f"{i},{i + 1},1\n" for i in range(600)), encoding="utf-8")
    return str(file)


def test_a_stretch_counts_from_its_own_start(minutes: str) -> None:
    got = list(read_trace(minutes, take=Take(start_s=60, duration_s=2)))
    assert got == [Arrival(0, 61, 1), Arrival(1, 62, 1)]


def test_a_thinned_trace_keeps_its_share_and_the_same_seed_keeps_the_same(minutes: str) -> None:
    got = list(read_trace(minutes, take=Take(seed=5, scale=0.25)))
    assert 110 <= len(got) <= 190
    assert got == list(read_trace(minutes, take=Take(seed=5, scale=0.25)))
    assert got != list(read_trace(minutes, take=Take(seed=6, scale=0.25)))


def test_a_stretch_of_a_thinned_trace_holds_the_requests_of_the_whole(minutes: str) -> None:
    whole = {a.input_tokens for a in read_trace(minutes, take=Take(scale=0.25)) if 100 <= a.t_s < 200}
    part = {a.input_tokens for a in read_trace(minutes, take=Take(scale=0.25, start_s=100, duration_s=100))}
    assert part == whole


def test_a_multiplied_trace_repeats_every_request_near_its_time(minutes: str) -> None:
    got = list(read_trace(minutes, take=Take(scale=10)))
    times: dict[int, list[float]] = {}
    for arrival in got:
        times.setdefault(arrival.input_tokens - 1, []).append(arrival.t_s)
    assert {at: len(each) for at, each in times.items()} == dict.fromkeys(range(600), 10)
    assert all(at in each for at, each in times.items())
    assert all(t_s >= 0 and min(abs(t_s - at), t_s + at) <= 30 for at, each in times.items() for t_s in each)
    assert [a.t_s for a in got] == sorted(a.t_s for a in got)
    assert len({a.t_s for a in got}) == len(got)


def test_a_multiplied_trace_is_the_same_for_a_seed_and_its_stretches_are_those_of_the_whole(minutes: str) -> None:
    whole = list(read_trace(minutes, take=Take(seed=3, scale=2.5)))
    assert len(whole) == pytest.approx(1500, abs=50)
    assert whole == list(read_trace(minutes, take=Take(seed=3, scale=2.5)))
    assert whole != list(read_trace(minutes, take=Take(seed=4, scale=2.5)))
    part = list(read_trace(minutes, take=Take(seed=3, scale=2.5, start_s=100, duration_s=50)))
    assert [a.input_tokens for a in part] == [a.input_tokens for a in whole if 100 <= a.t_s < 150]


def test_more_copies_than_anybody_means_are_refused(minutes: str) -> None:
    with pytest.raises(TraceError, match=r"scale: want at most 1000 for the recorded minutes\.csv \(found 1001\)"):
        read_trace(minutes, take=Take(scale=1001))


def test_an_empty_stretch_is_refused(minutes: str) -> None:
    with pytest.raises(TraceError, match="want at least one request in the part that is read"):
        list(read_trace(minutes, take=Take(start_s=601)))


PARTS = {
    "no load at all": ({"scale": 0.0}, "scale: want a positive number, at most 10000000 (found 0.0)"),
    "a load that is no number": (
        {"scale": float("nan")},
        "scale: want a positive number, at most 10000000 (found nan)",
    ),
    "a start before the trace": (
        {"start_s": -1.0},
        "start_s: want seconds from the trace's start, 0 or more (found -1.0)",
    ),
    "an empty length": ({"duration_s": 0.0}, "duration_s: want a positive number of seconds (found 0.0)"),
}


@pytest.mark.parametrize(("given", "want"), PARTS.values(), ids=PARTS)
def test_a_part_that_means_nothing_is_refused(given: dict[str, float], want: str) -> None:
    with pytest.raises(TraceError) as error:
        Take(**given)
    assert str(error.value) == want


@pytest.mark.parametrize("format_", ["azure", "servegen"])
def test_a_description_is_of_no_other_format(format_: str) -> None:
    assert not is_servegen("synthetic:step", format_)
    with pytest.raises(TraceError, match=rf"format: want synthetic, or none, for synthetic:\.\.\. \(found {format_}\)"):
        read_trace("synthetic:step", format_)


def test_a_format_that_nobody_knows_is_refused(minutes: str) -> None:
    with pytest.raises(TraceError, match="want one of azure, mooncake, requests, servegen, synthetic"):
        read_trace(minutes, "splitwise")
