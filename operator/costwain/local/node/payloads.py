"""What the files of a volume hold, from the objects they come from. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from costwain.adapters.kube import Object
from costwain.local.node.environment import MissingError, Sources, field_of

_DEFAULT_MODE = 0o644
FILE_KINDS = ("configMap", "secret", "projected", "downwardAPI")  # volumes whose files this module writes


@dataclass(frozen=True)
class File:
    """One file's content and permission bits."""

    data: bytes
    mode: int


def files_of(volume: Object, pod: Object, sources: Sources, tokens: Mapping[str, str]) -> dict[str, File]:
    """The files of a volume of FILE_KINDS by relative path; `tokens` by the path that wants one.

    Raises MissingError for an object, key or token that is missing and not optional.
    """
    kind = next(kind for kind in FILE_KINDS if kind in volume)
    body = volume[kind]
    mode = body.get("defaultMode", _DEFAULT_MODE)
    if kind != "projected":
        return dict(_source_files({kind: body}, pod, sources, mode))
    files: dict[str, File] = {}
    for source in body.get("sources", ()):
        if "serviceAccountToken" in source:
            path = source["serviceAccountToken"]["path"]
            if path not in tokens:
                raise MissingError(f"volume {volume['name']!r}: no token for {path!r} yet")
            files[path] = File(tokens[path].encode(), mode)
        else:
            files.update(_source_files(source, pod, sources, mode))
    return files


def token_requests(volume: Object) -> dict[str, Object]:
    """The service account tokens that a volume wants, by path."""
    projected = volume.get("projected", {}).get("sources", ())
    wanted = [source["serviceAccountToken"] for source in projected if "serviceAccountToken" in source]
    return {request["path"]: request for request in wanted}


def _source_files(source: Object, pod: Object, sources: Sources, mode: int) -> Iterator[tuple[str, File]]:
    namespace = pod["metadata"]["namespace"]
    if "downwardAPI" in source:
        for item in source["downwardAPI"].get("items", ()):
            text = field_of(pod, item["fieldRef"]["fieldPath"]) if "fieldRef" in item else ""
            yield item["path"], File(text.encode(), item.get("mode", mode))
    elif "configMap" in source:
        body = source["configMap"]
        yield from _picked(body, body["name"], sources.config_map(namespace, body["name"]), mode)
    elif "secret" in source:
        body = source["secret"]
        name = body.get("secretName") or body["name"]  # a projected source says `name`
        yield from _picked(body, name, sources.secret(namespace, name), mode)
    else:
        raise MissingError(f"projected source {sorted(source)}: a process node does not offer it")


def _picked(body: Object, name: str, data: Mapping[str, bytes] | None, mode: int) -> Iterator[tuple[str, File]]:
    """All keys, or those that `items` names, at the paths it gives them."""
    optional = body.get("optional", False)
    if data is None:
        if optional:
            return
        raise MissingError(f"{name!r} not found")
    items = body.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] in data:
            yield item["path"], File(data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise MissingError(f"{name!r} has no key {item['key']!r}")
