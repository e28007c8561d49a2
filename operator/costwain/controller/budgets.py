"""Shared budgets as the cluster has them: read into the Snapshot, and their status written back."""

from collections.abc import Mapping, Set
from typing import Any

from pydantic import ValidationError

from costwain.adapters.resources import INFERENCE_BUDGETS, MODEL_DEPLOYMENTS
from costwain.controller.cache import Cache, Key
from costwain.controller.hands import Hands
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.plan import BudgetPlan
from costwain.domain.pool import InferenceBudgetSpec
from costwain.domain.snapshot import SharedBudget, Undecided
from costwain.render.budget_status import budget_status, budget_verdicts
from costwain.render.conditions import stamped

Object = dict[str, Any]


def shared_budgets(cache: Cache) -> tuple[SharedBudget, ...]:
    """Every budget that can be used, by name."""
    found = {name: _read(obj) for (_, name), obj in sorted(cache.all(INFERENCE_BUDGETS).items()) if not _going(obj)}
    return tuple(SharedBudget(name, spec) for name, spec in found.items() if isinstance(spec, InferenceBudgetSpec))


def undecided_bills(cache: Cache, ledgers: Mapping[Key, SpendLedgerSpec], decided: Set[Key]) -> tuple[Undecided, ...]:
    """Ledgers of fleets that are deleted or can't be used, as far as they say anything of the last two days."""
    fleets = cache.all(MODEL_DEPLOYMENTS)
    return tuple(
        Undecided(*key, ledger.model_copy(update={"days": []}), stays=key in fleets and not _going(fleets[key]))
        for key, ledger in sorted(ledgers.items())
        if key not in decided and (ledger.open or ledger.closed)
    )


def labels_of(cache: Cache, key: Key) -> dict[str, str] | None:
    """The labels of a fleet; None where it is gone."""
    fleet = cache.all(MODEL_DEPLOYMENTS).get(key)
    return None if fleet is None else dict(fleet["metadata"].get("labels") or {})


async def report_budgets(hands: Hands, plans: tuple[BudgetPlan, ...], wall_s: float) -> None:
    """Writes the status of every shared budget that changed, and why one can't be used."""
    by_name = {plan.name: plan for plan in plans}
    for (_, name), owner in sorted(hands.cache.all(INFERENCE_BUDGETS).items()):
        spec, plan = _read(owner), by_name.get(name)
        if isinstance(spec, str):
            status, verdicts = {}, [("Ready", "False", "InvalidSpec", spec)]
        elif plan is not None:
            status, verdicts = budget_status(plan), budget_verdicts(plan)
        else:  # it came or goes while the turn was being decided
            continue
        generation, before = owner["metadata"]["generation"], owner.get("status", {}).get("conditions", [])
        conditions = stamped(verdicts, before, generation, wall_s)
        await hands.statuses.write(
            owner, {"observedGeneration": generation, "conditions": conditions, **status}, wall_s
        )


def _read(obj: Object) -> InferenceBudgetSpec | str:
    """The spec, or the sentence that says why it can't be used."""
    try:
        return InferenceBudgetSpec.model_validate(obj["spec"])
    except ValidationError as error:
        return "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


def _going(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))
