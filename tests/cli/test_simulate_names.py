"""`costwain simulate`: names that mean nobody, or two, and loads beyond all counting."""

from pathlib import Path

import pytest
from tests.cli.test_simulate import FLEET, POOL, written
from tests.cli.test_simulate_bad_input import refused
from tests.sim.test_servegen import FLAT, LENGTHS, RATES

NAMES: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "a fleet without a name": ({}, {"metadata": {}}, "ModelDeployment: metadata.name: want a text (found None)"),
    "a name that is a number": ({}, {"metadata": {"name": 1}}, "ModelDeployment: metadata.name: want a text (found 1)"),
    "a namespace that is a number": (
        {}, {"metadata": {"name": "chat", "namespace": 1}}, "metadata.namespace: want a text (found 1)",
    ),
    "the same fleet twice, once with no namespace said and once with the one that means": (
        {}, {"metadata": {"name": "chat", "namespace": None}}, "want every object once (found ModelDeployment default/",
    ),
    "a pool twice, in namespaces that it has none of": (
        {"metadata": {"name": "h100", "namespace": "a"}}, {"metadata": {"name": "x"}},
        "want every object once (found AcceleratorPool h100 again)",
    ),
    "a fleet that is called as the sum": (
        {"metadata": {"name": "other"}}, {"metadata": {"name": "all"}}, "ModelDeployment all: want another name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pool", "fleet", "what"), NAMES.values(), ids=NAMES)
def test_a_name_that_means_nobody(tmp_path: Path, pool: dict[str, object], fleet: dict[str, object], what: str) -> None:
    others = [{**POOL, **pool}] if pool else []
    path = written(tmp_path / "fleet.yaml", POOL, *others, FLEET, {**FLEET, **fleet})
    assert what in refused(tmp_path, path, "--trace", "chat=synthetic:step", "--trace", "all=synthetic:step")


def test_a_trace_needs_a_name(tmp_path: Path) -> None:
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    assert refused(tmp_path, fleet, "--trace", "") == "--trace: want a file or synthetic:... (found '')"


def test_a_load_beyond_counting(tmp_path: Path) -> None:
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    said = refused(tmp_path, fleet, "--trace", "synthetic:step", "--scale", "1e300")
    assert said == "scale: want a positive number, at most 10000000 (found 1e+300)"


def test_a_load_that_the_event_engine_can_not_follow(tmp_path: Path) -> None:
    rates = tmp_path / "w-rates.csv"
    rates.write_text(RATES + "0,0,9000000,1,Gamma,1,1\n", encoding="utf-8")
    (tmp_path / "w-lengths.csv").write_text(LENGTHS + f"0,0,{FLAT}\n", encoding="utf-8")
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    said = refused(tmp_path, fleet, "--trace", str(rates), "--engine", "event")
    assert said == f"{rates}: want at most 20000000 requests where each is followed (found 5.4e+09 or more)"
