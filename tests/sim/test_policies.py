"""Policies: each peer's rule on a row of readings, figures by hand; and what all of them must keep."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.sim.worlds import carries, pool, setup, steady

from costwain.decide.options import Option
from costwain.domain.snapshot import Snapshot
from costwain.sim.arrival import InputError
from costwain.sim.compare import facts_of
from costwain.sim.policies import POLICIES, Facts, policy_of
from costwain.sim.policies.aibrix import AibrixApa
from costwain.sim.policies.base import Peer, View
from costwain.sim.policies.hpa import Hpa
from costwain.sim.policies.keda import Keda
from costwain.sim.policies.knative import KnativeKpa
from costwain.sim.policies.kubeai import KubeAi
from costwain.sim.policies.static import StaticMean, StaticPeak
from costwain.sim.world import World

FACTS = Facts(peak_per_s=25.0, mean_per_s=12.0, mean_input=512, mean_output=128)
OPTION = Option(("full", "h100"), 10.0, 32, 4_000_000, 1, 8, 8, 100.0)
DOCS = Path(__file__).parents[2] / "docs" / "simulate.md"


def view(now_s: float = 0.0, replicas: int = 2, active: int = 0, waiting: int = 0, **change: Any) -> View:
    """Ready replicas with so many requests; the cache of each holds 1000 tokens, a request 10."""
    return View(**{
        "now_s": now_s, "replicas": replicas, "ready": replicas, "waiting": waiting, "active": active,
        "arrivals_per_s": 0.0, "held_tokens": 10.0, "option": OPTION, "kv_tokens": 1000, "least": 1, "most": 100,
        **change,
    })  # fmt: skip


def rounds(peer: Peer, *views: View) -> list[int]:
    return [peer.desired(each) for each in views]


ROWS: dict[str, tuple[Peer, list[View], list[int]]] = {
    "HPA: ceil of the sum over the target": (Hpa(target=10), [view(active=35)], [4]),
    "HPA: a tenth off the target changes nothing": (Hpa(target=10), [view(active=21)], [2]),
    "HPA: at most twice or four more at once": (Hpa(target=10), [view(active=900)], [6]),
    "HPA: down only to the highest of five minutes": (
        Hpa(target=10),
        [view(0, 4, 30), view(15, 4, 5), view(299, 4, 5), view(301, 4, 5)],
        [3, 3, 3, 1],
    ),
    "KEDA: what runs is no matter": (Keda(), [view(active=900, waiting=4), view(30, 2, 0, 21)], [1, 5]),
    "Knative: 70 % of the target": (KnativeKpa(target=10), [view(active=22)], [4]),
    "Knative: twice the load is a panic, which never goes down": (
        KnativeKpa(target=10),
        [view(0, 2, 30), view(10, 5, 3), view(20, 5, 3)],
        [5, 5, 5],
    ),
    "Knative: at most half at once": (KnativeKpa(target=10), [view(0, 8, 7)], [4]),
    "KubeAI: ten minutes of zeros before the start": (KubeAi(target=10), [view(0, 1, 600)], [1]),
    "KubeAI: up with the mean of ten minutes": (
        KubeAi(target=10),
        [view(10 * i, 1, 60) for i in range(60)],
        [max(1, -(-(i + 1) // 10)) for i in range(60)],
    ),
    "KubeAI: down on the fourth lower round": (KubeAi(target=10), [view(10 * i, 3) for i in range(4)], [3, 3, 3, 1]),
    "AIBrix: the cache's use over its target": (AibrixApa(), [view(replicas=4, active=300)], [6]),
    "AIBrix: at most twice": (AibrixApa(target=0.1), [view(replicas=4, active=300)], [8]),
    "AIBrix: down at once, at most to half": (AibrixApa(), [view(replicas=4, active=10)], [2]),
    "AIBrix: a tenth off the target changes nothing": (AibrixApa(), [view(replicas=4, active=210)], [4]),
    "static: the peak": (StaticPeak(FACTS), [view()], [3]),
    "static: the mean": (StaticMean(FACTS), [view()], [2]),
    "static: what was asked": (StaticPeak(FACTS, replicas=7), [view()], [7]),
}  # fmt: skip


@pytest.mark.parametrize(("peer", "views", "want"), ROWS.values(), ids=ROWS)
def test_a_peers_rule(peer: Peer, views: list[View], want: list[int]) -> None:
    assert rounds(peer, *views) == want


class Watched:
    """Notes what a policy asks for."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.most, self.shares = inner, 0, set[tuple[str, int]]()

    def decide(self, snapshot: Snapshot) -> Any:
        plan = self.inner.decide(snapshot)
        self.most = max(self.most, sum(plan.fleets[0].replicas.values()))
        self.shares |= {(v, n) for v, n in plan.fleets[0].shares.items()}
        assert sum(plan.fleets[0].shares.values()) == 100
        return plan


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_serves_a_steady_load_within_the_fleets_ceiling(name: str) -> None:
    given = setup((pool("h100"), pool("mi300x")), scenario={"turnSeconds": 15, "warmUpSeconds": 900})
    load = steady(0.8 * carries(given), 1800, turn_s=15)
    watched = Watched(policy_of(name, facts_of(load, 15)))
    score = World(given, watched).run(load)
    assert 1 <= watched.most <= 8
    assert score.attainment > 0.5
    assert score.lost < 0.02 * score.requests


