"""`costwain get`: what the fleets do, what they cost and what waits, as a tree."""

import json
import time

import click
import yaml

from costwain.adapters.resources import MODEL_DEPLOYMENTS
from costwain.cli.format import Object, fleet_tree
from costwain.cli.reads import Where, find, run, where_options


@click.command()
@where_options
@click.option("-o", "--output", type=click.Choice(["wide", "json", "yaml"]), help="More, or the objects themselves.")
@click.option("-w", "--watch", is_flag=True, help="Look again and print what changed, until interrupted.")
@click.option("--every", type=click.FloatRange(min=0.1), default=2, show_default=True, help="Seconds between looks.")
def get(at: Where, output: str | None, watch: bool, every: float) -> None:
    """Show fleets: variants, pools, share, replicas, $/h, queue and budget."""
    if watch and output in ("json", "yaml"):
        raise click.UsageError(f"--watch: goes with the tree alone (found --output {output})")
    shown = _show(at, output)
    click.echo(shown)
    while watch:
        time.sleep(every)
        try:
            now = _show(at, output)
        except click.ClickException as error:  # the one who watches wants to see it come back
            now = f"! {error.format_message()}"
        if now != shown:
            shown = now
            click.clear()
            click.echo(shown)


def _show(at: Where, output: str | None) -> str:
    fleets = run(lambda kube: find(kube, MODEL_DEPLOYMENTS, at))
    if output in ("json", "yaml"):
        return _raw(fleets, at, output)
    if not fleets:
        return f"no ModelDeployments in {'any namespace' if at.namespace is None else f'namespace {at.namespace}'}"
    return "\n\n".join("\n".join(fleet_tree(fleet, wide=output == "wide")) for fleet in fleets)


def _raw(fleets: list[Object], at: Where, output: str) -> str:
    """One object for a name, a List otherwise, as kubectl has it."""
    body = {"apiVersion": "v1", "kind": "List", "items": fleets} if at.name is None else fleets[0]
    if output == "json":
        return json.dumps(body, indent=2)
    return yaml.safe_dump(body, sort_keys=False, width=120).rstrip("\n")
