"""The Dockerfiles and the table of engine images: bases can be replaced, nobody is root, the table is the truth."""

import re
from pathlib import Path

import pytest

from costwain.domain.hardware import VENDORS, Vendor

IMAGES = Path(__file__).parents[2] / "images"
OURS = ("operator", "gateway")


def lines_of(image: str) -> list[str]:
    text = (IMAGES / image / "Dockerfile").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("image", OURS)
def test_base_can_be_replaced(image: str) -> None:
    lines = lines_of(image)
    assert lines[0].startswith("ARG BASE=")
    bases = [line for line in lines if line.startswith("FROM ")]
    assert bases
    assert all(base.startswith("FROM ${BASE}") for base in bases)


@pytest.mark.parametrize("image", [*OURS, "stub"])
def test_last_user_is_a_number_and_not_root(image: str) -> None:
    *_, user = (line for line in lines_of(image) if line.startswith("USER "))
    assert user == "USER 65532:65532"  # a number: runAsNonRoot can't judge a name


@pytest.mark.parametrize("image", ["operator", "stub"])
def test_dependencies_are_pinned_by_hash(image: str) -> None:
    installs = [line for line in lines_of(image) if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]


def row(vendor: Vendor) -> str:
    image = f"`{vendor.image}`" if vendor.image else "the pool must name one"
    security = vendor.security
    user, groups = security.run_as_user or "the image's", ", ".join(security.device_groups) or "none"
    return f"| {vendor.name} | `{vendor.resource}` | {image} | {user} | {groups} |"


def test_table_of_engine_images_is_the_hardware_table() -> None:
    readme = (IMAGES / "vllm" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [a-z]+ \| `.*$", readme, re.MULTILINE)
    assert rows == [row(vendor) for vendor in VENDORS.values()]
