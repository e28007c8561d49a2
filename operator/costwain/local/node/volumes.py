"""The volumes of one pod: made before its containers start, refreshed when their sources change."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import SERVICE_ACCOUNTS
from costwain.local.node import folder as folders
from costwain.local.node.environment import MissingError, Sources
from costwain.local.node.payloads import FILE_KINDS, File, files_of, token_requests

SERVICE_ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_DEFAULT_TOKEN_S = 3600
_RENEW_AT = 0.8  # of a token's life, as a kubelet does


@dataclass
class _Token:
    text: str
    renew_at_s: float  # monotonic


@dataclass
class Volumes:
    """Folders by volume name, below `base`; `shared` holds what outlives the pod (claims)."""

    kube: Kube
    sources: Sources
    base: Path
    shared: Path
    folders: dict[str, Path] = field(default_factory=dict)
    _written: dict[str, dict[str, File]] = field(default_factory=dict)
    _tokens: dict[tuple[str, str], _Token] = field(default_factory=dict)

    async def refresh(self, pod: Object) -> None:
        """Makes or updates every volume; raises MissingError, ApiError, aiohttp.ClientError or TimeoutError."""
        for volume in pod["spec"].get("volumes", ()):
            name = volume["name"]
            kind = next((kind for kind in FILE_KINDS if kind in volume), None)
            self.folders[name] = self.base / name if kind else self._plain(volume, pod)
            if kind:
                files = files_of(volume, pod, self.sources, await self._fresh_tokens(volume, pod))
                if self._written.get(name) != files:
                    folders.write_all(self.folders[name], files)
                    self._written[name] = files

    def mounts(self, container: Object) -> dict[str, str]:
        """The container's mount paths and the folders that stand for them.

        A subPath is followed as a path; unlike a kubelet's it shows later updates.
        """
        found = {}
        for mount in container.get("volumeMounts", ()):
            folder = self.folders[mount["name"]]
            found[mount["mountPath"]] = str(folder / mount["subPath"]) if mount.get("subPath") else str(folder)
        return found

    def _plain(self, volume: Object, pod: Object) -> Path:
        """An ordinary folder: emptyDir below the pod's own, a claim where the next pod finds it again."""
        folder: Path
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        if "emptyDir" in volume:
            folder = self.base / volume["name"]
        elif "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            folder = self.shared / f"{pod['metadata']['namespace']}_{claim}"
        else:
            raise MissingError(
                f"volume {volume['name']!r}: a process node offers none of {sorted(set(volume) - {'name'})}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _fresh_tokens(self, volume: Object, pod: Object) -> dict[str, str]:
        texts = {}
        for path, wanted in token_requests(volume).items():
            key = volume["name"], path
            if key not in self._tokens or self._tokens[key].renew_at_s <= time.monotonic():
                self._tokens[key] = await self._request_token(wanted, pod)
            texts[path] = self._tokens[key].text
        return texts

    async def _request_token(self, wanted: Object, pod: Object) -> _Token:
        """A token of the pod's service account that ends with the pod."""
        life_s = wanted.get("expirationSeconds", _DEFAULT_TOKEN_S)
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec = {"expirationSeconds": life_s, "boundObjectRef": bound}
        if "audience" in wanted:
            spec["audiences"] = [wanted["audience"]]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = SERVICE_ACCOUNTS.path(metadata["namespace"], account, "token")
        answer = await self.kube.request("POST", path, request)
        return _Token(str(answer["status"]["token"]), time.monotonic() + _RENEW_AT * life_s)


def write_kubeconfig(path: Path, server: str, mounts: Mapping[str, str], namespace: str) -> bool:
    """Writes a kubeconfig over the mounted service account; False where the container has none mounted.

    It names files, not secrets, so a renewed token is found where the old one was.
    """
    account = mounts.get(SERVICE_ACCOUNT_MOUNT)
    if account is None:
        return False
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": f"{account}/ca.crt"}}],
        "users": [{"name": "u", "user": {"tokenFile": f"{account}/token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return True
