"""When a container is restarted, how long that waits, and when a pod that must go is killed. Pure."""

from dataclasses import dataclass

from costwain.local.node.specs import Timing

# After preStop has used up the grace period a container still gets this long between SIGTERM and SIGKILL.
MINIMUM_TERM_S = 2.0
DEFAULT_GRACE_S = 30


def restarts(policy: str, exit_code: int) -> bool:
    """Whether a container that ended on its own is started again (pod.spec.restartPolicy)."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


@dataclass(frozen=True)
class BackOff:
    """How many crashes in a row there were; the first restart is at once, then base, 2 x base, ... to the cap."""

    crashes: int = 0

    def after_run(self, ran_s: float, timing: Timing) -> "BackOff":
        """A run that lasted long enough starts the count afresh."""
        return BackOff(1 if ran_s >= timing.back_off_reset_s else self.crashes + 1)

    def wait_s(self, timing: Timing) -> float:
        """Seconds to wait before the next start.

        >>> [BackOff(n).wait_s(Timing(back_off_s=1, back_off_cap_s=6)) for n in range(6)]
        [0, 0, 1.0, 2.0, 4.0, 6]
        """
        if self.crashes < 2:
            return 0
        return min(timing.back_off_cap_s, timing.back_off_s * 2.0 ** min(self.crashes - 2, 32))


@dataclass
class Grace:
    """The time a terminating pod has: `began_s` and what callers pass are monotonic seconds.

    The whole period, preStop included, counts from when the node saw the deletion. A later delete may
    shorten it, never lengthen it.
    """

    began_s: float
    grace_s: float

    def shorten(self, grace_s: float) -> None:
        self.grace_s = min(self.grace_s, grace_s)

    def left_s(self, now_s: float, term_s: float | None = None) -> float:
        """Seconds until SIGKILL is due, 0 when it is: at the end of the period, but 2 s after SIGTERM at the soonest.

        >>> Grace(began_s=100, grace_s=30).left_s(110), Grace(100, 30).left_s(131, term_s=130)
        (20, 1.0)
        """
        end_s = self.began_s + self.grace_s
        return max(0, (end_s if term_s is None else max(end_s, term_s + MINIMUM_TERM_S)) - now_s)
