"""`costwain local node`: what it refuses before it starts anything."""

import pytest
from click.testing import CliRunner

from costwain.cli.main import cli

REFUSED = {  # story: (arguments, words of the message)
    "no node named": ([], "Missing option '--name'"),
    "a label without a value": (["--name", "n", "--label", "a"], "want key=value, found 'a'"),
    "a taint without an effect": (["--name", "n", "--taint", "a=b"], "want key[=value]:NoSchedule"),
    "an image without a command": (["--name", "n", "--image-map", "a="], "found no command"),
    "a kubeconfig that is not there": (["--name", "n", "--kubeconfig", "/no/such"], "kube-config"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals(arguments: list[str], message: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("nodes")
    done = CliRunner().invoke(cli, ["local", "node", "--dir", str(folder), *arguments])
    assert done.exit_code != 0
    assert message in done.output
