"""ConfigMaps and Secrets of the whole cluster, mirrored, as the pods of this manager read them."""

import base64
from collections.abc import Callable, Mapping

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import CONFIG_MAPS, SECRETS
from costwain.local.node.mirror import Mirror


class MirroredSources:
    """`on_change` is called with the namespace in which something changed."""

    def __init__(self, kube: Kube, on_change: Callable[[str], None], retry_s: float) -> None:
        def changed(_: str, item: Object) -> None:
            on_change(item["metadata"]["namespace"])

        self._config_maps = Mirror(kube, CONFIG_MAPS, changed, retry_s)
        self._secrets = Mirror(kube, SECRETS, changed, retry_s)
        self.mirrors = (self._config_maps, self._secrets)

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        found = self._config_maps.get(namespace, name)
        if found is None:
            return None
        texts = {key: text.encode() for key, text in (found.get("data") or {}).items()}
        return texts | _decoded(found.get("binaryData"))

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        found = self._secrets.get(namespace, name)
        return None if found is None else _decoded(found.get("data"))


def _decoded(data: Mapping[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(text) for key, text in (data or {}).items()}
