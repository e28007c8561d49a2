"""Shared budgets out of the cache, the bills of fleets on which nobody decides, and what the status says."""

from typing import Any

import pytest
from tests.specs import model_deployment

from costwain.adapters.resources import INFERENCE_BUDGETS, MODEL_DEPLOYMENTS
from costwain.controller.budgets import labels_of, shared_budgets, undecided_bills
from costwain.controller.cache import Cache
from costwain.controller.observe import Known, Parsed, Standing, observe
from costwain.domain.ledger import DaySum, Line, SpendLedgerSpec
from costwain.domain.plan import BudgetPlan, Share, Why
from costwain.domain.status import InferenceBudgetStatus
from costwain.render.budget_status import budget_status, budget_verdicts

GOING = {"deletionTimestamp": "2026-11-24T10:00:00Z"}
LINE = Line(uid="u", pod="p", variant="full", pool="h100", accelerators=1, hourly_micro=1, since_milliseconds=0,
            metered_through_milliseconds=0)  # fmt: skip
BILL = SpendLedgerSpec(open=[LINE], days=[DaySum(
    date="2026-11-20", variant="full", pool="h100", capacity_type="Spot", accelerator_milliseconds=1, amount_micro=1,
)])  # fmt: skip


def put(cache: Cache, name: str, spec: dict[str, Any], **metadata: Any) -> None:
    shared = "amount" in spec
    where = {} if shared else {"namespace": "default"}
    about = {"name": name, "uid": name, "generation": 1, **where, **metadata}
    cache.put(INFERENCE_BUDGETS if shared else MODEL_DEPLOYMENTS, {"metadata": about, "spec": spec}, 0.0)


def test_budgets_that_can_be_used_by_name() -> None:
    cache = Cache()
    put(cache, "team", {"amount": "5", "selector": {"matchLabels": {"team": "blue"}}})
    put(cache, "all", {"amount": "100.00"})
    put(cache, "odd", {"amount": "5", "period": "Week"})
    put(cache, "going", {"amount": "5"}, **GOING)
    assert [b.name for b in shared_budgets(cache)] == ["all", "team"]
    assert shared_budgets(cache)[1].spec.selector.match_labels == {"team": "blue"}


def test_bills_on_which_nobody_decides() -> None:
    """Deleted, being deleted, and one whose spec can't be used; a ledger without recent lines says nothing."""
    cache = Cache()
    put(cache, "good", model_deployment())
    put(cache, "going", model_deployment(), **GOING)
    put(cache, "odd", {"variants": []})
    ledgers = {("default", name): BILL for name in ("good", "going", "odd", "gone")}
    ledgers["default", "old"] = BILL.model_copy(update={"open": []})
    found = undecided_bills(cache, ledgers, {("default", "good")})
    assert [(x.name, x.stays) for x in found] == [("going", False), ("gone", False), ("odd", True)]
    assert {len(x.ledger.days) for x in found} == {0}


def test_the_snapshot_has_them_and_the_fleets_labels() -> None:
    cache = Cache()
    put(cache, "chat", model_deployment(), labels={"team": "blue"})
    known = Known({}, {("default", "gone"): BILL}, {})
    nothing = Standing({}, {})
    without, _ = observe(cache, Parsed(), nothing, known, 0.0)
    assert (without.budgets, without.undecided) == ((), ())
    put(cache, "team", {"amount": "5"})
    snapshot, _ = observe(cache, Parsed(), nothing, known, 0.0)
    assert [b.name for b in snapshot.budgets] == ["team"]
    assert [x.name for x in snapshot.undecided] == ["gone"]
    assert snapshot.fleets[0].labels == {"team": "blue"}
    assert labels_of(cache, ("default", "chat")) == {"team": "blue"}
    assert labels_of(cache, ("default", "gone")) is None


SPLIT = BudgetPlan(
    name="team", start_s=0, end_s=3600, limit_micro=9_000_000, spent_micro=3_204_999, reserved_micro=0,
    forecast_micro=8_100_000, shares=(Share("default", "chat", 3_204_999, 5_795_001),),
)  # fmt: skip


def test_the_status_is_what_its_class_says() -> None:
    status = budget_status(SPLIT)
    assert status == {
        "periodStart": "1970-01-01T00:00:00Z",
        "periodEnd": "1970-01-01T01:00:00Z",
        "spent": "3.20",
        "forecast": "8.10",
        "percent": 35,
        "members": 1,
        "shares": [{"namespace": "default", "name": "chat", "spent": "3.20", "left": "5.80"}],
    }
    InferenceBudgetStatus.model_validate(status)


WITHIN = ("WithinBudget", "True", "WithinBudget", "$3.20 of $9.00 spent, forecast $8.10")
VERDICTS = {  # story: (what differs, conditions)
    "all is well": ({}, [("Ready", "True", "Shared", "1 fleet shares what is left"), WITHIN]),
    "a clock that nobody knows": (
        {"problems": (Why("InvalidBudget", "timeZone: unknown"),)},
        [("Ready", "False", "InvalidBudget", "timeZone: unknown"), WITHIN],
    ),
    "a floor cost more": (
        {"spent_micro": 9_500_000},
        [
            ("Ready", "True", "Shared", "1 fleet shares what is left"),
            ("WithinBudget", "False", "Overspent", "$9.50 of $9.00 spent, forecast $8.10"),
        ],
    ),
}


@pytest.mark.parametrize(("differs", "want"), VERDICTS.values(), ids=VERDICTS)
def test_conditions(differs: dict[str, Any], want: list[tuple[str, str, str, str]]) -> None:
    assert budget_verdicts(BudgetPlan(**{**vars(SPLIT), **differs})) == want
