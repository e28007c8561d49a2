"""How the components are called: on loopback alone, with RBAC, with ports that stay theirs."""

import re
from pathlib import Path

import pytest

from costwain.local import controlplane
from costwain.local.store import State

STATE = State("demo", "id", "/cache/bin", dict(zip(controlplane.PORTS, range(21_000, 21_005), strict=True)))
TASKS = {task.name: task for task in controlplane.tasks(Path("/state"), STATE)}


def test_they_start_in_the_order_in_which_they_need_each_other() -> None:
    assert tuple(TASKS) == ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    assert TASKS["etcd"].argv[0] == "/cache/bin/etcd"


FLAGS = {
    "the API server authorizes by RBAC": ("kube-apiserver", "--authorization-mode=Node,RBAC"),
    "it listens on the port of the kubeconfig": ("kube-apiserver", "--secure-port=21002"),
    "it asks this cluster's etcd": ("kube-apiserver", "--etcd-servers=http://127.0.0.1:21000"),
    "it makes no endpoints of its own, which loopback would fail": (
        "kube-apiserver",
        "--endpoint-reconciler-type=none",
    ),
    "controllers that refuse loopback pods stay off": (
        "kube-controller-manager",
        "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller",
    ),
    "the scheduler is the only one, so it needs no election": ("kube-scheduler", "--leader-elect=false"),
}


@pytest.mark.parametrize(("name", "flag"), FLAGS.values(), ids=FLAGS)
def test_flags(name: str, flag: str) -> None:
    assert flag in TASKS[name].argv


def test_every_address_is_on_loopback() -> None:
    addresses = {a for task in TASKS.values() for arg in task.argv for a in re.findall(r"\d+\.\d+\.\d+\.\d+", arg)}
    assert addresses == {"127.0.0.1", "10.96.0.0"}  # the second is the range of Services, where nothing listens


def test_ports_are_all_different_and_below_those_lent_to_outgoing_connections() -> None:
    ports = controlplane.free_ports()
    assert tuple(ports) == controlplane.PORTS
    assert len(set(ports.values())) == len(ports)
    assert all(20_000 <= port < 30_000 for port in ports.values())


def test_two_clusters_get_ports_of_their_own() -> None:
    drawn = [controlplane.free_ports() for _ in range(20)]
    assert len({tuple(ports.values()) for ports in drawn}) == 20
