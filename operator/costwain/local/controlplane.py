"""The four components of the control plane: how each is called, and when each is ready.

No kubelet is needed: the API server reconciles no endpoints of its own, and since pods of local nodes
have loopback addresses, which Endpoints refuse, the three endpoint controllers stay off.
"""

import http.client
import random
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from costwain.local import pki
from costwain.local.errors import LocalError
from costwain.local.store import State, Task

PORTS = ("etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_SERVICE_RANGE = "10.96.0.0/16"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_CONTROLLERS_OFF = ("endpoints", "endpointslice", "endpointslice-mirroring")
# A lost node is told within half a minute instead of one; local nodes renew their lease every few seconds.
_NODE_GRACE_S = 20
_NODE_PERIOD_S = 2
# Below 32768, where Linux starts to lend ports to outgoing connections: a port stays ours over a restart.
_PORT_RANGE = range(20_000, 30_000)
_CALL_S = 3


def free_ports() -> dict[str, int]:
    """A free loopback port for each listener; raises LocalError where hardly any is left."""
    found: list[int] = []
    for port in random.sample(_PORT_RANGE, 1000):
        with socket.socket() as probe:
            try:
                probe.bind((pki.ADDRESS, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == len(PORTS):
            return dict(zip(PORTS, found, strict=True))
    raise LocalError(
        f"{pki.ADDRESS}: {len(PORTS)} free ports of {_PORT_RANGE[0]}-{_PORT_RANGE[-1]} are wanted (found {len(found)})"
    )


def server_of(state: State) -> str:
    """The API server's address."""
    return f"https://{pki.ADDRESS}:{state.ports['kube-apiserver']}"


def write_kubeconfigs(folder: Path, state: State) -> None:
    """Writes the kubeconfigs of user and components; the certificates must be there."""
    server, context = server_of(state), f"costwain-{state.name}"
    pki.write_kubeconfig(folder / "kubeconfig", folder / "pki", "admin", server, context)
    for user in ("controller-manager", "scheduler"):
        pki.write_kubeconfig(folder / f"{user}.kubeconfig", folder / "pki", user, server, context)


def tasks(folder: Path, state: State) -> list[Task]:
    """The components in the order of their start."""
    flags = (
        _etcd(folder, state.ports),
        _apiserver(folder / "pki", state.ports),
        _controller_manager(folder, state.ports),
        _scheduler(folder, state.ports),
    )
    return [
        Task(name, [str(Path(state.binaries) / name), *own], address=f"{pki.ADDRESS}:{state.ports[name]}")
        for name, own in zip(NAMES, flags, strict=True)
    ]


def checks(folder: Path, state: State) -> dict[str, Callable[[], bool]]:
    """For each component but etcd, which the API server's check covers: whether it does its work now."""
    context = ssl.create_default_context(cafile=folder / "pki" / "ca.crt")
    context.load_cert_chain(folder / "pki" / "admin.crt", folder / "pki" / "admin.key")

    def answers(component: str, path: str) -> bool:
        connection = http.client.HTTPSConnection(pki.ADDRESS, state.ports[component], timeout=_CALL_S, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    account = "/api/v1/namespaces/default/serviceaccounts/default"
    return {
        "kube-apiserver": lambda: answers("kube-apiserver", "/readyz"),
        # Pods can't be made before it exists, so a controller manager that only answers isn't enough.
        "kube-controller-manager": lambda: answers("kube-apiserver", account),
        "kube-scheduler": lambda: answers("kube-scheduler", "/readyz"),
    }


def _etcd(folder: Path, ports: dict[str, int]) -> list[str]:
    client, peer = (f"http://{pki.ADDRESS}:{ports[name]}" for name in ("etcd", "etcd-peer"))
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # a cluster that is thrown away needn't outlive a power cut
        "--log-level=warn",
    ]


def _apiserver(keys: Path, ports: dict[str, int]) -> list[str]:
    return [
        f"--etcd-servers=http://{pki.ADDRESS}:{ports['etcd']}",
        f"--bind-address={pki.ADDRESS}",
        f"--advertise-address={pki.ADDRESS}",
        f"--secure-port={ports['kube-apiserver']}",
        "--endpoint-reconciler-type=none",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={keys / 'sa.pub'}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
        f"--service-cluster-ip-range={_SERVICE_RANGE}",
        f"--kubelet-client-certificate={keys / 'kubelet-client.crt'}",
        f"--kubelet-client-key={keys / 'kubelet-client.key'}",
        f"--kubelet-certificate-authority={keys / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={keys / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={keys / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={keys / 'front-proxy-client.key'}",
        "--enable-aggregator-routing",
        "--shutdown-watch-termination-grace-period=1s",  # else each open watch holds its end up for a minute
    ]


def _controller_manager(folder: Path, ports: dict[str, int]) -> list[str]:
    keys = folder / "pki"
    return [
        *_client_of(folder, "controller-manager", ports["kube-controller-manager"]),
        "--use-service-account-credentials",
        f"--service-account-private-key-file={keys / 'sa.key'}",
        f"--root-ca-file={keys / 'ca.crt'}",
        f"--cluster-signing-cert-file={keys / 'ca.crt'}",
        f"--cluster-signing-key-file={keys / 'ca.key'}",
        f"--controllers=*,{','.join(f'-{name}-controller' for name in _CONTROLLERS_OFF)}",
        f"--node-monitor-grace-period={_NODE_GRACE_S}s",
        f"--node-monitor-period={_NODE_PERIOD_S}s",
    ]


def _scheduler(folder: Path, ports: dict[str, int]) -> list[str]:
    return _client_of(folder, "scheduler", ports["kube-scheduler"])


def _client_of(folder: Path, user: str, port: int) -> list[str]:
    keys, config = folder / "pki", folder / f"{user}.kubeconfig"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--requestheader-client-ca-file={keys / 'front-proxy-ca.crt'}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--bind-address={pki.ADDRESS}",
        f"--secure-port={port}",
        "--leader-elect=false",
    ]
