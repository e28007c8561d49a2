"""Who is measured: how each is started in front of the same pods, and what one sees of its process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.gateway.envoy import configuration
from tests.bench.gateway.ours import KEY
from tests.support import eventually

_PORTS = {"envoy": 8081, "vllm-router": 8082, "vllm-router, round robin": 8083, "sglang-router": 8084}
_START_S = 60


@dataclass(frozen=True)
class Running:
    """One contender that serves. `beside` is the process of our agent; the others have none."""

    name: str
    pid: int
    targets: Sequence[tuple[str, int]]
    beside: int | None = None

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads since its start, those that ended included."""
        return _cpu_s(self.pid)

    @property
    def beside_cpu_s(self) -> float:
        return _cpu_s(self.beside) if self.beside else 0.0

    @property
    def rss_mb(self) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@dataclass
class Stage:
    """Pods and contenders on loopback addresses of this process; `venv` has the contenders' packages."""

    venv: Path
    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def address(self, last: int) -> str:
        return f"127.{30 + os.getpid() % 60}.{os.getpid() // 60 % 250}.{last}"

    @property
    def pods(self) -> list[str]:
        return [self.address(last) for last in range(2, 6)]

    def start(self) -> dict[str, Running]:
        """Starts everything and waits until each contender answers."""
        self._spawn("pods", [self.python, str(Path(__file__).with_name("pods.py")), *self.pods])
        self._listens(self.pods[0], 8000)
        started = {"direct": Running("direct", 0, [(address, 8000) for address in self.pods])}
        started["ours"] = self._ours()
        for name, command in self._others().items():
            process = self._spawn(name, command)
            at = (self.address(1), _PORTS[name])
            self._listens(*at)
            started[name] = Running(name, process.pid, [at])
        return started

    @property
    def python(self) -> str:
        return str(self.venv / "bin" / "python")

    def end(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)

    def _ours(self) -> Running:
        own = self.folder / "ours"
        own.mkdir()
        process = self._spawn("ours", [sys.executable, "-m", "tests.bench.gateway.ours", str(own), *self.pods])
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        return Running("ours", said["pid"], [tuple(said["target"])], process.pid)

    def _others(self) -> dict[str, list[str]]:
        envoy = next(self.venv.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
        settings = self.folder / "envoy.json"
        settings.write_text(json.dumps(configuration((self.address(1), _PORTS["envoy"]), self.pods)), encoding="utf-8")
        router = [self.venv / "bin" / "vllm-router", *self._router("vllm-router", "warning")]
        fair = [self.venv / "bin" / "vllm-router", *self._router("vllm-router, round robin", "warning")]
        sglang = [self.venv / "bin" / "smg", "launch", *self._router("sglang-router", "warn")]
        commands = {
            "envoy": [envoy, "-c", settings, "--concurrency", "1", "--log-level", "error"],
            "vllm-router": router,
            "vllm-router, round robin": [*fair, "--policy", "round_robin"],
            "sglang-router": sglang,
        }
        return {name: [str(word) for word in command] for name, command in commands.items()}

    def _router(self, name: str, log_level: str) -> list[str]:
        """The arguments that both routers share; all else is as they come."""
        at = self.address(1)
        metrics = ["--prometheus-host", at, "--prometheus-port", str(_PORTS[name] + 1000)]
        workers = [f"http://{pod}:8000" for pod in self.pods]
        listen = ["--host", at, "--port", str(_PORTS[name]), "--log-level", log_level]
        return [*listen, *metrics, "--worker-urls", *workers]

    def _spawn(self, name: str, command: list[str]) -> "subprocess.Popen[str]":
        with open(self.folder / f"{name}.log", "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE if name == "ours" else log, stderr=log, text=True
            )
        self.processes.append(process)
        return process

    def _listens(self, address: str, port: int) -> None:
        eventually(lambda: self._answers(address, port), _START_S, f"an answer at {address}:{port}")

    def _answers(self, address: str, port: int) -> bool:
        seen = self.load(mode="requests", targets=[(address, port)], seed=1, rate=20, seconds=0.2, warm_up_s=0)
        return seen["requests"] > 0 and seen["errors"] == 0

    def load(self, **asked: object) -> dict:
        """One run of load.py in a process of its own."""
        command = [self.python, str(Path(__file__).with_name("load.py")), json.dumps({"key": KEY, **asked})]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
        return json.loads(done.stdout)


def _cpu_s(pid: int) -> float:
    """The CPU clock of another process: what /proc/<pid>/stat tells, in nanoseconds instead of ticks of 10 ms."""
    return time.clock_gettime(~pid << 3 | 2) if pid else 0.0
