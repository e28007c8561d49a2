"""Carries out probe and hook actions: an HTTP request, a TCP connection, a command, a pause."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace

from costwain.adapters.kube import Object
from costwain.local.node.context import Launch, PodContext
from costwain.local.node.environment import words
from costwain.local.node.probes import ProbeSpec, http_success
from costwain.local.node.process import run_to_end

_ENOUGH_BYTES = 10 << 10  # of an answer's body, as a kubelet


@dataclass(frozen=True)
class Actor:
    """Carries out the actions of one container's probes and hooks."""

    context: PodContext
    container: Object
    launch: Launch

    async def probe(self, spec: ProbeSpec) -> tuple[bool, str]:
        """Whether the probe succeeded, and what was found."""
        try:
            async with asyncio.timeout(spec.timeout_s):
                return await self._act(spec.action, spec.timeout_s)
        except TimeoutError:
            return False, f"no answer within {spec.timeout_s:g} s"
        except (OSError, ValueError) as error:  # refused, reset, not HTTP, or a command that can't be started
            return False, str(error) or repr(error)

    async def hook(self, action: Object, timeout_s: float) -> tuple[bool, str]:
        """Runs a lifecycle hook for at most timeout_s seconds."""
        if "sleep" in action:
            await asyncio.sleep(min(action["sleep"]["seconds"], timeout_s))
            return True, "slept"
        return await self.probe(ProbeSpec("liveness", action, timeout_s=timeout_s))

    async def _act(self, action: Object, timeout_s: float) -> tuple[bool, str]:
        if "httpGet" in action:
            status = await self._http_get(action["httpGet"])
            return http_success(status), f"HTTP status {status}"
        if "tcpSocket" in action:
            target = action["tcpSocket"]
            _, writer = await asyncio.open_connection(self._host(target), self._port(target["port"]))
            await _hang_up(writer)
            return True, "connected"
        if "exec" in action:
            argv = words(action["exec"]["command"], self.launch.env, self.launch.translate)
            launch = replace(self.launch, argv=argv)
            process = self.context.start(launch, self.container, "exec.log")
            code = await run_to_end(process, timeout_s)
            return code == 0, f"exit code {code}"
        return False, f"want httpGet, tcpSocket or exec, found {sorted(action)}: a process node offers no other"

    async def _http_get(self, target: Object) -> int:
        """The status of a GET; written by hand, since 30 idle pods must cost next to nothing."""
        host, port = self._host(target), self._port(target["port"])
        context = _blind_tls() if target.get("scheme") == "HTTPS" else None
        headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
        headers |= {header["name"]: header["value"] for header in target.get("httpHeaders", ())}
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            writer.write(_request(target.get("path") or "/", headers))
            line = await reader.readline()
            left = _ENOUGH_BYTES
            while left > 0 and (chunk := await reader.read(left)):
                left -= len(chunk)
        finally:
            await _hang_up(writer)
        version, status = [*line.split(), b"", b""][:2]
        if not version.startswith(b"HTTP/") or not status.isdigit():
            raise ValueError(f"want an HTTP status line, found {line[:80]!r}")
        return int(status)

    def _host(self, target: Object) -> str:
        return self.launch.translate(target.get("host") or self.context.address)

    def _port(self, port: int | str) -> int:
        """A number, or the containerPort of that name; raises ValueError for a name that isn't there."""
        if isinstance(port, int):
            return port
        for declared in self.container.get("ports", ()):
            if declared.get("name") == port:
                return int(declared["containerPort"])
        raise ValueError(f"port {port!r}: the container {self.container['name']!r} declares no port of that name")


def _request(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _blind_tls() -> ssl.SSLContext:
    """A kubelet doesn't verify the certificate of what it probes."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
