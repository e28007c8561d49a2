"""How the stub starts, stops and dies: exit codes, closed ports and what clients see of it."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.stub.process import MODEL, Answer, Stub, stub
from tests.support import eventually

pytestmark = pytest.mark.process

LONG: dict[str, Any] = {"max_tokens": 2000, "ignore_eos": True}  # about 14 s of fleet time

EXITS = {
    "a flag that vLLM doesn't know": (["--no-such-flag"], {}, 2, "vllm: error: unrecognized arguments: --no-such-flag"),
    "a value of the wrong kind": (
        ["--tensor-parallel-size", "abc"],
        {},
        2,
        "vllm serve: error: argument --tensor-parallel-size/-tp: invalid int value: 'abc'",
    ),
    "a context longer than the cache": (["--max-model-len", "9m"], {}, 1, "ValueError: max_model_len 9000000 must be"),
    "an engine that fails": ([], {"COSTWAIN_STUB_FAIL": "exit-1"}, 1, "Engine core initialization failed."),
    "a start that takes too long": (
        [],
        {"COSTWAIN_STUB_FAIL": "never-ready", "VLLM_ENGINE_READY_TIMEOUT_S": "5"},
        1,
        "Timed out waiting for the engine core to start.",
    ),
    "an accelerator of no table": (
        [],
        {"COSTWAIN_STUB_ACCELERATOR": "h1000"},
        1,
        "COSTWAIN_STUB_ACCELERATOR: must be one of l4, ",
    ),
}


@pytest.mark.parametrize(("argv", "env", "code", "words"), EXITS.values(), ids=EXITS)
def test_a_bad_start_ends_with_vllms_exit_code(argv: list[str], env: dict[str, str], code: int, words: str) -> None:
    command = [sys.executable, "-m", "costwain.stub", MODEL, *argv]
    given = {**os.environ, "COSTWAIN_CLOCK": "100@0", "COSTWAIN_STUB_STARTUP_SECONDS": "0", **env}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == code
    assert words in ended.stderr


def test_until_it_serves_the_port_is_closed_and_then_it_is_healthy() -> None:
    with stub(startup_s=20) as starting:  # 1 s of wall time
        assert starting.api.refuses()
        assert starting.serving().api.get("/health").status == 200


def test_sigterm_while_starting_is_swallowed_and_it_never_serves() -> None:
    with stub(startup_s=20, VLLM_ENGINE_READY_TIMEOUT_S="40") as starting:
        assert starting.process.stderr is not None
        assert "Starting to load model" in starting.process.stderr.readline()
        starting.process.send_signal(signal.SIGTERM)
        eventually(lambda: starting.process.poll() is not None or not starting.api.refuses(), 30, "it ends or serves")
        assert starting.exit_code() == 1


def _busy(running: Stub, pool: ThreadPoolExecutor, *, stream: bool, count: int = 1) -> list["Future[Answer]"]:
    """Long requests, once the engine has got them."""
    futures = [pool.submit(running.api.complete, stream=stream, **LONG) for _ in range(count)]
    eventually(
        lambda: running.api.sample("vllm:num_requests_running") == count, 10, f"{count} requests are in the engine"
    )
    return futures


def test_with_a_shutdown_timeout_it_finishes_what_it_has_and_refuses_what_is_new() -> None:
    with stub("--shutdown-timeout", "60") as running, ThreadPoolExecutor() as pool:
        (request,) = _busy(running.serving(), pool, stream=False)
        running.process.send_signal(signal.SIGTERM)
        refused = eventually(lambda: (a := running.api.complete()).status == 500 and a, 10, "new requests are refused")
        assert isinstance(refused, Answer)
        assert refused.json["error"]["message"] == "cannot schedule new futures after shutdown"
        assert running.api.get("/health").status == 200, "readiness can't show that it drains"
        assert request.result(30).json["usage"]["completion_tokens"] == 2000
        assert running.exit_code() == 0


def test_when_the_shutdown_timeout_is_over_requests_fail() -> None:
    with stub("--shutdown-timeout", "2") as running, ThreadPoolExecutor() as pool:
        (whole, streamed) = [_busy(running.serving(), pool, stream=False)[0], pool.submit(_stream, running)]
        eventually(lambda: running.api.sample("vllm:num_requests_running") == 2, 10, "both are in the engine")
        running.process.send_signal(signal.SIGTERM)
        assert whole.result(30).status == 500
        assert _last_error(streamed.result(30))["code"] == 500
        assert running.exit_code() == 0


def _stream(running: Stub) -> Answer:
    return running.api.complete(stream=True, **LONG)


def _last_error(answer: Answer) -> dict[str, Any]:
    """A stream that fails has said 200 already, so the error is its last event."""
    assert answer.status == 200
    *_, error, done = answer.events
    assert done == "[DONE]"
    found: dict[str, Any] = json.loads(error)["error"]
    return found


def test_without_a_shutdown_timeout_requests_are_cut_short_and_say_so() -> None:
    with stub() as running, ThreadPoolExecutor() as pool:
        whole = _busy(running.serving(), pool, stream=False)[0]
        running.process.send_signal(signal.SIGTERM)
        answer = whole.result(30)
        assert answer.status == 200
        assert answer.json["choices"][0]["finish_reason"] == "abort"
        assert answer.json["usage"]["completion_tokens"] < 2000
        assert running.exit_code() == 0


def test_a_stream_that_still_queues_ends_without_a_word_when_it_is_cut_short() -> None:
    with stub("--max-num-seqs", "1") as running, ThreadPoolExecutor() as pool:
        _busy(running.serving(), pool, stream=False)
        queued = pool.submit(_stream, running)
        eventually(lambda: running.api.sample("vllm:num_requests_waiting") == 1, 10, "one waits")
        running.process.send_signal(signal.SIGTERM)
        assert queued.result(30).events == ["[DONE]"]


def test_when_the_engine_dies_requests_fail_and_the_process_exits_with_0() -> None:
    with stub() as running, ThreadPoolExecutor() as pool:
        whole = _busy(running.serving(), pool, stream=False)[0]
        running.process.send_signal(signal.SIGUSR1)
        answer = whole.result(30)
        assert answer.status == 500
        assert answer.json["error"]["message"].startswith("EngineCore encountered an issue.")
        assert running.exit_code() == 0


def test_beyond_the_queue_limit_requests_are_turned_away_and_counted() -> None:
    with stub("--max-num-seqs", "1", "--max-num-queued-reqs", "1") as running, ThreadPoolExecutor() as pool:
        _busy(running.serving(), pool, stream=False)
        pool.submit(_stream, running)
        eventually(lambda: running.api.sample("vllm:num_requests_waiting") == 1, 10, "one waits")
        answer = running.api.complete(stream=True)
        assert answer.status == 503
        assert answer.json["error"]["type"] == "Service Unavailable"
        assert running.api.sample("vllm:admission_rejections_total", reason="max_num_queued_reqs") == 1
        running.process.send_signal(signal.SIGTERM)


def test_a_client_that_leaves_frees_its_place_in_the_batch() -> None:
    with stub(factor=1) as running:
        gone = subprocess.Popen(
            [sys.executable, "-c", _LEAVES, running.serving().api.base_url], stdout=subprocess.DEVNULL
        )
        eventually(lambda: running.api.sample("vllm:num_requests_running") == 1, 10, "the request runs")
        gone.kill()
        gone.wait(10)
        eventually(lambda: running.api.sample("vllm:num_requests_running") == 0, 10, "it is dropped")
        assert running.api.sample("vllm:request_success_total") == 0


_LEAVES = """
import json, sys, urllib.request
body = json.dumps({"prompt": "x", "max_tokens": 20000, "ignore_eos": True}).encode()
request = urllib.request.Request(sys.argv[1] + "/v1/completions", body, {"Content-Type": "application/json"})
urllib.request.urlopen(request)
"""


def test_a_key_guards_v1_and_nothing_else() -> None:
    with stub(VLLM_API_KEY="s3cret") as running:
        api = running.serving().api
        assert api.get("/v1/models").status == 401
        assert api.get("/v1/models").body == b'{"error":"Unauthorized"}'
        assert api.get("/v1/models", Authorization="Bearer s3cret").status == 200
        assert [api.get(path).status for path in ("/health", "/metrics", "/version")] == [200, 200, 200]
