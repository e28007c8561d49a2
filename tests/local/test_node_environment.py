"""What a container is started with: expansion, sources, and the translation of paths and addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from costwain.adapters.kube import Object
from costwain.local.node.environment import (
    MissingError,
    expand,
    field_of,
    own_address,
    path_rewriter,
    variables,
    words,
)


@dataclass(frozen=True)
class FixedSources:
    """ConfigMaps and Secrets by name, all in the namespace `ns`."""

    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.config_maps.get(name) if namespace == "ns" else None

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.secrets.get(name) if namespace == "ns" else None


SOURCES = FixedSources({"settings": {"mode": b"fast", "dir": b"/etc/app"}}, {"keys": {"token": b"s3cret"}})
POD: Object = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u-1", "labels": {"app": "chat"}, "annotations": {}},
    "spec": {"nodeName": "gpu-1", "serviceAccountName": "sa"},
    "status": {"podIP": "127.9.9.2", "hostIP": "127.9.9.1"},
}


def plain(text: str) -> str:
    """A translation that changes nothing."""
    return text


EXPANSIONS = {  # story: (text, wanted)
    "a known variable is replaced": ("a-$(X)-b", "a-1-b"),
    "an unknown one stays as written": ("$(NOPE)", "$(NOPE)"),
    "a doubled dollar is a plain one": ("$$(X)", "$(X)"),
    "shell syntax is left to the shell": ("$X ${X}", "$X ${X}"),
    "a single dollar at the end stays": ("5$", "5$"),
    "a reference that isn't closed stays": ("$(X", "$(X"),
    "what a value holds isn't expanded again": ("$(Y)", "$(X)"),
}


@pytest.mark.parametrize(("text", "wanted"), EXPANSIONS.values(), ids=EXPANSIONS)
def test_expand(text: str, wanted: str) -> None:
    assert expand(text, {"X": "1", "Y": "$(X)"}) == wanted


MOUNTS = {"/etc/app": "/pod/app", "/etc/app/certs": "/pod/certs", "/run": "/pod/run", "/data/": "/pod/data"}
PATHS = {  # story: (text, wanted)
    "a whole path": ("/etc/app", "/pod/app"),
    "a file below a mount": ("/etc/app/a.cfg", "/pod/app/a.cfg"),
    "the deeper mount wins": ("/etc/app/certs/x", "/pod/certs/x"),
    "a name that only begins alike is another": ("/etc/apple /etc/app-2", "/etc/apple /etc/app-2"),
    "a mount's name in the middle of a path is none": ("/var/run/x", "/var/run/x"),
    "the value of a flag": ("--config=/etc/app/a.cfg", "--config=/pod/app/a.cfg"),
    "a socket behind a scheme": ("unix@/run/s.sock", "unix@/pod/run/s.sock"),
    "two paths in a list": ("/run/a:/etc/app/b", "/pod/run/a:/pod/app/b"),
    "inside a shell line": ("cat '/etc/app/x'; ls /run", "cat '/pod/app/x'; ls /pod/run"),
    "a mount path with a slash at its end": ("/data/x", "/pod/data/x"),
}


@pytest.mark.parametrize(("text", "wanted"), PATHS.values(), ids=PATHS)
def test_paths_below_a_mount_move(text: str, wanted: str) -> None:
    assert path_rewriter(MOUNTS)(text) == wanted


ADDRESSES = {  # story: (text, wanted)
    "exactly the address of all interfaces": ("0.0.0.0", "127.9.9.2"),
    "as the value of a flag": ("--host=0.0.0.0", "--host=127.9.9.2"),
    "with a port it stays, since it is not exactly that": ("0.0.0.0:80", "0.0.0.0:80"),
    "a longer address stays": ("10.0.0.0", "10.0.0.0"),
}


@pytest.mark.parametrize(("text", "wanted"), ADDRESSES.values(), ids=ADDRESSES)
def test_all_interfaces_become_the_pods_own_address(text: str, wanted: str) -> None:
    assert own_address(text, "127.9.9.2") == wanted


def ref(kind: str, name: str, key: str, **more: bool) -> Object:
    return {"valueFrom": {kind: {"name": name, "key": key, **more}}}


VARIABLES = {  # story: (env entry beyond the name, wanted value, None: the variable is not set)
    "a plain value": ({"value": "x"}, "x"),
    "an empty value is set": ({}, ""),
    "from a ConfigMap": (ref("configMapKeyRef", "settings", "mode"), "fast"),
    "from a Secret": (ref("secretKeyRef", "keys", "token"), "s3cret"),
    "an optional key that is missing": (ref("configMapKeyRef", "settings", "nope", optional=True), None),
    "an optional object that is missing": (ref("secretKeyRef", "nope", "x", optional=True), None),
    "the pod's address": ({"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "127.9.9.2"),
    "the node's name": ({"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}, "gpu-1"),
    "a label": ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}, "chat"),
    "built from an earlier one": ({"value": "$(BASE)/x"}, "base/x"),
    "a path below a mount": ({"value": "/etc/app/x"}, "/pod/x"),
    "a path that a ConfigMap names": (ref("configMapKeyRef", "settings", "dir"), "/pod"),
}


@pytest.mark.parametrize(("entry", "wanted"), VARIABLES.values(), ids=VARIABLES)
def test_variables(entry: Object, wanted: str | None) -> None:
    container = {"env": [{"name": "V", **entry}]}
    got = variables(container, POD, SOURCES, {"BASE": "base"}, path_rewriter({"/etc/app": "/pod"}))
    assert got.get("V") == wanted


def test_variables_of_the_node_itself_are_never_translated() -> None:
    got = variables({}, POD, SOURCES, {"KUBECONFIG": "/tmp/root/kubeconfig"}, path_rewriter({"/tmp": "/tmp/root/v"}))
    assert got == {"KUBECONFIG": "/tmp/root/kubeconfig"}


def test_env_wins_over_env_from_and_the_prefix_is_added() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"prefix": "K_", "secretRef": {"name": "keys"}}],
        "env": [{"name": "mode", "value": "slow"}],
    }
    assert variables(container, POD, SOURCES, {}, plain) == {"mode": "slow", "dir": "/etc/app", "K_token": "s3cret"}


MISSING = {  # story: (container, words of the message)
    "a ConfigMap for envFrom": ({"envFrom": [{"configMapRef": {"name": "nope"}}]}, "'nope' not found in namespace ns"),
    "a key of a Secret": ({"env": [{"name": "V", **ref("secretKeyRef", "keys", "nope")}]}, "no key 'nope' in 'keys'"),
    "a field that a process node lacks": (
        {"env": [{"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]},
        "fieldPath 'status.phase'",
    ),
    "a source of another kind": (
        {"env": [{"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]},
        r"found \['resourceFieldRef'\]",
    ),
}


@pytest.mark.parametrize(("container", "message"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(container: Object, message: str) -> None:
    with pytest.raises(MissingError, match=message):
        variables(container, POD, SOURCES, {}, plain)


def test_words_are_translated_before_they_are_expanded() -> None:
    """So that a path which is already right, such as KUBECONFIG's, isn't moved a second time."""
    translate = path_rewriter({"/tmp": "/tmp/root/v"})
    got = words(["--config", "$(KUBECONFIG)", "--cache=/tmp/x"], {"KUBECONFIG": "/tmp/root/kubeconfig"}, translate)
    assert got == ["--config", "/tmp/root/kubeconfig", "--cache=/tmp/root/v/x"]


def test_all_labels_as_a_downward_file() -> None:
    assert field_of(POD, "metadata.labels") == 'app="chat"'
