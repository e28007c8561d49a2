"""The agent's loop: what is known of the cluster and of HAProxy becomes commands, then marks on the pods."""

import asyncio
import logging
import re
import time
from dataclasses import replace

from costwain.adapters.resources import CONFIG_MAPS, PODS
from costwain.agent.cluster import UNREACHABLE, Cluster, Follower, program_source
from costwain.agent.division import LEAVING
from costwain.agent.haproxy import HaproxyError, Runtime, State
from costwain.agent.keys import KeyFolder
from costwain.agent.marks import Mark, marks
from costwain.agent.membership import Membership
from costwain.agent.observe import Observer
from costwain.agent.pods import Pod, pod_of
from costwain.agent.program import Program, parse_program
from costwain.agent.reconcile import commands
from costwain.agent.waits import Waits

TURN_S = 1.0  # a HAProxy that was started again is programmed within two of these
_DRAIN_TURN_S = 0.1  # while a pod is on its way out, or HAProxy does not answer yet
_COALESCE_S = 0.02  # a rollout changes many pods at once
_FRESH_S = 5.0  # without a whole turn for so long the gateway is not ready
_SETTLE_S = 3.0  # new requests come in until everybody has heard that this pod leaves
_POLL_S = 0.1
_GOOD_ANSWERS = ("", "New server registered.", "Server deleted.")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_log = logging.getLogger(__name__)


class Agent:
    """Keeps one HAProxy in line with one fleet."""

    def __init__(
        self, cluster: Cluster, runtime: Runtime, fleet: str, own_name: str, keys: KeyFolder | None = None
    ) -> None:
        self._cluster, self._runtime, self._own_name, self._keys = cluster, runtime, own_name, keys
        self.observer = Observer(runtime)
        self._membership, self._waits = Membership(own_name), Waits()
        self._config_name = f"{fleet}-gateway"
        self._changed = asyncio.Event()
        self._pods = Follower(cluster, PODS, self._changed.set)
        self._configs = Follower(cluster, CONFIG_MAPS, self._changed.set)
        self._program: Program | None = None
        self._program_text: str | None = None
        self._marks: list[Mark] = []
        self._marks_due = asyncio.Event()
        self._asked_to_leave = False
        self._turned_s: float | None = None

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pods.run())
            tasks.create_task(self._configs.run())
            tasks.create_task(self._program_loop())
            tasks.create_task(self._mark_loop())
            tasks.create_task(self.observer.run())

    @property
    def ready(self) -> bool:
        """Whether HAProxy follows the fleet now and may get new requests."""
        return self._turned_s is not None and time.monotonic() - self._turned_s < _FRESH_S and not self._leaving()

    def leave(self) -> None:
        """From the next turn on HAProxy says that it is not ready; it serves on."""
        self._asked_to_leave = True
        self._changed.set()

    async def state(self) -> State | None:
        """HAProxy's numbers of this moment; None where it does not answer."""
        try:
            return await self._runtime.state()
        except HaproxyError:
            return None

    async def wait_until_idle(self, deadline_s: float) -> bool:
        """Waits until HAProxy has no request for a while, or is gone; False where the deadline came first."""
        started_s = idle_since_s = time.monotonic()
        while time.monotonic() - idle_since_s < _SETTLE_S:
            if time.monotonic() - started_s > deadline_s:
                return False
            state = await self.state()
            if state is None:
                return True
            if state.busy:
                idle_since_s = time.monotonic()
            await asyncio.sleep(_POLL_S)
        return True

    async def _program_loop(self) -> None:
        while True:
            pause_s = TURN_S
            try:
                pause_s = await self._turn()
            except HaproxyError as error:
                _log.warning("%s", error)
                pause_s = _DRAIN_TURN_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
                await asyncio.sleep(_COALESCE_S)
            except TimeoutError:
                pass
            self._changed.clear()

    async def _turn(self) -> float:
        """One comparison and its commands; returns after how many seconds the next is due."""
        program = self._current_program()
        keys = self._keys.current() if self._keys else {}
        if program is None or not self._pods.synced or keys is None:
            return TURN_S
        self._membership.see(self._pods.objects.values())
        pods, state = self._known_pods(), await self._runtime.state()
        program = replace(program, late=self._waits.late(state, program.spill_after_s, time.monotonic()))
        replica = self._membership.replica(program, state, time.monotonic())
        if replica is not None:
            replica = replace(replica, state=LEAVING) if self._leaving() else replica
            state = await self._carry_out(commands(program, pods, state, replica, keys), state)
            self._turned_s = time.monotonic()
        self._mark(program, pods, state)
        rows = [row for backend in state.backends for row in state.pods(backend).values()]
        goes = any(row.in_maintenance and not row.is_free for row in rows)
        return _DRAIN_TURN_S if goes or self._membership.settling else TURN_S

    async def _carry_out(self, lines: list[str], state: State) -> State:
        """Tells HAProxy, and how it is afterwards."""
        for line in lines:
            await self._tell(line)
        if lines:
            state = await self._runtime.state()
        self.observer.known(state)
        return state

    def _mark(self, program: Program, pods: list[Pod], state: State) -> None:
        own = self._membership.mark(program, state)
        due = marks(pods, state, self._own_name, self._membership.live)
        self._marks = due if own is None else [own, *due]
        if self._marks:
            self._marks_due.set()

    async def _tell(self, line: str) -> None:
        answer = await self._runtime.command(line)
        said = _HASH.sub("(a key)", line)
        if answer in _GOOD_ANSWERS:
            _log.info("%s", said)
        elif not line.startswith("del server"):  # refused while idle connections last: a later turn asks again
            _log.warning("%s: HAProxy says: %s", said, answer)

    async def _mark_loop(self) -> None:
        while True:
            await self._marks_due.wait()
            self._marks_due.clear()
            for mark in self._marks:
                try:
                    await self._cluster.mark(mark)
                except UNREACHABLE as error:
                    _log.warning("pod %s: cannot be marked: %s", mark.pod, str(error) or type(error).__name__)

    def _current_program(self) -> Program | None:
        """The newest program that could be read."""
        text = program_source(self._configs, self._config_name)
        if text is not None and text != self._program_text:
            self._program_text = text
            try:
                self._program = parse_program(text)
            except ValueError as error:
                _log.error("ConfigMap %s: %s; the last program stays", self._config_name, error)
        return self._program

    def _known_pods(self) -> list[Pod]:
        return [pod for pod in map(pod_of, self._pods.objects.values()) if pod is not None]

    def _leaving(self) -> bool:
        return self._asked_to_leave or self._membership.leaving
