"""Deployments of model pods on the real API server: taken as they are written, and a second apply changes nothing."""

from pathlib import Path

import pytest
import yaml

from costwain.adapters.kube import Kube
from costwain.adapters.resources import DEPLOYMENTS

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

FOLDER = Path(__file__).parents[1] / "render" / "golden"
GOLDEN = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("deployment-*.yaml"))}


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
async def test_the_api_server_takes_it_and_keeps_it(kube: Kube, namespace: str, golden: str) -> None:
    manifest = yaml.safe_load(golden)
    manifest["metadata"]["namespace"] = namespace
    manifest["metadata"].pop("ownerReferences")  # no such owner here: it would be collected at once
    manifest["spec"]["replicas"] = 0
    await kube.apply(manifest)
    again = await kube.apply(manifest)
    assert again["metadata"]["generation"] == 1
    pod = again["spec"]["template"]["spec"]
    written = manifest["spec"]["template"]["spec"]
    assert {key: pod[key] for key in written if key not in ("containers", "volumes")} == {
        key: value for key, value in written.items() if key not in ("containers", "volumes")
    }
    assert pod["containers"][0]["lifecycle"] == written["containers"][0]["lifecycle"]
    await kube.delete(DEPLOYMENTS, manifest["metadata"]["name"], namespace)
