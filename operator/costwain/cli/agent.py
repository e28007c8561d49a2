"""`costwain agent`: the gateway's sidecar."""

import asyncio
import logging
from pathlib import Path

import click

from costwain.agent.main import Settings, run


@click.command()
@click.option("--namespace", envvar="COSTWAIN_NAMESPACE", required=True, help="Namespace of the fleet.")
@click.option("--fleet", envvar="COSTWAIN_FLEET", required=True, help="Name of the fleet.")
@click.option("--pod", envvar="POD_NAME", required=True, help="Name of this pod.")
@click.option(
    "--run", "run_folder", envvar="RUN", type=click.Path(path_type=Path), required=True, help="Folder of the sockets."
)
@click.option("--bind", envvar="BIND", default="127.0.0.1", show_default=True, help="Address of the metrics port.")
@click.option(
    "--shutdown-seconds",
    envvar="COSTWAIN_SHUTDOWN_SECONDS",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    help="Wall seconds that running requests get when this pod ends.",
)
@click.option("--keys", envvar="COSTWAIN_KEYS", type=click.Path(path_type=Path), help="Folder of the API keys.")
@click.option("--tls", envvar="COSTWAIN_TLS", type=click.Path(path_type=Path), help="Folder of the certificate.")
def agent(
    namespace: str, fleet: str, pod: str, run_folder: Path, keys: Path | None, tls: Path | None, **other: str | float
) -> None:
    """Watch a fleet's pods and program the HAProxy beside this process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings(
        namespace, fleet, pod, run_folder, str(other["bind"]), float(other["shutdown_seconds"]), keys, tls
    )
    asyncio.run(run(settings))
