"""Envoy's configuration for the benchmark: a plain reverse proxy of the pods, streams untouched."""

from collections.abc import Sequence
from typing import Any

_V3 = "type.googleapis.com/envoy.extensions.filters"


def configuration(listen: tuple[str, int], pods: Sequence[str]) -> dict[str, Any]:
    """One listener, one route, one cluster by least requests; no time limit, since a stream may be long."""
    router = {"name": "router", "typed_config": {"@type": f"{_V3}.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "pods", "timeout": "0s"}}
    http = {
        "@type": f"{_V3}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "api",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    listener = {
        "name": "api",
        "address": _address(*listen),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }
    most = 20_000
    limits = {f"max_{what}": most for what in ("connections", "pending_requests", "requests")}
    cluster = {
        "name": "pods",
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "pods",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(pod, 8000)}} for pod in pods]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}
