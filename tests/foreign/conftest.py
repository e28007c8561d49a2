"""The gateway of tests/gateway, for clients that somebody else wrote."""

from tests.gateway.conftest import folder, gateway, haproxy_binary

__all__ = ["folder", "gateway", "haproxy_binary"]
