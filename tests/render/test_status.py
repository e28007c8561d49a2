"""Status as kubectl, kstatus and Helm read it."""

from dataclasses import replace
from typing import Any

import pytest

from costwain.domain.api import SecretRef
from costwain.domain.gateway import GatewayTls
from costwain.domain.ledger import Line, SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.plan import FleetPlan, Money, Why
from costwain.domain.pool import Price
from costwain.domain.snapshot import Fleet, Load, Replica, State
from costwain.domain.spec import ModelDeploymentSpec
from costwain.render.status import Seen, conditions, status

SPEC = ModelDeploymentSpec.model_validate(
    {
        "variants": [
            {"name": n, "model": {"uri": "hf://Qwen/Qwen3-8B"}, "quality": q, "placements": [{"pool": "h100"}]}
            for n, q in (("full", "70"), ("small", "60"))
        ]
    }
)
SEEN = Seen(gateway_ready=True, prices={}, before={}, now_s=0.0, wall_s=0.0)


def replica(state: State, variant: str = "full") -> Replica:
    return Replica(f"{variant}-{state.value}", f"{variant}-{state.value}", variant, "h100", state, 0.0)


def fleet(*replicas: Replica) -> Fleet:
    return Fleet("default", "chat", "u", 3, SPEC, load=Load(1.0, {"full": 2}, {"full": 5}), replicas=replicas)


def plan(**differs: Any) -> FleetPlan:
    calm: dict[str, Any] = {
        "target": "full",
        "replicas": {("full", "h100"): 1},
        "shares": {"full": 100},
        "slots": {},
        "memory": Memory(),
        "money": Money(hourly_micro=0),
        "reasons": (Why("Serves", "full serves"),),
    }
    return FleetPlan("default", "chat", **{**calm, **differs})


READY = replica(State.READY)


def keyed(keys: int | None) -> Fleet:
    """A fleet with a Secret of API keys, of which its gateway knows so many."""
    gateway = SPEC.gateway.model_copy(update={"api_keys_secret_ref": SecretRef(name="chat-keys")})
    spec = SPEC.model_copy(update={"gateway": gateway})
    return replace(fleet(READY), spec=spec, load=Load(1.0, {}, {}, api_keys=keys))


def bare(*replicas: Replica) -> Fleet:
    """A fleet that wants no gateway."""
    spec = SPEC.model_dump(by_alias=True, exclude_none=True) | {"gateway": {"mode": "None"}}
    spec["scaling"]["minReplicas"] = 1
    return replace(fleet(*replicas), spec=ModelDeploymentSpec.model_validate(spec))


GATELESS = replace(SEEN, gateway_ready=False)
EXHAUSTED = Why("BudgetExhausted", "$0.00 is left in this period: nothing runs until the next one")
CASES: dict[str, tuple[Fleet, FleetPlan, Seen, str, tuple[str, str]]] = {
    "a ready replica serves": (fleet(READY), plan(), SEEN, "Ready", ("True", "Serving")),
    "idle at zero is ready, the gateway holds": (
        fleet(),
        plan(replicas={}, reasons=(Why("Idle", "idle"),)),
        SEEN,
        "Ready",
        ("True", "ScaledToZero"),
    ),
    "starting is not ready": (fleet(replica(State.STARTING)), plan(), SEEN, "Ready", ("False", "Starting")),
    "without a gateway nothing is ready": (
        fleet(READY),
        plan(),
        replace(SEEN, gateway_ready=False),
        "Ready",
        ("False", "GatewayNotReady"),
    ),
    "out of money says so": (
        fleet(),
        plan(replicas={}, reasons=(Why("Serves", "x"), EXHAUSTED)),
        SEEN,
        "Ready",
        ("False", "BudgetExhausted"),
    ),
    "settled is not reconciling": (fleet(READY), plan(), SEEN, "Reconciling", ("False", "Settled")),
    "a moving share reconciles": (
        fleet(READY, replica(State.READY, "small")),
        plan(shares={"full": 50, "small": 50}, replicas={("full", "h100"): 1, ("small", "h100"): 1}),
        SEEN,
        "Reconciling",
        ("True", "Changing"),
    ),
    "what only the user can mend stalls": (
        fleet(),
        plan(problems=(Why("UnknownPool", "full: there is no AcceleratorPool 'h900'"),)),
        SEEN,
        "Stalled",
        ("True", "UnknownPool"),
    ),
    "rules that bar every variant are the user's": (
        fleet(),
        plan(reasons=(Why("NoVariant", "no variant could serve: full: quality 72.7 is below minQuality 80"),)),
        SEEN,
        "Stalled",
        ("True", "NoVariant"),
    ),
    "waiting for accelerators never stalls": (
        fleet(),
        plan(reasons=(Why("AcceleratorsShort", "short"),)),
        SEEN,
        "Stalled",
        ("False", "NoProblem"),
    ),
    "overspent is not within budget": (
        fleet(READY),
        plan(money=Money(0, 0.0, 3600.0, 5_000_000, 0, 4_000_000, 5_000_000, 0)),
        SEEN,
        "WithinBudget",
        ("False", "Overspent"),
    ),
    "another autoscaler is a conflict": (
        fleet(READY),
        plan(),
        replace(SEEN, rival="chat-hpa"),
        "ScalerConflict",
        ("True", "OtherScaler"),
    ),
    "no usable API key: nobody is served": (keyed(0), plan(), SEEN, "Ready", ("False", "NoApiKeys")),
    "and only a person can mend that": (keyed(0), plan(), SEEN, "Stalled", ("True", "NoApiKeys")),
    "one key is enough": (keyed(1), plan(), SEEN, "Stalled", ("False", "NoProblem")),
    "a gateway that says nothing of keys is not blamed": (keyed(None), plan(), SEEN, "Ready", ("True", "Serving")),
    "alone there is no conflict": (fleet(READY), plan(), SEEN, "ScalerConflict", ("False", "Alone")),
    "who wants no gateway doesn't wait for one": (bare(READY), plan(), GATELESS, "Ready", ("True", "Serving")),
    "and is told what goes without": (bare(READY), plan(), GATELESS, "GatewayManaged", ("False", "NoGateway")),
    "a gateway of ours can do it all": (fleet(READY), plan(), SEEN, "GatewayManaged", ("True", "Managed")),
    "a cheaper variant degrades": (
        fleet(READY),
        plan(shares={"small": 100}),
        SEEN,
        "Degraded",
        ("True", "BelowBest"),
    ),
}


