"""`costwain load` as it is called."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from costwain.cli.load import load

ANSWER = json.dumps({"choices": [{"finish_reason": "length"}], "usage": {"completion_tokens": 4}}).encode()


class _Answers(BaseHTTPRequestHandler):
    """200 for the model `chat`, 404 for any other."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200 if asked["model"] == "chat" else 404)
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(name="trace")
def _trace(tmp_path: Path) -> str:
    file = tmp_path / "trace.csv"
    file.write_text("t_s,input_tokens,output_tokens\n0,5,4\n60,5,4\n", encoding="utf-8")
    return str(file)


def test_a_whole_load_ends_with_code_0_and_writes_its_records(url: str, trace: str, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = ["--url", url, "--model", "chat", "--trace", trace, "--speed", "1000", "--stream", "0"]
    got = CliRunner().invoke(load, [*command, "--slo-ttft-ms", "2e6", "--slo-tpot-ms", "9", "--json", str(out)])
    assert got.exit_code == 0, got.output
    assert "lost            0" in got.output
    assert "SLO kept        100.00 % of the requests" in got.output
    assert json.loads(out.read_text(encoding="utf-8"))["summary"]["complete"] == 2


def test_a_lost_request_ends_with_code_1(url: str, trace: str) -> None:
    command = ["--url", url, "--model", "other", "--trace", trace, "--speed", "1000", "--stream", "0"]
    got = CliRunner().invoke(load, command)
    assert got.exit_code == 1
    assert "lost            2 (2 status 404)" in got.output


REFUSED = {
    "a trace that isn't there": (["--trace", "/nowhere.csv"], "/nowhere.csv:1: want a readable text file"),
    "half an SLO": (["--slo-ttft-ms", "5"], "--slo-ttft-ms and --slo-tpot-ms go together"),
    "no scheme": (["--url", "here"], "url: want http:// or https:// and a host (found 'here')"),
}


@pytest.mark.parametrize(("options", "want"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_told(options: list[str], want: str, url: str, trace: str) -> None:
    got = CliRunner().invoke(load, ["--url", url, "--model", "chat", "--trace", trace, *options])
    assert got.exit_code in (1, 2)
    assert want in got.output


def test_a_result_that_cannot_be_written_is_told(url: str, trace: str, tmp_path: Path) -> None:
    command = ["--url", url, "--model", "chat", "--trace", trace, "--speed", "1000", "--stream", "0"]
    got = CliRunner().invoke(load, [*command, "--json", str(tmp_path / "no" / "out.json")])
    assert got.exit_code == 1
    assert "out.json: can't be written (found No such file or directory)" in got.output
