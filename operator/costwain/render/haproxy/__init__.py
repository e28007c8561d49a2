"""HAProxy's configuration: a few files that change only when the ladder or a fixed limit does."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

SERVING, WAITING = "variant", "waiting"  # a variant's backend, and the one in which nobody serves at or above it
HOLD, AGAIN = "hold", "again"  # servers that are no pods
PROGRAM_MAP = "program.map"
MAX_CONNECTIONS = 65_000  # that HAProxy takes where the machine's limit of open files allows it
EXPORTER_PORT = 8405
SHARE_UNIT = 10_000  # shares are in hundredths of a percent
SAFE_PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/rerank",
    "/v1/score",
    "/tokenize",
    "/detokenize",
)
_SERVER_TIMEOUT_S = 600  # silence of a pod: a long prefill
_ERRORS = {  # status: (reason phrase, OpenAI error type, message)
    400: ("Bad Request", "invalid_request_error", "the request is not valid HTTP"),
    403: ("Forbidden", "permission_error", "the request was denied"),
    404: ("Not Found", "invalid_request_error", "no such path or method"),
    408: ("Request Timeout", "invalid_request_error", "the request came too slowly"),
    413: ("Content Too Large", "invalid_request_error", "the request body is too large"),
    425: ("Too Early", "server_error", "no replica is free yet"),
    500: ("Internal Server Error", "server_error", "the gateway failed"),
    502: ("Bad Gateway", "server_error", "the replica gave no valid answer"),
    503: ("Service Unavailable", "overloaded_error", "no replica was free in time, or too many requests wait already"),
    504: ("Gateway Timeout", "server_error", "the replica did not answer in time"),
}
_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Limits:
    """Limits that HAProxy reads at its start; a change of one rolls the gateway."""

    queue_timeout_s: float  # wall seconds
    max_request_bytes: int
    disclose_variant: bool = True  # x-costwain-variant on every answer


def haproxy_files(ladder: Sequence[str], limits: Limits) -> dict[str, str]:
    """File name -> text of everything HAProxy reads; `ladder` holds the variants' names, best first."""
    # a request that is routed anew waits inside: its outer half must outlast a queue and an answer
    of_limits = {
        "SERVER_TIMEOUT_MS": _ms(limits.queue_timeout_s + _SERVER_TIMEOUT_S),
        "DISCLOSE": "" if limits.disclose_variant else "#",
    }
    backends = [backend(kind, variant) for kind in (SERVING, WAITING) for variant in ladder]
    values = {
        "MAX_FILES": str(2 * MAX_CONNECTIONS),
        "EXPORTER_PORT": str(EXPORTER_PORT),
        "BACKENDS": " ".join(backends),
        "LADDER": " ".join(ladder),
        "ERRORFILES": "\n".join(f'    errorfile {status} "${{CFG}}/{status}.http"' for status in _ERRORS),
        "QUEUE_TIMEOUT_MS": _ms(limits.queue_timeout_s),
        "MAX_REQUEST_BYTES": str(limits.max_request_bytes),
        "PATHS": " ".join(SAFE_PATHS),
        "LENGTH_REQUIRED": _error_body(411, "invalid_request_error", "content-length is required"),
        "ROUTING": _fill(
            _text("routing.cfg").rstrip("\n"),
            {
                "UNKNOWN_VARIANT": _error_body(
                    400, "invalid_request_error", "x-costwain-min-variant names no variant of this fleet"
                )
            },
        ),
        "VARIANTS": "".join(
            _fill(_text("variant.cfg"), {"PREFIX": kind, "VARIANT": variant, **of_limits})
            for variant in ladder
            for kind in (SERVING, WAITING)
        ),
    }
    return {
        "haproxy.cfg": _fill(_text("gateway.cfg"), values),
        **{name: _text(name) for name in ("hold.lua", "route.lua", "affinity.lua")},
        PROGRAM_MAP: "state starting\nshares 0\nmax-queued 0\nmodel -\n",
        **{f"{status}.http": _error_file(status) for status in _ERRORS},
    }


def backend(kind: str, variant: str) -> str:
    """The name of a variant's backend; `kind` is SERVING or WAITING.

    >>> backend(SERVING, "full")
    'variant.full'
    """
    return f"{kind}.{variant}"


def _ms(duration_s: float) -> str:
    return f"{max(round(duration_s * 1000), 1)}ms"


def _error_body(status: int, kind: str, message: str) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": status}})


def _error_file(status: int) -> str:
    phrase, kind, message = _ERRORS[status]
    body = _error_body(status, kind, message)
    headers = ["content-type: application/json", f"content-length: {len(body)}", "cache-control: no-store"]
    if status == 503:
        headers.append(f"retry-after: {_RETRY_AFTER_S}")
    return "\r\n".join([f"HTTP/1.1 {status} {phrase}", *headers, "", body])


def _fill(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def _text(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")
