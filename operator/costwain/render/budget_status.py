"""Status of an InferenceBudget: what was spent of it, by whom, and what is left for whom."""

from typing import Any

from costwain.domain.money import decimal_of, dollars
from costwain.domain.plan import BudgetPlan, Share
from costwain.render.conditions import Verdict, rfc3339

SHARES_MOST = 256


def budget_status(plan: BudgetPlan) -> dict[str, Any]:
    """The status without its conditions and generation."""
    return {
        "periodStart": rfc3339(plan.start_s),
        "periodEnd": rfc3339(plan.end_s),
        "spent": decimal_of(_cents(plan.spent_micro)),
        "forecast": decimal_of(_cents(plan.forecast_micro)),
        "percent": plan.spent_micro * 100 // plan.limit_micro if plan.limit_micro else 0,
        "members": len(plan.shares),
        "shares": [_share(share) for share in plan.shares[:SHARES_MOST]],
    }


def budget_verdicts(plan: BudgetPlan) -> list[Verdict]:
    """Its conditions."""
    return [_ready(plan), _within(plan)]


def _ready(plan: BudgetPlan) -> Verdict:
    if plan.problems:
        return "Ready", "False", plan.problems[0].code, "; ".join(problem.sentence for problem in plan.problems)
    fleets = "1 fleet shares" if len(plan.shares) == 1 else f"{len(plan.shares)} fleets share"
    return "Ready", "True", "Shared", f"{fleets} what is left"


def _within(plan: BudgetPlan) -> Verdict:
    text = f"{dollars(plan.spent_micro)} of {dollars(plan.limit_micro)} spent, forecast {dollars(plan.forecast_micro)}"
    if plan.spent_micro > plan.limit_micro:
        return "WithinBudget", "False", "Overspent", text
    return "WithinBudget", "True", "WithinBudget", text


def _share(share: Share) -> dict[str, str]:
    return {
        "namespace": share.namespace,
        "name": share.name,
        "spent": decimal_of(_cents(share.spent_micro)),
        "left": decimal_of(_cents(share.left_micro)),
    }


def _cents(micro: int) -> int:
    """Rounded to the cent: the ledger is exact, the status is for people."""
    return round(micro / 10_000) * 10_000
