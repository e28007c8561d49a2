"""How probe answers become verdicts: thresholds, delays and which probe may run when. Pure."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from costwain.adapters.kube import Object

Kind = Literal["startup", "readiness", "liveness"]
KINDS: tuple[Kind, ...] = ("startup", "readiness", "liveness")


@dataclass(frozen=True)
class ProbeSpec:
    """One probe with Kubernetes' own defaults; times in wall seconds."""

    kind: Kind
    action: Object
    initial_delay_s: float = 0
    period_s: float = 10
    timeout_s: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace_s: int | None = None  # overrides the pod's grace period when this probe kills the container

    @classmethod
    def of(cls, container: Object, kind: Kind) -> Self | None:
        """The container's probe of that kind, or None where it has none."""
        probe = container.get(f"{kind}Probe")
        if probe is None:
            return None
        return cls(
            kind=kind,
            action=probe,
            initial_delay_s=probe.get("initialDelaySeconds", 0),
            period_s=probe.get("periodSeconds", 10),
            timeout_s=probe.get("timeoutSeconds", 1),
            success_threshold=probe.get("successThreshold", 1),
            failure_threshold=probe.get("failureThreshold", 3),
            grace_s=probe.get("terminationGracePeriodSeconds"),
        )


@dataclass(frozen=True)
class Tally:
    """A verdict and the answers in a row that may change it.

    `passing` is the verdict that holds: None until a startup probe has one, False for a readiness probe and
    True for a liveness probe before the first answer, as in a kubelet.
    """

    passing: bool | None
    last: bool | None = None
    in_a_row: int = 0

    @classmethod
    def fresh(cls, kind: Kind) -> "Tally":
        """The verdict of a container that has just started."""
        return cls({"startup": None, "readiness": False, "liveness": True}[kind])

    def answered(self, success: bool, spec: ProbeSpec) -> "Tally":
        """The tally after one more answer; the verdict turns only when its threshold is met."""
        in_a_row = self.in_a_row + 1 if success == self.last else 1
        threshold = spec.success_threshold if success else spec.failure_threshold
        passing = success if in_a_row >= threshold else self.passing
        return replace(self, passing=passing, last=success, in_a_row=in_a_row)


def may_run(kind: Kind, started: bool) -> bool:
    """A startup probe runs until it has passed; the others only from then on."""
    return started != (kind == "startup")


def kills(kind: Kind, tally: Tally) -> bool:
    """Whether this verdict ends the container: a startup or liveness probe that failed for good."""
    return kind != "readiness" and tally.passing is False


def http_success(status: int) -> bool:
    """A kubelet takes 200..399 for success; it would follow a redirect, here the redirect itself counts."""
    return 200 <= status < 400
