"""`costwain operator`: the controller, run by its Deployment or on a machine with a kubeconfig."""

import logging
import os

import click

from costwain.adapters.clock import Clock
from costwain.controller.main import main
from costwain.controller.settings import Settings


@click.command()
@click.option("--liveness", metavar="URL", help="Serve the liveness probe there, such as http://0.0.0.0:8081/healthz.")
@click.option("--log-level", default="INFO", show_default=True, type=click.Choice(["DEBUG", "INFO", "WARNING"]))
def operator(liveness: str | None, log_level: str) -> None:
    """Run the operator until it is told to stop."""
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    try:
        settings, clock = Settings.from_env(os.environ), Clock.from_env(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    main(settings, clock, liveness)
