"""Loopback addresses of pods and nodes: a block 127.A.B.0/24 a manager, so that two never share one. Linux only."""

import hashlib
import socket
from pathlib import Path

_FIRST, _LAST = 1, 250  # hosts in a block; the one that holds the claim is above them
_CLAIM_HOST, _CLAIM_PORT = 254, 10250
_BLOCKS = 250 * 250


class Addresses:
    """Hands out addresses of blocks that it holds; the search starts where the folder's hash points.

    A block is held by a bound UDP socket: the kernel refuses it to any other process or user, and frees it
    when this process ends in whatever way. Addresses are reused as late as possible, so that a client of a
    pod that is gone doesn't reach its successor by mistake.
    """

    def __init__(self, root: Path) -> None:
        digest = hashlib.sha256(str(root.resolve()).encode()).digest()
        self._next_block = int.from_bytes(digest[:4], "big") % _BLOCKS
        self._claims: list[socket.socket] = []
        self._free: list[str] = []
        self._taken: set[str] = set()

    def take(self) -> str:
        """An address that nobody here uses; raises OSError where no block can be had (not Linux)."""
        if not self._free:
            self._claim_block()
        address = self._free.pop(0)
        self._taken.add(address)
        return address

    def give_back(self, address: str) -> None:
        if address in self._taken:
            self._taken.remove(address)
            self._free.append(address)

    def close(self) -> None:
        """Frees the blocks."""
        for claim in self._claims:
            claim.close()
        self._claims.clear()
        self._free.clear()

    def _claim_block(self) -> None:
        refused: OSError | None = None
        for _ in range(_BLOCKS):
            prefix = f"127.{1 + self._next_block // 250}.{1 + self._next_block % 250}"
            self._next_block = (self._next_block + 1) % _BLOCKS
            claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                claim.bind((f"{prefix}.{_CLAIM_HOST}", _CLAIM_PORT))
            except OSError as error:
                claim.close()
                refused = error
                continue
            self._claims.append(claim)
            self._free += [f"{prefix}.{host}" for host in range(_FIRST, _LAST + 1)]
            return
        raise OSError(f"no block 127.A.B.0/24 is free on this machine: {refused}")
