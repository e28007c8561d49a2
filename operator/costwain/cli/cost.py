"""`costwain cost`: what was spent, by variant and pool, from the ledgers."""

import os
from dataclasses import dataclass

import click
from pydantic import ValidationError

from costwain.adapters.clock import Clock
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import INFERENCE_BUDGETS, MODEL_DEPLOYMENTS, SPEND_LEDGERS
from costwain.cli.format import Object, key_of, shared_budget_line
from costwain.cli.reads import Where, find, run, where_options
from costwain.cli.spend import Bill, past_lines, spend_lines
from costwain.decide.window import window
from costwain.domain.ledger import RETENTION_DAYS, SpendLedgerSpec
from costwain.domain.money import micro_of

UNSEEN = (403, 404)


@dataclass(frozen=True)
class _Found:
    ledgers: list[Object]
    budgets: dict[str, Object]  # by namespace/name; a deleted fleet still has its ledger
    shared: list[Object]


@click.command()
@where_options
@click.option("--days", type=click.IntRange(1, RETENTION_DAYS), help="Spend of the last days (UTC) instead.")
def cost(at: Where, days: int | None) -> None:
    """Show what was spent in the budget's period, by variant and pool; deleted fleets included."""
    now_s = Clock.from_env(os.environ).now_s()
    found = run(lambda kube: _read(kube, at))
    if not found.ledgers:
        click.echo(f"no SpendLedgers in {'any namespace' if at.namespace is None else f'namespace {at.namespace}'}")
    for i, item in enumerate(found.ledgers):
        lines = _lines(item, found.budgets.get(key_of(item)), days, now_s)
        click.echo("\n".join(([""] if i else []) + lines))
    if found.shared and days is None:
        click.echo("\n".join(["", *map(shared_budget_line, found.shared)]))


async def _read(kube: Kube, at: Where) -> _Found:
    ledgers = await find(kube, SPEND_LEDGERS, at)
    fleets = await find(kube, MODEL_DEPLOYMENTS, Where(None, at.namespace))
    budgets = {key_of(fleet): fleet["spec"].get("budget") or {} for fleet in fleets}
    return _Found(ledgers, budgets, [] if at.name else await _shared(kube))


async def _shared(kube: Kube) -> list[Object]:
    """Shared budgets belong to the whole cluster: not everybody may see them, and not every cluster knows them."""
    try:
        items, _ = await kube.list(INFERENCE_BUDGETS)
    except ApiError as error:
        if error.status not in UNSEEN:
            raise
        return []
    return sorted(items, key=key_of)


def _lines(item: Object, budget: Object | None, days: int | None, now_s: float) -> list[str]:
    try:
        ledger = SpendLedgerSpec.model_validate(item.get("spec") or {})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise click.ClickException(f"SpendLedger {key_of(item)}: spec.{field}: {first['msg']}") from None
    if days is not None:
        return [key_of(item), *past_lines(ledger, days, now_s)]
    name = key_of(item) if budget is not None else f"{key_of(item)} (deleted)"
    terms = budget or {}
    try:
        period = window(terms.get("period", "Day"), terms.get("timeZone", "Etc/UTC"), now_s)
    except ValueError as error:
        raise click.ClickException(f"ModelDeployment {key_of(item)}: spec.{error}") from None
    limit = micro_of(terms["amount"]) if "amount" in terms else None
    return spend_lines(Bill(name, ledger, period, limit, now_s))
