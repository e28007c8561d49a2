"""`costwain why`: the reasons of a fleet's last decision, or of a recorded one, in words."""

from pathlib import Path

import click

from costwain.adapters.recorder import read
from costwain.adapters.resources import MODEL_DEPLOYMENTS
from costwain.cli.format import plan_lines, rest_lines
from costwain.cli.format import why as why_lines
from costwain.cli.reads import find, run, where
from costwain.decide import decide
from costwain.domain.plan import FleetPlan
from costwain.domain.record import Turn
from costwain.domain.snapshot import Fleet, Snapshot

_YEAR_3000_S = 32_503_680_000  # every budget's window around an instant before it exists


@click.command()
@click.argument("name")
@click.option("-n", "--namespace", help="Namespace; default that of the kubeconfig's context.")
@click.option(
    "--replay",
    type=click.Path(exists=True, path_type=Path),
    help="Decide again on a turn that an operator recorded (a file, or a folder for its newest); needs no cluster.",
)
def why(name: str, namespace: str | None, replay: Path | None) -> None:
    """Say why a fleet is as it is."""
    if replay is not None:
        click.echo("\n".join(_replayed(name, namespace, replay)))
        return
    at = where(name, namespace, all_namespaces=False)
    (fleet,) = run(lambda kube: find(kube, MODEL_DEPLOYMENTS, at))
    click.echo("\n".join(why_lines(fleet)))


def _replayed(name: str, namespace: str | None, path: Path) -> list[str]:
    """What is decided on a recorded turn now, and whether that is what was decided then."""
    turn = _read(path)
    fleet = _of(turn.snapshot, name, namespace)
    then, now = (
        next((p for p in plan.fleets if p.key == fleet.key), None) for plan in (turn.plan, decide(turn.snapshot))
    )
    told_then, told_now = (
        rest_lines(fleet, turn.plan.now_s) if plan is None else plan_lines(plan, turn.plan.now_s)
        for plan in (then, now)
    )
    if now == then:
        return [*told_now, f"the same plan as costwain {turn.version} recorded"]
    fields = FleetPlan.__dataclass_fields__ if now and then else ()  # or it rested in one of them
    differs = [f for f in fields if getattr(now, f) != getattr(then, f)] or ["rests"]
    changed = f"! costwain {turn.version} decided otherwise, it recorded ({', '.join(differs)} differ):"
    return [*told_now, "", changed, *told_then]


def _read(path: Path) -> Turn:
    """The recorded turn, if its instants are some that a calendar has."""
    try:
        turn = read(path)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    for now_s in (turn.snapshot.now_s, turn.plan.now_s):
        if not (isinstance(now_s, int | float) and 0 <= now_s < _YEAR_3000_S):
            raise click.ClickException(f"{path}: not a recorded turn (found now_s {now_s!r})")
    return turn


def _of(snapshot: Snapshot, name: str, namespace: str | None) -> Fleet:
    found = [f for f in snapshot.fleets if f.name == name and namespace in (None, f.namespace)]
    if len(found) == 1:
        return found[0]
    others = ", ".join(sorted("/".join(f.key) for f in snapshot.fleets)) or "none"
    what = "several of this name, give --namespace" if found else "not in this turn"
    raise click.ClickException(f"ModelDeployment {name}: {what} (found {others})")
