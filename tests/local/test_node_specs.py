"""Names of images and taints, and addresses that no two managers share."""

import socket
from pathlib import Path

import pytest

from costwain.adapters.kube import Object
from costwain.local.node.addresses import Addresses
from costwain.local.node.specs import ImageCommand, NodeSpec, default_images, image_command, parse_taint, search_path

IMAGES = {name: ImageCommand((f"/opt/{name}",)) for name in ("haproxy", "costwain/stub")}
NAMES = {  # story: (image, key of the command)
    "the bare name": ("haproxy", "haproxy"),
    "a tag is ignored": ("costwain/stub:0.1.0", "costwain/stub"),
    "a digest is ignored": ("haproxy@sha256:00", "haproxy"),
    "a registry with a port is no tag": ("localhost:5000/costwain/stub", "costwain/stub"),
    "registry, tag and digest together": ("docker.io/library/haproxy:3.0@sha256:00", "haproxy"),
    "a name that only ends alike is unknown": ("myhaproxy:3.0", None),
    "another image is unknown": ("busybox", None),
}


@pytest.mark.parametrize(("image", "key"), NAMES.values(), ids=NAMES)
def test_image_names(image: str, key: str | None) -> None:
    assert image_command(IMAGES, image) == (IMAGES[key] if key else None)


def test_our_own_images_and_haproxy_have_commands() -> None:
    images = default_images()
    assert sorted(images) == ["costwain/operator", "costwain/stub", "haproxy"]
    assert Path(images["haproxy"].argv[0]).is_file()
    assert Path(images["haproxy"].env["LD_LIBRARY_PATH"]).is_dir()


def test_the_program_of_an_image_is_found_by_its_name() -> None:
    assert search_path(ImageCommand(("/opt/x/haproxy",))).split(":")[0] == "/opt/x"


TAINTS: dict[str, tuple[str, Object]] = {
    "with a value": ("a/b=c:NoSchedule", {"key": "a/b", "value": "c", "effect": "NoSchedule"}),
    "without": ("spot:NoExecute", {"key": "spot", "effect": "NoExecute"}),
}


@pytest.mark.parametrize(("text", "wanted"), TAINTS.values(), ids=TAINTS)
def test_taints(text: str, wanted: Object) -> None:
    assert parse_taint(text) == wanted


@pytest.mark.parametrize("text", ["", "a", "a=b", "a=b:Never", ":NoSchedule"])
def test_a_taint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="taint: want"):
        parse_taint(text)


def test_capacity_adds_to_that_of_any_machine() -> None:
    capacity = NodeSpec("n", capacity={"nvidia.com/gpu": "8", "cpu": "4"}).whole_capacity
    assert (capacity["nvidia.com/gpu"], capacity["cpu"], capacity["pods"]) == ("8", "4", "110")


def test_two_managers_never_share_an_address_even_in_one_folder(tmp_path: Path) -> None:
    first, second = Addresses(tmp_path), Addresses(tmp_path)
    try:
        mine, theirs = {first.take() for _ in range(300)}, {second.take() for _ in range(300)}
    finally:
        first.close()
        second.close()
    assert (len(mine), len(theirs)) == (300, 300)
    assert not mine & theirs


def test_an_address_can_be_bound_and_is_reused_last(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path)
    try:
        first = addresses.take()
        with socket.create_server((first, 0)):
            addresses.give_back(first)
            assert first not in [addresses.take() for _ in range(200)]
    finally:
        addresses.close()
