"""Probe verdicts: how many answers in a row turn them, and which probe may run when."""

import pytest

from costwain.local.node.probes import Kind, ProbeSpec, Tally, http_success, kills, may_run


def verdicts(kind: Kind, answers: str, success: int = 1, failure: int = 3) -> str:
    """The verdict after each answer: + passing, - failing, ? none yet."""
    spec = ProbeSpec(kind, {}, success_threshold=success, failure_threshold=failure)
    tally, shown = Tally.fresh(kind), ""
    for answer in answers:
        tally = tally.answered(answer == "+", spec)
        shown += {True: "+", False: "-", None: "?"}[tally.passing]
    return shown


VERDICTS = {  # story: (kind, answers, thresholds, verdicts)
    "ready at the first success": ("readiness", "--+", {}, "--+"),
    "stays ready through two failures": ("readiness", "+--+", {}, "++++"),
    "the third failure in a row ends readiness": ("readiness", "+---", {}, "+++-"),
    "a success in between starts the count afresh": ("readiness", "+--+--+", {}, "+++++++"),
    "two successes wanted: one is not enough": ("readiness", "+-++", {"success": 2}, "---+"),
    "alive until proven dead": ("liveness", "---", {}, "++-"),
    "one failure kills where the threshold is one": ("liveness", "+-", {"failure": 1}, "+-"),
    "starting: no verdict before the threshold": ("startup", "----", {"failure": 4}, "???-"),
    "starting: the first success is enough": ("startup", "--+", {}, "??+"),
}


@pytest.mark.parametrize(("kind", "answers", "thresholds", "wanted"), VERDICTS.values(), ids=VERDICTS)
def test_verdicts(kind: Kind, answers: str, thresholds: dict[str, int], wanted: str) -> None:
    assert verdicts(kind, answers, **thresholds) == wanted


FATAL = {  # story: (kind, verdict, fatal)
    "a failed startup probe": ("startup", False, True),
    "a startup probe without a verdict": ("startup", None, False),
    "a failed liveness probe": ("liveness", False, True),
    "a failed readiness probe": ("readiness", False, False),
    "a passing liveness probe": ("liveness", True, False),
}


@pytest.mark.parametrize(("kind", "passing", "fatal"), FATAL.values(), ids=FATAL)
def test_only_startup_and_liveness_kill(kind: Kind, passing: bool | None, fatal: bool) -> None:
    assert kills(kind, Tally(passing)) is fatal


@pytest.mark.parametrize(
    ("kind", "before", "after"), [("startup", True, False), ("readiness", False, True), ("liveness", False, True)]
)
def test_the_startup_probe_comes_first_and_alone(kind: Kind, before: bool, after: bool) -> None:
    assert (may_run(kind, started=False), may_run(kind, started=True)) == (before, after)


def test_defaults_are_those_of_kubernetes() -> None:
    probe = ProbeSpec.of({"livenessProbe": {"httpGet": {"port": 1}}}, "liveness")
    assert probe is not None
    found = (probe.initial_delay_s, probe.period_s, probe.timeout_s, probe.success_threshold, probe.failure_threshold)
    assert found == (0, 10, 1, 1, 3)
    assert ProbeSpec.of({}, "liveness") is None


@pytest.mark.parametrize(("status", "wanted"), [(199, False), (200, True), (302, True), (399, True), (400, False)])
def test_http_success(status: int, wanted: bool) -> None:
    assert http_success(status) is wanted
