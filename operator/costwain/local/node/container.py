"""One container of a pod: started, watched, restarted, and ended when its pod must go."""

import asyncio
import logging
import time

from costwain.adapters.kube import Object
from costwain.local.node.context import ImageError, Launch, PodContext
from costwain.local.node.environment import MissingError
from costwain.local.node.health import Health
from costwain.local.node.instants import now_text
from costwain.local.node.probing import Actor
from costwain.local.node.process import Process
from costwain.local.node.states import ContainerView, Running, State, Terminated, Waiting, seed
from costwain.local.node.timing import DEFAULT_GRACE_S, BackOff, Grace, restarts

_log = logging.getLogger(__name__)
_START_FAILED = 128  # what a container runtime reports for a program that can't be executed


class Container:
    """`policy` is the restart policy that holds for this container; `previous` its status in the API server."""

    def __init__(self, manifest: Object, context: PodContext, policy: str, previous: Object | None) -> None:
        self.manifest, self.context, self.policy = manifest, context, policy
        self.name: str = manifest["name"]
        self._state, self._last, self._restarts = seed(previous, now_text())
        self._back_off = BackOff()
        self._process: Process | None = None
        self._actor: Actor | None = None
        self._hook: Object | None = None
        self._health: Health | None = None
        self._stopping = False
        self._was_up = asyncio.Event()
        self.is_sidecar = manifest.get("restartPolicy") == "Always"

    @property
    def finished(self) -> bool:
        """Ended, and its restart policy lets it stay so."""
        return isinstance(self._state, Terminated) and (
            self._stopping or not restarts(self.policy, self._state.exit_code)
        )

    @property
    def succeeded(self) -> bool:
        return isinstance(self._state, Terminated) and self._state.exit_code == 0

    def view(self) -> ContainerView:
        """What the pod's status says of it."""
        health = self._health
        return ContainerView(
            name=self.name,
            image=self.manifest["image"],
            state=self._state,
            last=self._last,
            restarts=self._restarts,
            ready=health is not None and health.ready,
            started=health is not None and health.started,
            sidecar=self.is_sidecar,
        )

    async def run(self) -> None:
        """Runs it until it has ended for good; cancelling this kills its processes at once."""
        while not self.finished and not self._stopping:
            await self._back_off_pause()
            launch = await self._launch_when_possible()
            ran_from_s = time.monotonic()
            await self._run_once(launch)
            self._back_off = self._back_off.after_run(time.monotonic() - ran_from_s, self.context.services.timing)

    async def started(self) -> None:
        """Waits until it has once been up: running, and past its startup probe."""
        await self._was_up.wait()

    async def stop(self, grace: Grace) -> None:
        """Ends it for good: preStop, SIGTERM, SIGKILL when the grace period is over."""
        self._stopping = True
        if self._health is not None:
            self._health.leaving = True
        if self._process is not None:
            await self._end(self._process, grace)

    def kill(self) -> None:
        """SIGKILL to all its processes now, as if the machine had lost power."""
        self._stopping = True
        if self._process is not None:
            self._process.kill()

    def mark_lost(self) -> None:
        """A container that never ran and never will: it counts as ended without success."""
        if not isinstance(self._state, Terminated):
            self._state = self._last or Terminated(137, "ContainerStatusUnknown", "The container was never started")

    async def _back_off_pause(self) -> None:
        wait_s = self._back_off.wait_s(self.context.services.timing)
        if wait_s > 0:
            self._last = self._ended_run()
            message = f"back-off {wait_s:g}s restarting failed container={self.name}"
            self._set(Waiting("CrashLoopBackOff", message))
            await asyncio.sleep(wait_s)

    async def _launch_when_possible(self) -> Launch:
        """Waits as long as an image has no command or something that the variables need is missing."""
        while True:
            try:
                return self.context.launch(self.manifest)
            except ImageError as error:
                self._wait_for(Waiting("ErrImagePull", str(error)))
            except MissingError as error:
                self._wait_for(Waiting("CreateContainerConfigError", str(error)))
            await asyncio.sleep(self.context.services.timing.retry_s)

    async def _run_once(self, launch: Launch) -> None:
        """One process from start to end, with its probes."""
        if self._stopping:
            return
        earlier = self._ended_run()
        if earlier is not None:
            self._last, self._restarts = earlier, self._restarts + 1
        try:
            process = self.context.start(launch, self.manifest, f"{self._restarts}.log")
        except OSError as error:
            now = now_text()
            self._set(Terminated(_START_FAILED, "StartError", str(error), started_at=now, finished_at=now))
            return
        running = Running(now_text(), f"process://{process.pid}")
        self._process, self._hook = process, self.manifest.get("lifecycle", {}).get("preStop")
        self._actor = Actor(self.context, self.manifest, launch)
        self._health = Health(self._actor, self._health_changed, self._kill_unhealthy)
        self._set(running)
        self._health_changed()
        try:
            await self._health.watch_until(process.exit_code())
        finally:
            code = await process.destroy()
            self._process = self._health = None
            reason = "Completed" if code == 0 else "Error"
            self._set(Terminated(code, reason, None, running.started_at, now_text(), running.container_id))

    def _health_changed(self) -> None:
        if self._health is not None and self._health.started:
            self._was_up.set()
        self.context.changed()

    async def _kill_unhealthy(self, grace_s: int | None) -> None:
        """What a failed liveness or startup probe does; the run loop then restarts it by its policy."""
        if self._process is not None and not self._stopping:
            default = self.context.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
            await self._end(self._process, Grace(time.monotonic(), default if grace_s is None else grace_s))

    async def _end(self, process: Process, grace: Grace) -> None:
        hook, self._hook = self._hook, None  # once a run, even if a probe and a deletion end it together
        if hook is not None and self._actor is not None:
            succeeded, found = await self._actor.hook(hook, grace.left_s(time.monotonic()))
            if not succeeded:
                _log.warning("preStop of %s in %s: %s", self.name, self.context.pod["metadata"]["name"], found)
        process.terminate()
        sent_s = time.monotonic()
        while (left_s := grace.left_s(time.monotonic(), sent_s)) > 0 and not process.ended.done():
            # In slices, since a second delete may shorten the period meanwhile.
            await asyncio.wait([process.ended], timeout=min(left_s, 1))
        await process.destroy()

    def _ended_run(self) -> Terminated | None:
        """The run before the one that comes next, if there was one."""
        return self._state if isinstance(self._state, Terminated) else self._last

    def _wait_for(self, state: Waiting) -> None:
        self._last = self._ended_run()
        self._set(state)

    def _set(self, state: State) -> None:
        self._state = state
        self.context.changed()
