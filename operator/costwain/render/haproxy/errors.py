"""Every error that the gateway itself answers with, in OpenAI's shape; docs/errors.md explains each."""

import json
from dataclasses import dataclass

_INVALID, _SERVER, _OVERLOADED = "invalid_request_error", "server_error", "overloaded_error"


@dataclass(frozen=True)
class GatewayError:
    """One error: `code` is what a program should look at, `retry_after_s` whether and when to come again."""

    code: str
    status: int
    kind: str  # OpenAI's `type`
    message: str
    retry_after_s: int | None = None

    @property
    def body(self) -> str:
        """The JSON of the answer."""
        said = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        return json.dumps({"error": said})

    @property
    def page(self) -> str:
        """The whole answer, as HAProxy wants it in an error file."""
        headers = ["content-type: application/json", f"content-length: {len(self.body)}", "cache-control: no-store"]
        if self.retry_after_s is not None:
            headers.append(f"retry-after: {self.retry_after_s}")
        return "\r\n".join([f"HTTP/1.1 {self.status} {_PHRASES[self.status]}", *headers, "", self.body])

    def rule(self, retry_after: str | None = None, challenge: bool = False) -> str:
        """The action of a rule that gives this answer; `retry_after` is a log format where it is no constant."""
        headers = "hdr cache-control no-store"
        wait = retry_after or (None if self.retry_after_s is None else str(self.retry_after_s))
        if wait is not None:
            headers += f' hdr retry-after "{wait}"'
        if challenge:
            headers += " hdr www-authenticate Bearer"
        return f"return status {self.status} content-type application/json {headers} string '{self.body}'"


# HAProxy's own answers, one page a status; it asks for no other page than these.
PAGES = (
    GatewayError("bad_request", 400, _INVALID, "the request is not valid HTTP"),
    GatewayError("unknown_url", 404, _INVALID, "no such path or method"),
    GatewayError("request_timeout", 408, _INVALID, "the request came too slowly"),
    GatewayError("request_too_large", 413, _INVALID, "the request body is too large"),
    GatewayError("unprocessable_request", 422, _INVALID, "the request contradicts itself about its length"),
    GatewayError("no_free_replica", 425, _OVERLOADED, "no replica is free yet", 1),
    GatewayError("gateway_error", 500, _SERVER, "the gateway failed"),
    GatewayError("unknown_encoding", 501, _INVALID, "the request has a transfer encoding that is not known"),
    GatewayError("invalid_answer", 502, _SERVER, "the replica gave no valid answer"),
    GatewayError("no_replica_in_time", 503, _OVERLOADED, "no replica was free in time", 5),
    GatewayError("replica_timeout", 504, _SERVER, "the replica did not answer in time"),
)
# The gateway's rules.
UNKNOWN_VARIANT = GatewayError(
    "unknown_variant", 400, _INVALID, "x-costwain-min-variant names no variant of this fleet"
)
INVALID_KEY = GatewayError(
    "invalid_api_key", 401, _INVALID, "no valid API key: it belongs into the header authorization, after Bearer"
)
LENGTH_REQUIRED = GatewayError("length_required", 411, _INVALID, "content-length is required")
RATE_EXCEEDED = GatewayError(
    "rate_limit_exceeded", 429, "rate_limit_error", "too many requests: the tenant has a rate", 1
)
CONCURRENCY_EXCEEDED = GatewayError(
    "concurrency_limit_exceeded", 429, "rate_limit_error", "too many requests at once: the tenant has a limit", 1
)
STARTING = GatewayError("gateway_starting", 503, _OVERLOADED, "the gateway has just started", 1)
QUEUE_FULL = GatewayError("queue_full", 503, _OVERLOADED, "too many requests wait already", 5)
MINIMUM_UNKNOWN = GatewayError(
    "minimum_unavailable", 503, _OVERLOADED, "the variant that the tenant must get is not there yet", 5
)
ERRORS = (
    *PAGES,
    UNKNOWN_VARIANT,
    INVALID_KEY,
    LENGTH_REQUIRED,
    RATE_EXCEEDED,
    CONCURRENCY_EXCEEDED,
    STARTING,
    QUEUE_FULL,
    MINIMUM_UNKNOWN,
)
_PHRASES = {
    400: "Bad Request",
    404: "Not Found",
    408: "Request Timeout",
    413: "Content Too Large",
    422: "Unprocessable Content",
    425: "Too Early",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
