"""API keys from a mounted Secret: one file a tenant, one key a line. Only their hashes leave this module."""

import hashlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path

MIN_LENGTH = 16  # a shorter secret could be found by trying
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,253}")  # what a Secret's keys can be; one word of a command
_log = logging.getLogger(__name__)


def hash_of(key: str) -> str:
    """What HAProxy knows of a key: SHA-256 in hexadecimal.

    >>> hash_of("sk-example-example")[:8]
    'a591ffad'
    """
    return hashlib.sha256(key.encode()).hexdigest()


def hashes(texts: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Hash -> tenant from each tenant's lines, and a sentence for each line that is no good; none holds a key.

    A key that two tenants have belongs to the first by name.
    """
    known: dict[str, str] = {}
    faults = []
    for tenant, text in sorted(texts.items()):
        for number, line in enumerate(text.splitlines(), 1):
            key = line.strip()
            fault = _fault(key, known.get(hash_of(key)))
            if fault:
                faults.append(f"API keys: {tenant}: line {number}: {fault}")
            elif key:
                known[hash_of(key)] = tenant
    return known, faults


def _fault(key: str, owner: str | None) -> str | None:
    if not key:
        return None
    if not key.isascii() or " " in key or not key.isprintable():
        return "a key is visible ASCII without spaces"
    if len(key) < MIN_LENGTH:
        return f"a key has at least {MIN_LENGTH} characters"
    return f"{owner} has this key already" if owner else None


class KeyFolder:
    """The mounted Secret; read again when its files change, as a kubelet changes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, ...]] | None = None
        self._known: dict[str, str] | None = None

    def current(self) -> dict[str, str] | None:
        """Hash -> tenant; a file that can't be read for a moment leaves what was known, None before the first time."""
        try:
            seen = {path.name: _mark(path) for path in self._files()}
            if seen != self._seen:
                texts = {path.name: path.read_bytes().decode(errors="replace") for path in self._files()}
                self._known, faults = hashes(texts)
                self._seen = seen
                _log.info("API keys: %d, of %d tenants", len(self._known), len(texts))
                for fault in faults:
                    _log.warning("%s", fault)
        except OSError as error:
            _log.warning("API keys: %s: %s", error.filename, error.strerror)
        return self._known

    def _files(self) -> list[Path]:
        """One file a tenant; what a kubelet puts beside them begins with two dots."""
        return [
            path for path in self._folder.iterdir() if not path.name.startswith("..") and _TENANT.fullmatch(path.name)
        ]


def _mark(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
