"""`costwain`, also `kubectl costwain`: one group whose verbs are imported only when they are called.

To add a verb: write `cli/<verb>.py` with a click command or group, and add one line to VERBS.
The line's help is shown by `costwain --help`, which imports no verb and so answers at once.
"""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import click

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@dataclass(frozen=True)
class Verb:
    """Where a verb's click command is (`module:attribute`), and one line of help."""

    target: str
    help: str


VERBS: Mapping[str, Verb] = {
    "agent": Verb("costwain.cli.agent:agent", "The gateway's sidecar, run by its pod."),
    "cost": Verb("costwain.cli.cost:cost", "What was spent, by variant and pool."),
    "crds": Verb("costwain.cli.crds:crds", "The CustomResourceDefinitions, for kubectl or for the chart."),
    "demo": Verb("costwain.cli.demo:demo_command", "The whole story on this machine, without GPUs."),
    "estimate": Verb("costwain.cli.estimate:estimate", "What one replica carries, with the arithmetic."),
    "get": Verb("costwain.cli.get:get", "Fleets: variants, pools, shares, queue and budget."),
    "load": Verb("costwain.cli.load:load", "Send a trace to an endpoint and account for every request."),
    "operator": Verb("costwain.cli.operator:operator", "The controller."),
    "local": Verb("costwain.cli.local:local", "A real Kubernetes control plane on this machine."),
    "simulate": Verb("costwain.cli.simulate:simulate", "What a trace would cost under a policy, without a cluster."),
    "why": Verb("costwain.cli.why:why", "The reasons of a fleet's last decision."),
}


class LazyGroup(click.Group):
    """A click group that imports a verb's module when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.target.partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "costwain":
                raise
            raise click.ClickException(
                f"costwain {cmd_name}: the Python package {error.name!r} is wanted (found none); "
                "`pip install 'costwain[local,gateway]'` brings all of them"
            ) from None
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, VERBS[name].help) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="costwain")
def cli() -> None:
    """Keeps LLM inference fleets on Kubernetes inside a dollar budget."""


def main() -> None:
    """Runs the command line; an interrupt ends with one line and exit code 130."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
