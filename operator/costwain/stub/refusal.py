"""vLLM's refusals: statuses, kinds and words."""

from http import HTTPStatus
from typing import Any

BAD_REQUEST = "Bad Request"
BAD_VALUE = "BadRequestError"


class ApiError(Exception):
    """A refusal, as HTTP status and body."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.param = param

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}}


def draining() -> ApiError:
    """New requests while vLLM drains: not the 503 one would expect."""
    return ApiError(500, "InternalServerError", "cannot schedule new futures after shutdown")


def dead() -> ApiError:
    """Requests that the engine took down with it, and those that come after."""
    message = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    return ApiError(500, "InternalServerError", message)


def scale_out() -> ApiError:
    """The paths beside an endpoint that prepare a request for another instance; routers probe them."""
    message = "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them."
    return ApiError(403, "PermissionDeniedError", message)


def busy() -> ApiError:
    """Requests beyond `--max-num-queued-reqs`."""
    message = "The engine is currently busy and cannot accept new requests."
    return ApiError(503, "Service Unavailable", f"{message} Please try again later or on a different instance.")


def unknown_model(model: object, served: tuple[str, ...]) -> ApiError:
    message = f"The model `{model}` does not exist. Valid aliases: {', '.join(served)}."
    return ApiError(HTTPStatus.NOT_FOUND, "NotFoundError", message, "model")


def invalid(param: str | None, *problems: dict[str, Any] | str) -> ApiError:
    """What pydantic finds wrong with the form of a request."""
    head = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''}:"
    return ApiError(HTTPStatus.BAD_REQUEST, BAD_REQUEST, "\n  ".join([head, *map(str, problems)]), param)


def plain(sentence: str, param: str | None = None) -> ApiError:
    """What is wrong with a request as a whole, or with a field whose value isn't told."""
    message = sentence if param is None else f"{sentence} (parameter={param})"
    return ApiError(HTTPStatus.BAD_REQUEST, BAD_VALUE, message, param)


def value(param: str, found: object, sentence: str) -> ApiError:
    """What is wrong with the value of a field."""
    return ApiError(HTTPStatus.BAD_REQUEST, BAD_VALUE, f"{sentence} (parameter={param}, value={found})", param)
