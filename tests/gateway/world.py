"""A gateway without a cluster: a real HAProxy, the agent's own code, and pods that a test makes and kills."""

import itertools
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tests.gateway.addresses import address_in, free_number
from tests.gateway.fake_cluster import FLEET, POOL, FakeCluster, gateway_object, pod_object
from tests.gateway.stub_process import StubPod, until_listening
from tests.support import eventually, eventually_async

from costwain.adapters.resources import CONFIG_MAPS, PODS
from costwain.agent.agent import Agent
from costwain.agent.haproxy import Runtime, State
from costwain.agent.keys import KeyFolder
from costwain.domain import names
from costwain.domain.gateway import Tenant
from costwain.local import pki
from costwain.local.node.folder import write_all
from costwain.local.node.payloads import File
from costwain.render.gateway import GatewaySpec, haproxy_files, program
from costwain.render.haproxy import Limits

OWN_NAME = f"{FLEET}-gateway-0"
_STUB = Path(__file__).with_name("stub_pod.py")


@dataclass
class World:
    """One gateway: its HAProxy lives in `folder`, everything at addresses of its own."""

    folder: Path
    ladder: tuple[str, ...] = ("full", "small")
    slots: int = 8
    max_queued: int = 2000
    queue_timeout_s: float = 60
    disclose: bool = True
    keys: Mapping[str, str] | None = None  # tenant -> its file; without it everybody gets in
    tenants: tuple[Tenant, ...] = ()
    tls: bool = False  # with the pair in `folder`/tls
    answer_timeout_s: float = 600
    spill_after_s: float | None = None
    observed_percent: int = 1
    affinity: bool = True
    own_name: str = OWN_NAME
    cluster: FakeCluster = field(default_factory=FakeCluster)
    number: int = field(default_factory=free_number)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    running_agent: Agent | None = None
    _addresses: "itertools.count[int]" = field(default_factory=lambda: itertools.count(2))
    _haproxy: subprocess.Popen[bytes] | None = None

    @property
    def bind(self) -> str:
        return self._address(1)

    @property
    def url(self) -> str:
        return f"{self.spec().scheme}://{self.bind}:{names.GATEWAY_PORT}"

    def spec(self) -> GatewaySpec:
        return GatewaySpec(
            fleet=FLEET,
            namespace="ns",
            owner_uid="uid",
            served_model_name="chat-model",
            ladder=self.ladder,
            replicas=1,
            max_queued_requests=self.max_queued,
            queue_timeout_s=self.queue_timeout_s,
            max_request_bytes=1 << 20,
            haproxy_image="haproxy",
            operator_image="costwain/operator",
            disclose_variant=self.disclose,
            observed_percent=self.observed_percent,
            affinity=self.affinity,
            api_keys_secret=None if self.keys is None else "chat-keys",
            tenants=self.tenants,
            tls_secret="chat-tls" if self.tls else None,
            spill_after_s=self.spill_after_s,
        )

    @property
    def limits(self) -> Limits:
        return replace(self.spec().limits, answer_timeout_s=self.answer_timeout_s)

    def files(self) -> dict[str, str]:
        """What HAProxy reads."""
        return haproxy_files(self.ladder, self.limits)

    def start_haproxy(self, binary: Path, extra: str = "") -> None:
        """Starts HAProxy and waits until it answers on its admin socket; `extra` is configuration beside ours."""
        if self.keys is not None:
            self.set_keys(**self.keys)
        for name, text in self.files().items():
            (self.folder / name).write_text(text, newline="")
        if self.tls and not (self.folder / "tls").exists():
            self.set_certificate()
        (self.folder / "extra.cfg").write_text(extra)
        environment = {
            "CFG": str(self.folder),
            "RUN": str(self.folder),
            "BIND": self.bind,
            "TLS": str(self.folder / "tls"),
            "LD_LIBRARY_PATH": str(binary.parent / "lib"),
        }
        with open(self.folder / "haproxy.log", "ab") as log:
            self._haproxy = subprocess.Popen(
                [binary, "-db", "-f", str(self.folder / "haproxy.cfg"), "-f", str(self.folder / "extra.cfg")],
                env=environment,
                stderr=log,
                stdout=log,
            )
        self.processes.append(self._haproxy)
        eventually((self.folder / "admin.sock").exists, 10, "HAProxy's admin socket")

    @property
    def haproxy_pid(self) -> int:
        assert self._haproxy is not None
        return self._haproxy.pid

    @property
    def haproxy_runs(self) -> bool:
        return self._haproxy is not None and self._haproxy.poll() is None

    def kill_haproxy(self) -> None:
        assert self._haproxy is not None
        self._haproxy.kill()
        self._haproxy.wait(timeout=10)
        (self.folder / "admin.sock").unlink()

    def agent(self) -> Agent:
        if self.own_name not in self.cluster.objects[PODS]:
            self.cluster.put(PODS, gateway_object(self.own_name))
        keys = None if self.keys is None else KeyFolder(self.folder / "keys")
        return Agent(self.cluster, self.runtime, FLEET, self.own_name, keys)

    def set_keys(self, **texts: str) -> None:
        """Changes the mounted Secret, all at once as a kubelet does."""
        write_all(self.folder / "keys", {tenant: File(text.encode(), 0o440) for tenant, text in texts.items()})

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.folder / "admin.sock")

    async def state(self) -> State:
        return await self.runtime.state()

    def set_program(self, **shares: float) -> None:
        """Writes the ConfigMap as the operator would: shares in percent."""
        slots = {variant: {POOL: self.slots} for variant in self.ladder}
        text = program(self.spec(), shares, slots)
        self.cluster.put(CONFIG_MAPS, {"metadata": {"name": f"{FLEET}-gateway"}, "data": {"program.json": text}})

    def start_pod(self, variant: str, name: str | None = None, address: str | None = None) -> StubPod:
        """Starts a stub that is in no list yet; call `announce` once it listens."""
        address = address or self.new_address()
        process = subprocess.Popen([sys.executable, str(_STUB), address])
        self.processes.append(process)
        return StubPod(name or f"{FLEET}-{variant}-{address.rpartition('.')[2]}", address, process)

    async def add_pods(self, variant: str, count: int = 1) -> list[StubPod]:
        """Starts pods and waits until the gateway sends them requests."""
        return await self.join([self.start_pod(variant) for _ in range(count)], variant)

    async def join(self, pods: Sequence[StubPod], variant: str, timeout_s: float = 10) -> list[StubPod]:
        """Waits until pods listen, announces them and waits until the gateway sends them requests."""
        for pod in pods:
            await until_listening(pod)
            self.announce(pod, variant)
        for pod in pods:
            await eventually_async(lambda pod=pod: self.in_gateway(pod), timeout_s, f"{pod.name} in the gateway")
        return list(pods)

    def start_vllm_stub(self, variant: str) -> StubPod:
        """Starts a pod that answers as vLLM does, twenty times as fast."""
        address = self.new_address()
        command = [sys.executable, "-m", "costwain.stub", "Qwen/Qwen3-0.6B", "--host", address]
        command += ["--port", str(names.MODEL_PORT), "--served-model-name", "chat-model"]
        settings = {"COSTWAIN_CLOCK": f"20@{time.time()}", "COSTWAIN_STUB_ACCELERATOR": "l4"}
        environment = {**os.environ, **settings, "COSTWAIN_STUB_STARTUP_SECONDS": "0"}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return StubPod(f"{FLEET}-{variant}-{address.rpartition('.')[2]}", address, process)

    def announce(self, pod: StubPod, variant: str) -> None:
        self.cluster.put(PODS, pod_object(pod.name, variant, pod.address))

    async def in_gateway(self, pod: StubPod) -> bool:
        conditions = self.cluster.objects[PODS][pod.name]["status"]["conditions"]
        return {"type": names.IN_GATEWAY, "status": "True"} in conditions

    def label(self, pod: StubPod, **labels: str) -> None:
        item = self.cluster.objects[PODS][pod.name]
        item["metadata"]["labels"] |= {f"{names.GROUP}/{key}": value for key, value in labels.items()}
        self.cluster.put(PODS, item)

    async def drained(self, pod: StubPod) -> bool:
        return self.cluster.objects[PODS][pod.name]["metadata"]["labels"].get(names.DRAINED) == "true"

    async def drain(self, pods: Sequence[StubPod], timeout_s: float = 30) -> None:
        """Asks for the pods, waits until the gateway has let go of them, then ends and removes them."""
        for pod in pods:
            self.label(pod, drain="true")
        for pod in pods:
            await eventually_async(lambda pod=pod: self.drained(pod), timeout_s, f"{pod.name} drained")
            pod.kill()
            self.cluster.remove(PODS, pod.name)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(timeout=10)

    def set_certificate(self, pair: str = "first") -> None:
        """Mounts the pair of this name, made on first use, all at once as a kubelet does."""
        made = self.folder / "pki"
        now = datetime.now(UTC)
        if not made.exists():
            pki.write_all(made, now)
        if not (made / f"{pair}.crt").exists():
            pki.issue(made, pair, pki.Authority.load(made), pki.Subject("chat", serves=[self.bind]), now)
        files = {f"tls.{kind}": File((made / f"{pair}.{kind}").read_bytes(), 0o440) for kind in ("crt", "key")}
        write_all(self.folder / "tls", files)

    def trusted(self) -> ssl.SSLContext | None:
        """What a client needs to trust the gateway; None where it speaks plain HTTP."""
        return ssl.create_default_context(cafile=str(self.folder / "pki" / "ca.crt")) if self.tls else None

    def new_address(self) -> str:
        """A loopback address that nobody has yet."""
        return self._address(next(self._addresses))

    def _address(self, last: int) -> str:
        return address_in(self.number, last)
