"""Files of volumes: what they hold, and that they change all at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from costwain.adapters.kube import Object
from costwain.local.node.environment import MissingError
from costwain.local.node.folder import write_all
from costwain.local.node.payloads import File, files_of, token_requests


class OneOfEach:
    """A ConfigMap `cm` and a Secret `s`."""

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return {"a": b"1", "b": b"2"} if name == "cm" else None

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return {"token": b"s3cret"} if name == "s" else None


POD: Object = {"metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"x": "y"}}, "spec": {}}
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
NAMESPACE = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
VOLUMES = {  # story: (volume, files as path: text)
    "all keys of a ConfigMap": ({"configMap": {"name": "cm"}}, {"a": "1", "b": "2"}),
    "some keys under other names": (
        {"configMap": {"name": "cm", "items": [{"key": "a", "path": "deep/x"}]}},
        {"deep/x": "1"},
    ),
    "a Secret": ({"secret": {"secretName": "s"}}, {"token": "s3cret"}),
    "an optional ConfigMap that is missing": ({"configMap": {"name": "no", "optional": True}}, {}),
    "an optional key that is missing": (
        {"configMap": {"name": "cm", "optional": True, "items": [{"key": "no", "path": "x"}]}},
        {},
    ),
    "the pod's own fields": ({"downwardAPI": {"items": [NAMESPACE]}}, {"namespace": "ns"}),
    "the service account as Kubernetes mounts it": (
        {"projected": {"sources": [TOKEN, {"configMap": {"name": "cm"}}, {"downwardAPI": {"items": [NAMESPACE]}}]}},
        {"token": "t", "a": "1", "b": "2", "namespace": "ns"},
    ),
    "a projected Secret, which says name": (
        {"projected": {"sources": [{"secret": {"name": "s"}}]}},
        {"token": "s3cret"},
    ),
}


@pytest.mark.parametrize(("volume", "wanted"), VOLUMES.values(), ids=VOLUMES)
def test_files(volume: Object, wanted: dict[str, str]) -> None:
    files = files_of({"name": "v", **volume}, POD, OneOfEach(), {"token": "t"})
    assert {path: file.data.decode() for path, file in files.items()} == wanted


MISSING = {  # story: (volume, words of the message)
    "a ConfigMap": ({"configMap": {"name": "no"}}, "'no' not found"),
    "a key": ({"secret": {"secretName": "s", "items": [{"key": "no", "path": "x"}]}}, "'s' has no key 'no'"),
    "a token": ({"projected": {"sources": [{"serviceAccountToken": {"path": "other"}}]}}, "no token for 'other' yet"),
    "a source of another kind": ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "clusterTrustBundle"),
}


@pytest.mark.parametrize(("volume", "message"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(volume: Object, message: str) -> None:
    with pytest.raises(MissingError, match=message):
        files_of({"name": "v", **volume}, POD, OneOfEach(), {})


def test_modes_come_from_the_item_then_from_the_volume() -> None:
    items = [{"key": "a", "path": "a", "mode": 0o400}, {"key": "b", "path": "b"}]
    files = files_of(
        {"name": "v", "configMap": {"name": "cm", "defaultMode": 0o600, "items": items}}, POD, OneOfEach(), {}
    )
    assert {path: file.mode for path, file in files.items()} == {"a": 0o400, "b": 0o600}


def test_token_requests_are_found_by_path() -> None:
    assert token_requests({"name": "v", "projected": {"sources": [TOKEN]}}) == {"token": TOKEN["serviceAccountToken"]}
    assert token_requests({"name": "v", "emptyDir": {}}) == {}


def as_files(**texts: str) -> dict[str, File]:
    return {path.replace("__", "/"): File(text.encode(), 0o644) for path, text in texts.items()}


def shown(folder: Path) -> dict[str, str]:
    """What a program sees that lists the folder."""
    visible = [path for path in folder.rglob("*") if path.is_file() and ".." not in str(path.relative_to(folder))]
    linked = [path for entry in folder.iterdir() if entry.is_symlink() and entry.is_dir() for path in entry.rglob("*")]
    files = {path for path in [*visible, *linked] if not path.relative_to(folder).parts[0].startswith("..")}
    return {str(path.relative_to(folder)): path.read_text() for path in files if path.is_file()}


def test_an_update_replaces_adds_and_removes(tmp_path: Path) -> None:
    write_all(tmp_path, as_files(a="1", b="2", deep__x="3"))
    assert shown(tmp_path) == {"a": "1", "b": "2", "deep/x": "3"}
    write_all(tmp_path, as_files(a="one", c="3"))
    assert shown(tmp_path) == {"a": "one", "c": "3"}


def test_an_update_leaves_no_old_copy_behind(tmp_path: Path) -> None:
    for text in "123":
        write_all(tmp_path, as_files(a=text))
    assert len([entry for entry in tmp_path.iterdir() if entry.name.startswith("..v")]) == 1


def test_a_reader_that_follows_one_link_sees_one_state(tmp_path: Path) -> None:
    """All names lead through one link, which is what changes: a real kubelet's readers rely on that."""
    write_all(tmp_path, as_files(a="1", b="1"))
    old = (tmp_path / "..data").resolve()
    write_all(tmp_path, as_files(a="2", b="2"))
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "..data").resolve() != old


def test_a_path_must_stay_below_the_volume(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must stay below the volume"):
        write_all(tmp_path, {"../x": File(b"", 0o644)})
