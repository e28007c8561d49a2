"""Starts the stub as a process on a loopback address and speaks plain HTTP with it."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support import eventually

# Tiny on a small device: about 7 ms a token and 140 tokens/s, of fleet time.
MODEL = "Qwen/Qwen3-0.6B"
TIMEOUT_S = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """The payloads of a stream of server-sent events."""
        chunks = self.body.decode().split("\n\n")
        assert chunks.pop() == "", "a stream ends with an empty line"
        assert all(chunk.startswith("data: ") for chunk in chunks), chunks
        return [chunk.removeprefix("data: ") for chunk in chunks]


@dataclass(frozen=True)
class Api:
    """A server at a base URL, the stub or the real thing, and a model it serves."""

    base_url: str
    model: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request on a connection of its own; `body` is JSON unless it is bytes."""
        url = urlsplit(self.base_url)
        assert url.hostname is not None
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if raw is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT_S)) as connection:
            connection.request(method, path, raw, sent)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def complete(self, **differs: Any) -> Answer:
        return self.call("POST", "/v1/completions", {"model": self.model, "prompt": "hello", **differs})

    def chat(self, **differs: Any) -> Answer:
        messages = [{"role": "user", "content": "hello"}]
        return self.call("POST", "/v1/chat/completions", {"model": self.model, "messages": messages, **differs})

    def refuses(self) -> bool:
        """Whether nothing listens: what vLLM is like until it serves."""
        try:
            self.get("/health")
        except ConnectionRefusedError:
            return True
        return False

    def sample(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = self.get("/metrics").body.decode().splitlines()
        found = [ln for ln in lines if ln.partition("{")[0] == name and all(text in ln for text in wanted)]
        assert found, f"no sample of {name} with {wanted}"
        return sum(float(line.rpartition(" ")[2]) for line in found)


@dataclass(frozen=True)
class Stub:
    api: Api
    process: subprocess.Popen[str]

    def serving(self) -> "Stub":
        eventually(lambda: not self.api.refuses(), TIMEOUT_S, "the stub listens")
        return self

    def exit_code(self) -> int:
        return self.process.wait(TIMEOUT_S)


def free_address() -> tuple[str, int]:
    """A loopback address of this process's own, and a free port of it."""
    pid = os.getpid()
    host = f"127.{64 + pid % 128}.{pid // 128 % 256}.1"
    with socket.socket() as probe:
        probe.bind((host, 0))
        return host, int(probe.getsockname()[1])


@contextlib.contextmanager
def stub(*argv: str, factor: float = 20, startup_s: float = 0, **env: str) -> Iterator[Stub]:
    """A stub in fleet time `factor` times as fast as the wall; it is killed in the end, if it still runs."""
    host, port = free_address()
    command = [sys.executable, "-m", "costwain.stub", MODEL, "--host", host, "--port", str(port)]
    given = {
        "COSTWAIN_CLOCK": f"{factor}@{time.time()}",
        "COSTWAIN_STUB_ACCELERATOR": "l4",
        "COSTWAIN_STUB_STARTUP_SECONDS": str(startup_s),
        **env,
    }
    process = subprocess.Popen(
        [*command, "--served-model-name", "chat", "alias", *argv], env={**os.environ, **given}, text=True, stderr=-1
    )
    try:
        yield Stub(Api(f"http://{host}:{port}", "chat"), process)
    finally:
        process.kill()
        process.communicate()
