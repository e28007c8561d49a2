"""`costwain why`: the reasons of a fleet's last decision, in words."""

import click

from costwain.adapters.resources import MODEL_DEPLOYMENTS
from costwain.cli.format import why as why_lines
from costwain.cli.reads import find, run, where


@click.command()
@click.argument("name")
@click.option("-n", "--namespace", help="Namespace; default that of the kubeconfig's context.")
def why(name: str, namespace: str | None) -> None:
    """Say why a fleet is as it is."""
    at = where(name, namespace, all_namespaces=False)
    (fleet,) = run(lambda kube: find(kube, MODEL_DEPLOYMENTS, at))
    click.echo("\n".join(why_lines(fleet)))
