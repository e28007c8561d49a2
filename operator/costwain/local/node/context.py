"""What a pod's containers need to know: the pod as it is now, its place on this machine, and how to start it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from costwain.adapters import clock
from costwain.adapters.kube import Kube, Object
from costwain.local.node.environment import Sources, own_address, path_rewriter, variables, words
from costwain.local.node.process import MARK, Process, start
from costwain.local.node.specs import ImageCommand, Timing, image_command, search_path
from costwain.local.node.volumes import Volumes, write_kubeconfig

_ENGINE_VARIABLES = (clock.VARIABLE, "LANG", "TZ")  # of the manager's own environment


@dataclass(frozen=True)
class Services:
    """What all pods of one manager share."""

    kube: Kube
    sources: Sources
    images: Mapping[str, ImageCommand]
    timing: Timing
    root: Path


class ImageError(Exception):
    """No command is known for an image."""


@dataclass(frozen=True)
class Launch:
    """A container ready to be started: its argument list, variables and working folder."""

    argv: list[str]
    env: dict[str, str]
    folder: Path
    translate: Callable[[str], str]  # what moves mount paths and 0.0.0.0, also for exec probes and hooks


@dataclass
class PodContext:
    """One pod on this machine; `pod` is replaced whenever the API server says something new."""

    services: Services
    pod: Object
    address: str
    host_address: str
    changed: Callable[[], None] = lambda: None  # says that the status may differ now

    def __post_init__(self) -> None:
        metadata = self.pod["metadata"]
        # Short, since a unix socket's path below it may have 107 bytes at most.
        self.folder = self.services.root / "p" / metadata["uid"][:13]
        self.logs = self.services.root / "logs" / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid'][:8]}"
        claims = self.services.root / "claims"
        self.volumes = Volumes(self.services.kube, self.services.sources, self.folder / "v", claims)

    @property
    def located(self) -> Object:
        """The pod with the addresses that the node chose, which the API server may not have yet."""
        status = {**self.pod.get("status", {}), "podIP": self.address, "hostIP": self.host_address}
        return {**self.pod, "status": status}

    def entry_point(self, container: Object) -> ImageCommand:
        """The command that stands for the container's image; raises ImageError where there is none."""
        command = image_command(self.services.images, container["image"])
        if command is None:
            known = ", ".join(sorted(self.services.images))
            raise ImageError(f"no command for image {container['image']!r}; this node knows {known}")
        return command

    def launch(self, container: Object) -> Launch:
        """Resolves variables and arguments; raises ImageError and MissingError."""
        command = self.entry_point(container)
        mounts = self.volumes.mounts(container)
        rewrite = path_rewriter(mounts)

        def translate(text: str) -> str:
            return own_address(rewrite(text), self.address)

        folder = self.folder / "c" / container["name"]
        folder.mkdir(parents=True, exist_ok=True)
        env = variables(container, self.located, self.services.sources, self._base(command, folder, mounts), translate)
        argv = words(container.get("command", ()), env, translate) or list(command.argv)
        argv += words(container.get("args", ()), env, translate)
        working = container.get("workingDir")
        return Launch(argv, env, Path(translate(working)) if working else folder, translate)

    def start(self, launch: Launch, container: Object, log: str) -> Process:
        """Starts it with its output in `log`; raises OSError."""
        folder = self.logs / container["name"]
        folder.mkdir(parents=True, exist_ok=True)
        return start(launch.argv, launch.env, launch.folder, folder / log)

    def _base(self, command: ImageCommand, folder: Path, mounts: Mapping[str, str]) -> dict[str, str]:
        """What the runtime and the image would set; KUBECONFIG stands for the files of the service account."""
        metadata = self.pod["metadata"]
        env = {name: os.environ[name] for name in _ENGINE_VARIABLES if name in os.environ}
        env |= {"PATH": search_path(command), "HOME": str(folder), "HOSTNAME": metadata["name"], **command.env}
        env[MARK] = str(self.services.root)
        config = folder / "kubeconfig"
        if write_kubeconfig(config, self.services.kube.server, mounts, metadata["namespace"]):
            env["KUBECONFIG"] = str(config)
        return env
