"""What one container is doing, and how a pod's status says it. Pure; instants are RFC 3339 texts."""

from dataclasses import dataclass, replace

from costwain.adapters.kube import Object


@dataclass(frozen=True)
class Waiting:
    """Not started yet, or between two runs."""

    reason: str
    message: str | None = None

    def as_status(self) -> Object:
        return {"waiting": {"reason": self.reason, **({"message": self.message} if self.message else {})}}


@dataclass(frozen=True)
class Running:
    """Has a process."""

    started_at: str
    container_id: str

    def as_status(self) -> Object:
        return {"running": {"startedAt": self.started_at}}


@dataclass(frozen=True)
class Terminated:
    """A run that is over; the times are None where no process was ever made."""

    exit_code: int
    reason: str
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str | None = None

    def as_status(self) -> Object:
        body = {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "message": self.message,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "containerID": self.container_id,
        }
        return {"terminated": {key: value for key, value in body.items() if value is not None}}

    @classmethod
    def of_status(cls, body: Object) -> "Terminated":
        """Reads back what as_status wrote."""
        return cls(
            exit_code=body["exitCode"],
            reason=body.get("reason", "Error"),
            message=body.get("message"),
            started_at=body.get("startedAt"),
            finished_at=body.get("finishedAt"),
            container_id=body.get("containerID"),
        )


State = Waiting | Running | Terminated


@dataclass(frozen=True)
class ContainerView:
    """One container at one moment."""

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    sidecar: bool = False  # an init container with restartPolicy Always

    @property
    def exit_code(self) -> int | None:
        """The exit code of a run that is over, None for any other state."""
        return self.state.exit_code if isinstance(self.state, Terminated) else None

    @property
    def init_done(self) -> bool:
        """As an init container: it has succeeded, or as a sidecar it is up."""
        return self.started if self.sidecar else self.exit_code == 0

    @property
    def ever_ran(self) -> bool:
        return self.last is not None or not isinstance(self.state, Waiting)

    def as_init(self) -> "ContainerView":
        """As a status shows an init container: ready when it is done."""
        return self if self.sidecar else replace(self, ready=self.init_done)

    def status(self) -> Object:
        """Its entry in containerStatuses."""
        container_id = None if isinstance(self.state, Waiting) else self.state.container_id
        if container_id is None and self.last is not None:
            container_id = self.last.container_id
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": container_id or "",
            "state": self.state.as_status(),
            "lastState": self.last.as_status() if self.last else {},
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
        }


def lost_run(previous: Object, now: str) -> Terminated:
    """What became of a run whose process died unseen, by the words of a kubelet."""
    return Terminated(
        exit_code=137,
        reason="ContainerStatusUnknown",
        message="The process ended while its node was away",
        started_at=previous.get("state", {}).get("running", {}).get("startedAt"),
        finished_at=now,
        container_id=previous.get("containerID") or None,
    )


def seed(previous: Object | None, now: str) -> tuple[State, Terminated | None, int]:
    """State, last state and restart count of a container that an earlier manager may have run."""
    if previous is None:
        return Waiting("ContainerCreating"), None, 0
    state, last = previous.get("state", {}), previous.get("lastState", {}).get("terminated")
    before = Terminated.of_status(last) if last else None
    count = previous.get("restartCount", 0)
    if "running" in state:
        return lost_run(previous, now), before, count
    if "terminated" in state:
        return Terminated.of_status(state["terminated"]), before, count
    return Waiting("ContainerCreating"), before, count
