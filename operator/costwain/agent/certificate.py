"""The gateway's certificate: when the mounted Secret is renewed, HAProxy gets the new one over its socket."""

import asyncio
import base64
import hashlib
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from costwain.agent.haproxy import HaproxyError, Runtime

CERTIFICATE, PRIVATE_KEY = "tls.crt", "tls.key"  # the names in a Secret of type kubernetes.io/tls
_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
_PRINT = re.compile(r"^SHA1 FingerPrint: ([0-9A-F]+)$", re.MULTILINE)
_LOOK_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain and key; `fingerprint` is the certificate's SHA-1, as HAProxy shows it."""

    pem: str = field(repr=False)
    fingerprint: str


def read_pair(folder: Path) -> Pair:
    """The mounted pair; raises OSError, and ValueError where the certificate is none."""
    # The certificate first: between two versions it is an old one with a new key, and the old one is there already.
    certificate = (folder / CERTIFICATE).read_text(encoding="ascii", errors="replace")
    key = (folder / PRIVATE_KEY).read_text(encoding="ascii", errors="replace")
    first = _FIRST.search(certificate)
    if first is None:
        raise ValueError(f"{CERTIFICATE}: a certificate in PEM form is wanted")
    der = base64.b64decode(first[1])
    lines = [line for line in f"{certificate}\n{key}".splitlines() if line.strip()]  # a blank line ends a payload
    return Pair("\n".join(lines), hashlib.sha1(der, usedforsecurity=False).hexdigest().upper())


class Renewal:
    """Keeps HAProxy's certificate the mounted one; one that HAProxy refuses leaves the old one in place."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self._folder, self._runtime = folder, runtime
        self._refused: Pair | None = None

    async def run(self) -> None:
        """Looks every few seconds until it is cancelled; what goes wrong is logged and tried again."""
        while True:
            try:
                await self.look()
            except (OSError, ValueError, HaproxyError) as error:
                _log.warning("certificate: %s", error)
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """One comparison; raises OSError, ValueError or HaproxyError."""
        wanted = read_pair(self._folder)
        name = await self._name()
        found = _PRINT.search(await self._runtime.command(f"show ssl cert {name}"))
        if wanted == self._refused or (found and found[1] == wanted.fingerprint):
            return
        await self._runtime.command(f"set ssl cert {name} <<\n{wanted.pem}\n")
        answer = await self._runtime.command(f"commit ssl cert {name}")
        if "Success!" in answer:
            self._refused = None
            _log.info("certificate: renewed, SHA-1 %s", wanted.fingerprint)
        else:
            await self._runtime.command(f"abort ssl cert {name}")
            self._refused = wanted
            _log.error("certificate: HAProxy refuses SHA-1 %s and keeps the old one: %s", wanted.fingerprint, answer)

    async def _name(self) -> str:
        """The file by which HAProxy knows the certificate."""
        for line in (await self._runtime.command("show ssl cert")).splitlines():
            if line.endswith(f"/{CERTIFICATE}") and not line.startswith("*"):
                return line
        raise HaproxyError(f"show ssl cert: no {CERTIFICATE}")