@pytest.mark.parametrize(("given", "decided", "seen", "kind", "want"), CASES.values(), ids=CASES)
def test_conditions(given: Fleet, decided: FleetPlan, seen: Seen, kind: str, want: tuple[str, str]) -> None:
    found = next(c for c in conditions(given, decided, seen) if c["type"] == kind)
    assert (found["status"], found["reason"]) == want
    assert found["observedGeneration"] == 3


def test_the_transition_time_moves_only_with_the_status() -> None:
    before = {"conditions": conditions(fleet(READY), plan(), SEEN)}
    later = conditions(fleet(), plan(), replace(SEEN, before=before, wall_s=60.0))
    times = {c["type"]: c["lastTransitionTime"] for c in later}
    assert times["Ready"] == "1970-01-01T00:01:00Z"
    assert times["Stalled"] == "1970-01-01T00:00:00Z"


def test_money_in_the_status_is_rounded_and_unknown_is_absent() -> None:
    money = Money(7_370_000, 0.0, 3600.0, 1_234_567, 0, 4_000_000, 3_999_999, 5_000_000)
    cost = status(fleet(READY), plan(money=money), SEEN)["cost"]
    assert (cost["hourly"], cost["spent"], cost["limit"], cost["percent"]) == ("7.37", "1.23", "4.00", 30)
    assert "perMillionTokens" not in cost


def test_dollars_a_million_tokens_are_what_the_tokens_of_now_cost() -> None:
    busy = replace(fleet(READY), load=Load(1.0, {}, {}, tokens_per_s=1000.0))
    assert status(busy, plan(money=Money(hourly_micro=3_600_000)), SEEN)["cost"]["perMillionTokens"] == "1.00"


def test_prices_say_where_they_are_from_and_how_old_they_are() -> None:
    line = {"uid": "u", "pod": "p", "variant": "full", "accelerators": 1, "hourly_micro": 1}
    lines = [Line(**line, pool=p, since_milliseconds=0, metered_through_milliseconds=0) for p in ("h100", "mi300x")]
    prices = {
        "h100": Price(amount="1", source="list", as_of="2026-05-24T00:00:00Z"),
        "mi300x": Price(amount="1", source="contract", as_of="2026-01-01T00:00:00Z"),
    }
    running = replace(fleet(READY), ledger=SpendLedgerSpec(open=lines))
    cost = status(running, plan(), replace(SEEN, prices=prices))["cost"]
    assert (cost["priceSource"], cost["priceAsOf"]) == ("list, contract", "2026-01-01T00:00:00Z")


def test_without_readings_the_queue_is_absent_not_zero() -> None:
    blind = replace(fleet(READY), load=None)
    assert status(blind, plan(), SEEN)["queue"] == {}


def test_the_url_says_what_the_gateway_speaks() -> None:
    gateway = SPEC.gateway.model_copy(update={"tls": GatewayTls(secret_ref=SecretRef(name="chat-tls"))})
    secured = replace(fleet(), spec=SPEC.model_copy(update={"gateway": gateway}))
    urls = [status(given, plan(), SEEN)["url"] for given in (fleet(), secured)]
    assert urls == ["http://chat.default.svc", "https://chat.default.svc"]


def test_without_a_gateway_each_variant_has_an_address_and_its_share_is_what_a_router_should_give_it() -> None:
    said = status(bare(READY), plan(shares={"full": 25, "small": 75}), GATELESS)
    assert said["url"] == ""
    assert [(v["url"], v["sharePercent"]) for v in said["variants"]] == [
        ("http://chat-full-engines.default.svc", 25),
        ("http://chat-small-engines.default.svc", 75),
    ]
    assert all("url" not in v for v in status(fleet(READY), plan(), SEEN)["variants"])


def test_nobody_is_said_to_hold_requests_where_there_is_no_gateway() -> None:
    found = {c["type"]: c for c in conditions(bare(replica(State.STARTING)), plan(), GATELESS)}
    assert found["Ready"]["message"] == "1 replicas are starting"
    assert "no scale from zero, no exact queue, no enforced shares" in found["GatewayManaged"]["message"]
