"""A gateway without a cluster: a real HAProxy, the agent's own code, and pods that a test makes and kills."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import eventually, eventually_async

from costwain.adapters.resources import CONFIG_MAPS, PODS, Resource
from costwain.agent.agent import Agent
from costwain.agent.haproxy import Runtime, State
from costwain.agent.marks import Mark
from costwain.domain import names
from costwain.render.gateway import GatewaySpec, haproxy_files, program

Object = dict[str, Any]
FLEET, POOL, OWN_NAME = "chat", "spot", "chat-gateway-0"
_STUB = Path(__file__).with_name("stub_pod.py")
_worlds = itertools.count(1)


class FakeCluster:
    """Pods and ConfigMaps in memory, listed and watched like an API server's; `away` makes every call fail."""

    def __init__(self) -> None:
        self.objects: dict[Resource, dict[str, Object]] = {PODS: {}, CONFIG_MAPS: {}}
        self.away = False
        self._watchers: list[tuple[Resource, asyncio.Queue[tuple[str, Object]]]] = []

    async def list(self, resource: Resource) -> tuple[list[Object], str]:
        self._refuse_while_away()
        return list(self.objects[resource].values()), "1"

    async def watch(self, resource: Resource, version: str) -> AsyncIterator[tuple[str, Object]]:
        self._refuse_while_away()
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()
        self._watchers.append((resource, queue))
        while True:
            yield await queue.get()

    async def mark(self, mark: Mark) -> None:
        self._refuse_while_away()
        pod = self.objects[PODS][mark.pod]
        for kind in ("labels", "annotations"):
            have = pod["metadata"].setdefault(kind, {})
            for key, value in (mark.metadata or {}).get(kind, {}).items():
                if value is None:
                    have.pop(key, None)
                else:
                    have[key] = value
        if mark.condition is not None:
            set_condition(pod, names.IN_GATEWAY, mark.condition)
        self.put(PODS, pod)

    def put(self, resource: Resource, item: Object) -> None:
        self.objects[resource][item["metadata"]["name"]] = item
        self._tell(resource, "MODIFIED", item)

    def remove(self, resource: Resource, name: str) -> None:
        self._tell(resource, "DELETED", self.objects[resource].pop(name))

    def _tell(self, resource: Resource, kind: str, item: Object) -> None:
        for of, queue in self._watchers:
            if of == resource and not self.away:
                queue.put_nowait((kind, item))

    def _refuse_while_away(self) -> None:
        if self.away:
            raise ConnectionRefusedError("the API server is away")


def set_condition(pod: Object, kind: str, value: bool) -> None:
    conditions = pod["status"].setdefault("conditions", [])
    conditions[:] = [item for item in conditions if item["type"] != kind]
    conditions.append({"type": kind, "status": str(value)})


def pod_object(name: str, variant: str, address: str, ready: bool = True) -> Object:
    labels = {names.FLEET: FLEET, names.ROLE: names.ROLE_MODEL, names.VARIANT: variant, names.POOL: POOL}
    pod: Object = {"metadata": {"name": name, "labels": labels}, "status": {"phase": "Running", "podIP": address}}
    set_condition(pod, "ContainersReady", ready)
    return pod


@dataclass
class StubPod:
    """A stub's process at an address of its own."""

    name: str
    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


@dataclass
class World:
    """One gateway: its HAProxy lives in `folder`, everything at addresses of its own."""

    folder: Path
    ladder: tuple[str, ...] = ("full", "small")
    slots: int = 8
    max_queued: int = 2000
    queue_timeout_s: float = 60
    disclose: bool = True
    cluster: FakeCluster = field(default_factory=FakeCluster)
    number: int = field(default_factory=lambda: next(_worlds))
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    running_agent: Agent | None = None
    _addresses: "itertools.count[int]" = field(default_factory=lambda: itertools.count(2))
    _haproxy: subprocess.Popen[bytes] | None = None

    @property
    def bind(self) -> str:
        return self._address(1)

    @property
    def url(self) -> str:
        return f"http://{self.bind}:{names.GATEWAY_PORT}"

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
        )

    def start_haproxy(self, binary: Path) -> None:
        """Starts HAProxy and waits until it answers on its admin socket."""
        for name, text in haproxy_files(self.ladder, self.spec().limits).items():
            (self.folder / name).write_text(text, newline="")
        environment = {
            "CFG": str(self.folder),
            "RUN": str(self.folder),
            "BIND": self.bind,
            "LD_LIBRARY_PATH": str(binary.parent / "lib"),
        }
        with open(self.folder / "haproxy.log", "ab") as log:
            self._haproxy = subprocess.Popen(
                [binary, "-db", "-f", str(self.folder / "haproxy.cfg")], env=environment, stderr=log, stdout=log
            )
        self.processes.append(self._haproxy)
        eventually((self.folder / "admin.sock").exists, 10, "HAProxy's admin socket")

    def kill_haproxy(self) -> None:
        assert self._haproxy is not None
        self._haproxy.kill()
        self._haproxy.wait(timeout=10)
        (self.folder / "admin.sock").unlink()

    def agent(self, name: str = OWN_NAME) -> Agent:
        return Agent(self.cluster, self.runtime, FLEET, name)

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
        address = address or self._address(next(self._addresses))
        process = subprocess.Popen([sys.executable, str(_STUB), address])
        self.processes.append(process)
        return StubPod(name or f"{FLEET}-{variant}-{address.rpartition('.')[2]}", address, process)

    async def add_pods(self, variant: str, count: int = 1) -> list[StubPod]:
        """Starts pods and waits until the gateway sends them requests."""
        pods = [self.start_pod(variant) for _ in range(count)]
        for pod in pods:
            await until_listening(pod)
            self.announce(pod, variant)
        for pod in pods:
            await eventually_async(lambda pod=pod: self.in_gateway(pod), 10, f"{pod.name} in the gateway")
        return pods

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

    def _address(self, last: int) -> str:
        return f"127.{100 + os.getpid() % 100}.{self.number}.{last}"


async def until_listening(pod: StubPod) -> None:
    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(pod.address, names.MODEL_PORT)
        except OSError:
            return False
        writer.close()
        return True

    await eventually_async(listens, 20, f"{pod.name} listening")
