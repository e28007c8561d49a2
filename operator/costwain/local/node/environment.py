"""What a container is started with: its variables and arguments, as a kubelet would resolve them. Pure.

Without namespaces two things need a translation that a real node doesn't: paths below a mount become
paths below the pod's folder, and `0.0.0.0` becomes the pod's own loopback address.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from costwain.adapters.kube import Object

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (the text that is replaced, never bound)
_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
_METADATA_ENTRY = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


Translate = Callable[[str], str]


class MissingError(Exception):
    """An object, key or field that a pod refers to is not there (yet)."""


class Sources(Protocol):
    """Where ConfigMaps and Secrets come from; None for one that does not exist."""

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None: ...

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None: ...


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces $(NAME); an unknown one stays as written, and $$ is a plain $.

    >>> expand("$(A) $(B) $$(A)", {"A": "1"})
    '1 $(B) $(A)'
    """
    return _REFERENCE.sub(lambda m: "$" if m[0] == "$$" else variables.get(m[1], m[0]), text)


def path_rewriter(mounts: Mapping[str, str]) -> Translate:
    """A function that moves every path below a key of `mounts` to below its value, longest key first.

    >>> path_rewriter({"/etc/app": "/pod/v"})("-f=/etc/app/x.cfg:/etc/application")
    '-f=/pod/v/x.cfg:/etc/application'
    """
    if not mounts:
        return lambda text: text
    whole = {path.rstrip("/"): target for path, target in mounts.items()}
    paths = "|".join(re.escape(path) for path in sorted(whole, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w./-])({paths})(?![\w.-])")
    return lambda text: pattern.sub(lambda m: whole[m[1]], text)


def own_address(text: str, address: str) -> str:
    """Replaces a value, or the value of a --flag=, that is exactly 0.0.0.0.

    >>> own_address("--host=0.0.0.0", "127.9.9.2"), own_address("10.0.0.0", "127.9.9.2")
    ('--host=127.9.9.2', '10.0.0.0')
    """
    return text[: -len(ANY_ADDRESS)] + address if text == ANY_ADDRESS or text.endswith(f"={ANY_ADDRESS}") else text


def field_of(pod: Object, path: str) -> str:
    """The text of a fieldRef; raises MissingError for a field that this node does not offer."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    entry = _METADATA_ENTRY.fullmatch(path)
    if entry:
        return str(metadata.get(entry[1], {}).get(entry[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = metadata.get(path.partition(".")[2], {})
        return "\n".join(f'{key}="{value}"' for key, value in sorted(entries.items()))
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }
    if path not in plain:
        raise MissingError(f"fieldPath {path!r}: a process node does not offer this field")
    return str(plain[path])


def variables(
    container: Object, pod: Object, sources: Sources, base: Mapping[str, str], translate: Translate
) -> dict[str, str]:
    """The container's variables over `base`: envFrom first, then env in order, each able to use those before.

    `translate` is applied to what the manifest says, never to `base` nor to a text twice.
    Raises MissingError where a ConfigMap, Secret or key that is not optional is missing.
    """
    namespace, found = pod["metadata"]["namespace"], dict(base)
    for source in container.get("envFrom", ()):
        whole = _whole_source(source, namespace, sources)
        found.update({name: translate(value) for name, value in whole.items()})
    for entry in container.get("env", ()):
        if "valueFrom" in entry:
            value = _value_from(entry["valueFrom"], pod, sources)
            if value is not None:
                found[entry["name"]] = translate(value)
        else:
            found[entry["name"]] = expand(translate(entry.get("value", "")), found)
    return found


def words(manifest: Sequence[str], env: Mapping[str, str], translate: Translate) -> list[str]:
    """A command or args of the manifest, translated, with $(NAME) expanded."""
    return [expand(translate(word), env) for word in manifest]


def _whole_source(source: Object, namespace: str, sources: Sources) -> dict[str, str]:
    kind, fetch = ("secretRef", sources.secret) if "secretRef" in source else ("configMapRef", sources.config_map)
    reference, prefix = source[kind], source.get("prefix", "")
    data = fetch(namespace, reference["name"])
    if data is None and not reference.get("optional", False):
        raise MissingError(f"envFrom: {kind} {reference['name']!r} not found in namespace {namespace}")
    return {prefix + key: value.decode(errors="replace") for key, value in (data or {}).items()}


def _value_from(origin: Object, pod: Object, sources: Sources) -> str | None:
    """The value, or None for an optional one that is missing."""
    if "fieldRef" in origin:
        return field_of(pod, origin["fieldRef"]["fieldPath"])
    for kind, fetch in (("secretKeyRef", sources.secret), ("configMapKeyRef", sources.config_map)):
        if kind in origin:
            reference = origin[kind]
            data = fetch(pod["metadata"]["namespace"], reference["name"]) or {}
            if reference["key"] in data:
                return data[reference["key"]].decode(errors="replace")
            if reference.get("optional", False):
                return None
            raise MissingError(f"{kind}: no key {reference['key']!r} in {reference['name']!r}")
    raise MissingError(f"valueFrom: want fieldRef, secretKeyRef or configMapKeyRef, found {sorted(origin)}")