def test_who_knows_dollars_lowers_the_quality_instead_of_overspending() -> None:
    given = setup(budget={"amount": "5.00", "period": "Hour"}, scenario={"turnSeconds": 15})
    load = steady(2.5 * carries(given), 5400, turn_s=15)
    scores = {name: World(given, policy_of(name, facts_of(load, 15))).run(load) for name in ("infadapter", "no-budget")}
    assert scores["infadapter"].quality is not None
    assert 64.3 <= scores["infadapter"].quality < 72.7
    assert scores["no-budget"].quality == 72.7
    assert (scores["no-budget"].overspend or 0) > 0.3 > (scores["infadapter"].overspend or 0)


def test_one_vendor_keeps_to_one_vendor() -> None:
    given = setup((pool("h100"), pool("mi300x")), scenario={"turnSeconds": 15})
    load = steady(0.5 * carries(given), 900, turn_s=15)
    both, one = (World(given, policy_of(name, facts_of(load, 15))) for name in ("costwain", "one-vendor"))
    both.run(load)
    one.run(load)
    assert {p.place[1] for p in both.pods} == {"mi300x"}
    assert {p.place[1] for p in one.pods} == {"h100"}


def test_without_a_forecast_a_rise_is_followed_late() -> None:
    given = setup(scenario={"turnSeconds": 15, "warmUpSeconds": 900})
    rise = [each for n in range(20) for each in steady((0.8 + 0.3 * n) * carries(given), 60, turn_s=15)]
    load = [*steady(0.8 * carries(given), 1800, turn_s=15), *rise]
    ours, blind = (World(given, policy_of(name, facts_of(load, 15))).run(load) for name in ("costwain", "no-forecast"))
    assert 1 - blind.attainment > 2 * (1 - ours.attainment)
    assert blind.dollars < ours.dollars


def test_every_policy_is_in_the_docs() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in POLICIES if f"`{name}`" not in text] == []


def test_settings_are_checked() -> None:
    assert policy_of("hpa:target=12,down_s=60", FACTS) == Hpa(target=12, down_s=60)
    with pytest.raises(InputError, match="want a setting among none"):
        policy_of("costwain:speed=1", FACTS)


def test_the_busiest_five_minutes_of_a_trace() -> None:
    load = [*steady(1.0, 600), *steady(5.0, 300), *steady(1.0, 600)]
    facts = facts_of(load, 10.0)
    assert facts.peak_per_s == pytest.approx(5.0)
    assert facts.mean_per_s == pytest.approx(1.8)
    assert replace(facts, peak_per_s=0.0).shape.input_tokens == 512


def test_a_move_in_the_last_seconds_of_an_hour_is_paid_with_what_it_replaces() -> None:
    budget, scaling = {"amount": "3.02", "period": "Hour"}, {"minReplicas": 0, "maxReplicas": 8}
    given = setup((pool("h100"), pool("mi300x")), budget=budget, scaling=scaling)
    stretches = ((0.2, 1440), (6.0, 2160), (0.1, 3600))
    load = [each for part, s in stretches for each in steady(part * carries(given), s)]
    assert World(given, policy_of("costwain", facts_of(load, 10))).run(load).overspend == 0


def test_a_warm_up_longer_than_the_trace_is_refused() -> None:
    given = setup(scenario={"warmUpSeconds": 3600})
    with pytest.raises(InputError, match=r"want at most the trace's 600 s \(found 3600\)"):
        World(given, policy_of("costwain", FACTS)).run(steady(1.0, 600))
