"""Addresses of gateways and pods without a cluster: each world and each process has its own on the loopback."""

import itertools
import os
import socket

from costwain.domain import names

_worlds = itertools.count(1)


def address_in(world: int, last: int) -> str:
    """A loopback address of one world; another run's worlds have others."""
    return f"127.{100 + os.getpid() % 100}.{world}.{last}"


def free_number() -> int:
    """The next world whose gateway address nobody listens on: HAProxies of two runs would share a port in silence."""
    while True:
        number = next(_worlds)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address_in(number, 1), names.GATEWAY_PORT))
            except OSError:
                continue
        return number
