"""Restart policies, back-off and grace periods, all as arithmetic."""

import pytest

from costwain.local.node.specs import Timing
from costwain.local.node.timing import BackOff, Grace, restarts

POLICIES = {  # story: (policy, exit code, restarted)
    "Always comes back from success: vLLM exits 0 when its engine dies": ("Always", 0, True),
    "Always comes back from failure": ("Always", 1, True),
    "OnFailure leaves success alone": ("OnFailure", 0, False),
    "OnFailure retries failure": ("OnFailure", 137, True),
    "Never means never": ("Never", 1, False),
}


@pytest.mark.parametrize(("policy", "code", "wanted"), POLICIES.values(), ids=POLICIES)
def test_restart_policy(policy: str, code: int, wanted: bool) -> None:
    assert restarts(policy, code) is wanted


def waits(runs_s: list[float], timing: Timing) -> list[float]:
    """The wait before each restart, after runs that lasted so long."""
    back_off, found = BackOff(), []
    for ran_s in runs_s:
        back_off = back_off.after_run(ran_s, timing)
        found.append(back_off.wait_s(timing))
    return found


KUBELET = Timing(back_off_s=10, back_off_cap_s=300, back_off_reset_s=600)
WAITS = {  # story: (run lengths in s, waits in s)
    "the first restart is at once, then the wait doubles": ([0, 0, 0, 0], [0, 10, 20, 40]),
    "up to a cap": ([0] * 9, [0, 10, 20, 40, 80, 160, 300, 300, 300]),
    "a long run forgives": ([0, 0, 0, 601, 0], [0, 10, 20, 0, 10]),
    "a run just short of that doesn't": ([0, 0, 599], [0, 10, 20]),
}


@pytest.mark.parametrize(("runs_s", "wanted"), WAITS.values(), ids=WAITS)
def test_back_off(runs_s: list[float], wanted: list[float]) -> None:
    assert waits(runs_s, KUBELET) == wanted


def test_back_off_of_a_thousand_crashes_is_still_the_cap() -> None:
    assert BackOff(1000).wait_s(KUBELET) == 300


GRACES = {  # story: (grace in s, SIGTERM sent after, now after, seconds left)
    "before SIGTERM the whole period counts": (30, None, 10, 20),
    "after a short preStop the end stays the same": (30, 5, 10, 20),
    "preStop took it all: 2 s are left after SIGTERM": (30, 30, 30, 2),
    "and no more than that": (30, 30, 33, 0),
    "a period of one second still gives 2 s": (1, 0, 0, 2),
}


@pytest.mark.parametrize(("grace_s", "term_s", "now_s", "left_s"), GRACES.values(), ids=GRACES)
def test_time_until_sigkill(grace_s: float, term_s: float | None, now_s: float, left_s: float) -> None:
    grace = Grace(began_s=1000, grace_s=grace_s)
    assert grace.left_s(1000 + now_s, None if term_s is None else 1000 + term_s) == left_s


def test_a_second_delete_shortens_the_period_but_never_lengthens_it() -> None:
    grace = Grace(began_s=0, grace_s=30)
    grace.shorten(10)
    grace.shorten(60)
    assert grace.left_s(4) == 6
