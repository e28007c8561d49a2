"""Bytes to a gateway and back, for requests that no HTTP library sends."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from costwain.domain import names


@dataclass(frozen=True)
class Answer:
    """The first answer on a connection; status 0 where it was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any] | None:
        """The error, if the body is one in OpenAI's shape."""
        try:
            error = json.loads(self.body)["error"]
        except (ValueError, KeyError, TypeError):
            return None
        return error if set(error) == {"message", "type", "param", "code"} else None


async def send(address: str, data: bytes, deadline_s: float = 20) -> Answer:
    """Sends to a gateway's address, or to a socket's path, and reads one answer; TimeoutError where none comes."""
    if address.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        reader, writer = await asyncio.open_connection(address, names.GATEWAY_PORT)
    try:
        writer.write(data)
        async with asyncio.timeout(deadline_s):
            return await read(reader)
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader) -> Answer:
    """The next answer that is no interim one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0, {}, b"")
    return Answer(int(first.split()[1]), headers, body)


def request(
    body: bytes = b"{}", path: str = "/v1/chat/completions", method: str = "POST", headers: tuple[str, ...] = ()
) -> bytes:
    """A plain request with its length."""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
