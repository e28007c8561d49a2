"""A thousand requests that no client should send, the same each time; each hides a second one behind itself.

The hidden request asks for a path that the gateway lets nobody reach. A pod that sees it took for a request what the
gateway took for something else: that is how requests are smuggled.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator

HIDDEN_PATH = "/v1/hidden"
KEY = "sk-blue-0123456789"
_PATH = "/v1/chat/completions"
_JSON = b'{"messages": [{"role": "user", "content": "hi"}], "wait_ms": 0}'
_HIDDEN = f"POST {HIDDEN_PATH} HTTP/1.1\r\nhost: gateway\r\ncontent-length: 2\r\n\r\n{{}}".encode()

_LENGTHS = [
    "", "{n}", "0", "{short}", "{long}", "+{n}", "-1", " {n}", "{n} ", "0x{n:x}", "{n},{n}", "{n}, {short}", "{n};a",
    "99999999999999999999", "\t{n}", "{n}\r\ncontent-length: {short}", "{n}\r\ncontent-length: {n}", "0{n}", "{n}.0",
    "\r\n {n}", "1e1", "_{n}", "None",
]  # fmt: skip
_ENCODINGS = [
    None, "chunked", "Chunked", "\tchunked", " chunked ", "xchunked", "chunked, identity", "identity, chunked",
    "gzip, chunked", "chunked, chunked", "\x0bchunked", '"chunked"', "chunked;q=1", "identity", "chunked\r\n gzip",
    "\r\n chunked", "chunked\r\ntransfer-encoding: identity", "", "chun\0ked", "chunked,",
]  # fmt: skip
_ENCODING_NAMES = [
    "transfer-encoding",
    "Transfer-Encoding ",
    "transfer_encoding",
    "\ttransfer-encoding",
    "x\n: y\r\nTE",
]
_CHUNKS = [
    b"0\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n", b"%x;a=b\r\n%b\r\n0\r\n\r\n", b"-1\r\n\r\n", b"fffffffffffffffff\r\n",
    b"%x\n%b\n0\n\n", b" %x\r\n%b\r\n0\r\n\r\n", b"0x%x\r\n%b\r\n0\r\n\r\n", b"%x\r\n%bzz0\r\n\r\n", b"g\r\n",
]  # fmt: skip
_LINES = [
    "POST {p} HTTP/1.1 ", " POST {p} HTTP/1.1", "POST  {p}  HTTP/1.1", "POST\t{p}\tHTTP/1.1", "POST {p}", "{p}", "",
    "POST {p} HTTP/1.10", "POST {p} HTTP/0.9", "POST {p} HTTP/3.0", "POST {p} http/1.1", "P\0ST {p} HTTP/1.1",
    "POST {p}#x HTTP/1.1", "POST {p}?{p} HTTP/1.1", "POST //evil{p} HTTP/1.1", "POST /v1/../v1{p} HTTP/1.1",
    "POST http://evil{p} HTTP/1.1", "CONNECT evil:80 HTTP/1.1", "OPTIONS * HTTP/1.1", "PRI * HTTP/2.0",
    "POST {p}%00 HTTP/1.1", "POST {p}\xff HTTP/1.1", "GET {p} HTTP/1.1", "POST %2f HTTP/1.1", "post {p} HTTP/1.1",
]  # fmt: skip
_HEADERS = [
    "x: a\0b", "x : y", ": y", "x", "x: a\r\n b", " x: y", "x: \x7f", "x\x80: y", "host: evil", "host:", "x: a\rb",
    "connection: content-length", "connection: transfer-encoding, close", "upgrade: h2c\r\nconnection: upgrade",
    "expect: 100-continue", "expect: nonsense", "te: trailers", "trailer: content-length", "range: bytes=0-",
    "x-costwain-min-variant: ../..", "x-session-id: %00", "authorization: Bearer", "authorization: Bearer a b",
    "x-api-key: \xff\xfe", "content-encoding: gzip", "x-http-method-override: DELETE", "proxy-connection: keep-alive",
]  # fmt: skip
_BODIES = [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe\x00", b'{"messages": null}', b'{"messages": [[[[]]]]}',
    b"[" * 5000,
    b'{"messages": [{"content": {"a": 1}}]}', b'{"messages": [{"role": "system", "content": 5}]}', b"\0" * 100,
    b'{"a": "\\ud800"}', b'{"messages": [{"role": "user", "content": "' + b"\\" * 999 + b'"}]}', b'{"n": 1e999}',
    json.dumps({"messages": [{"role": "user", "content": "x" * 70_000}]}).encode(), _HIDDEN,
]  # fmt: skip


def bad_requests(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """(what is wrong, bytes) of `count` requests; three of four hold a key that is good."""
    dice = random.Random(seed)
    kinds: list[tuple[str, Callable[[random.Random], bytes]]] = [
        ("length and encoding", _framing),
        ("length and encoding", _framing),
        ("chunks", _chunks),
        ("request line", _line),
        ("headers", _headers),
        ("body", _body),
        ("bytes changed", _changed),
        ("cut short", _cut),
    ]
    for kind, make in itertools.islice(itertools.cycle(kinds), count):
        yield kind, make(dice)


def _head(lines: list[str], dice: random.Random) -> bytes:
    key = [f"authorization: Bearer {KEY}"] * (dice.randrange(4) > 0)
    return "\r\n".join([lines[0], *key, *lines[1:], "", ""]).encode("latin-1")


def _framing(dice: random.Random) -> bytes:
    length, encoding = dice.choice(_LENGTHS), dice.choice(_ENCODINGS)
    payload = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_JSON), _JSON) if dice.randrange(2) else _JSON
    sizes = {"n": len(payload), "short": max(len(payload) - 7, 0), "long": len(payload) + len(_HIDDEN)}
    lines = [f"content-length: {length.format(**sizes)}"] if length else []
    if encoding is not None:
        lines.append(f"{dice.choice([_ENCODING_NAMES[0], *_ENCODING_NAMES])}: {encoding}")
    dice.shuffle(lines)
    return _head([f"POST {_PATH} HTTP/1.{dice.choice('0111')}", "host: gateway", *lines], dice) + payload + _HIDDEN


def _chunks(dice: random.Random) -> bytes:
    chunk = dice.choice(_CHUNKS)
    payload = chunk % ((len(_JSON), _JSON) if b"%x" in chunk else ())
    length = [f"content-length: {dice.choice([len(payload), 4, 0])}"] * dice.randrange(2)
    lines = [f"POST {_PATH} HTTP/1.1", "host: gateway", "transfer-encoding: chunked", *length]
    return _head(lines, dice) + payload + _HIDDEN


def _line(dice: random.Random) -> bytes:
    return _head([dice.choice(_LINES).format(p=_PATH), "host: gateway", f"content-length: {len(_JSON)}"], dice) + _JSON


def _headers(dice: random.Random) -> bytes:
    odd = dice.choices(_HEADERS, k=dice.randint(1, 3))
    if dice.random() < 0.1:
        odd.append("x: " + "a" * dice.choice([8_000, 60_000, 64_400, 70_000]))
    if dice.random() < 0.1:
        odd += [f"x{number}: y" for number in range(dice.choice([90, 100, 300]))]
    lines = [f"POST {_PATH} HTTP/1.1", "host: gateway", f"content-length: {len(_JSON)}", *odd]
    return _head(lines, dice) + _JSON + _HIDDEN


def _body(dice: random.Random) -> bytes:
    body = dice.choice(_BODIES)
    kind = dice.choice(["application/json", "text/plain", "multipart/form-data; boundary=", ""])
    lines = [f"POST {_PATH} HTTP/1.1", "host: gateway", f"content-type: {kind}", f"content-length: {len(body)}"]
    return _head(lines, dice) + body


def _good(dice: random.Random) -> bytes:
    return _head([f"POST {_PATH} HTTP/1.1", "host: gateway", f"content-length: {len(_JSON)}"], dice) + _JSON


def _changed(dice: random.Random) -> bytes:
    data = bytearray(_good(dice))
    for _ in range(dice.randint(1, 6)):
        where = dice.randrange(len(data))
        if dice.randrange(3):
            data[where] = dice.randrange(256)
        else:
            data[where:where] = dice.choice([b"\r\n", b"\n", b"\r", b"\0", b":", b" "])
    return bytes(data)


def _cut(dice: random.Random) -> bytes:
    data = _good(dice)
    return data[: dice.randrange(1, len(data))]
