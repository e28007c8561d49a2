"""Requests of the OpenAI API as vLLM reads them, with its refusals word for word.

Tokens are estimated: an array of token ids is as long as it is, text has one token for every
four characters or part of them, and a chat adds four tokens a message for its template.
An answer has max_tokens tokens if `ignore_eos` is set; else 64 to 192, 128 on average, drawn
from the prompt's own hash, and max_tokens at most.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from costwain.stub.args import Settings
from costwain.stub.sequence import LENGTH, STOP

_CHARACTERS_PER_TOKEN = 4
_TEMPLATE_TOKENS_PER_MESSAGE = 4
# vLLM refuses unseen what can't fit even if every token were its tokenizer's longest.
_LONGEST_TOKEN_CHARACTERS = 10
_COMPLETION_DEFAULT_TOKENS = 16

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


@dataclass(frozen=True)
class Ask:
    """A request that vLLM would run: how long its prompt is and how long its answer will be, in tokens."""

    chat: bool
    stream: bool
    include_usage: bool
    continuous_usage: bool
    prompt_tokens: int
    answer_tokens: int
    max_tokens: int
    finish_reason: str


def parse(*, chat: bool, body: bytes, content_type: str, settings: Settings) -> Ask:
    """Reads a request; raises ApiError as vLLM refuses it."""
    given = _json(body, content_type)
    content = _required(given, "messages" if chat else "prompt", chat=chat)
    asked_tokens = _integer(given, "max_completion_tokens") or _integer(given, "max_tokens")
    _check_values(given, asked_tokens, settings)
    prompt_tokens, characters, seed = _measure_chat(content) if chat else _measure(content)
    _check_length(prompt_tokens, characters, asked_tokens or 0, settings.max_model_len)
    room = settings.max_model_len - prompt_tokens
    max_tokens = min(asked_tokens or (room if chat else _COMPLETION_DEFAULT_TOKENS), room)
    natural_tokens = max(64 + seed % 129, _integer(given, "min_tokens") or 0)
    ends_itself = natural_tokens <= max_tokens and not given.get("ignore_eos")
    options = given.get("stream_options") or {}
    return Ask(
        chat=chat,
        stream=bool(given.get("stream")),
        include_usage=bool(options.get("include_usage")),
        continuous_usage=bool(options.get("include_usage") and options.get("continuous_usage_stats")),
        prompt_tokens=prompt_tokens,
        answer_tokens=natural_tokens if ends_itself else max_tokens,
        max_tokens=max_tokens,
        finish_reason=STOP if ends_itself else LENGTH,
    )


def _json(body: bytes, content_type: str) -> Mapping[str, Any]:
    if content_type != "application/json":
        raise _invalid("Unsupported Media Type: Only 'application/json' is allowed")
    try:
        given = json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        at, why = (error.pos, error.msg) if isinstance(error, json.JSONDecodeError) else (0, "Not UTF-8")
        problem = {"type": "json_invalid", "loc": f"body.{at}", "msg": "JSON decode error"}
        raise _invalid({**problem, "input": "<dict of 0 items>", "ctx": {"error": why}}, f"body.{at}") from None
    if not isinstance(given, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        shown = f"<list of {len(given)} items>" if isinstance(given, list) else str(given)
        raise _invalid({"type": "model_attributes_type", "loc": "body", "msg": message, "input": shown}, "body")
    return given


def _required(given: Mapping[str, Any], field: str, *, chat: bool) -> Any:
    loc = f"body.{field}"
    if given.get(field) is None:
        shown = f"<dict of {len(given)} items>"
        raise _invalid({"type": "missing", "loc": loc, "msg": "Field required", "input": shown}, loc)
    if chat and not isinstance(given[field], list):
        problem = {"type": "list_type", "loc": loc, "msg": "Input should be a valid list", "input": given[field]}
        raise _invalid(problem, loc)
    return given[field]


def _integer(given: Mapping[str, Any], field: str) -> int | None:
    value, loc = given.get(field), f"body.{field}"
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    try:
        return int(value) if isinstance(value, str) else int(_whole(value))
    except (ValueError, TypeError):
        hint = ", unable to parse string as an integer" if isinstance(value, str) else ""
        kind = "int_parsing" if isinstance(value, str) else "int_type"
        problem = {"type": kind, "loc": loc, "msg": f"Input should be a valid integer{hint}", "input": value}
        raise _invalid(problem, loc) from None


def _whole(value: Any) -> float:
    if isinstance(value, float) and value.is_integer():
        return value
    raise TypeError


def _check_values(given: Mapping[str, Any], asked_tokens: int | None, settings: Settings) -> None:
    model = given.get("model")
    if model and model not in settings.served_names:
        aliases = ", ".join(settings.served_names)
        message = f"The model `{model}` does not exist. Valid aliases: {aliases}."
        raise ApiError(HTTPStatus.NOT_FOUND, "NotFoundError", message, "model")
    if given.get("stream_options") and not given.get("stream"):
        message = "Stream options can only be defined when `stream=True`. (parameter=stream_options)"
        raise ApiError(HTTPStatus.BAD_REQUEST, BAD_VALUE, message, "stream_options")
    _check_sampling(given)
    if asked_tokens is not None and asked_tokens < 1:
        raise _value("max_tokens", asked_tokens, f"max_tokens must be at least 1, got {asked_tokens}.")
    if asked_tokens is not None and asked_tokens > settings.max_model_len:
        message = f"max_tokens={asked_tokens} cannot be greater than max_model_len={settings.max_model_len}."
        raise _value("max_tokens", asked_tokens, f"{message} Please request fewer output tokens.")
    least = _integer(given, "min_tokens") or 0
    if asked_tokens is not None and least > asked_tokens:
        raise _plain(f"min_tokens must be less than or equal to max_tokens={asked_tokens}, got {least}.")


def _check_sampling(given: Mapping[str, Any]) -> None:
    temperature, top_p = given.get("temperature"), given.get("top_p")
    if isinstance(temperature, int | float) and temperature < 0:
        raise _value("temperature", float(temperature), f"temperature must be non-negative, got {float(temperature)}.")
    if isinstance(temperature, int | float) and temperature > 2:
        raise _value("temperature", float(temperature), f"temperature must be in [0, 2], got {float(temperature)}.")
    if isinstance(top_p, int | float) and not 0 < top_p <= 1:
        raise _value("top_p", float(top_p), f"top_p must be in (0, 1], got {float(top_p)}.")
    choices = _integer(given, "n")
    if choices is not None and choices < 1:
        raise _plain(f"n must be at least 1, got {choices}.")
    if choices is not None and choices > 1:  # vLLM would
        raise _value("n", choices, "the stub answers with one choice.")


def _check_length(tokens: int, characters: int, asked_tokens: int, longest: int) -> None:
    room = longest - asked_tokens
    limit = f"This model's maximum context length is {longest} tokens. However, "
    limit += f"you requested {asked_tokens} output tokens and your prompt" if asked_tokens else "your prompt"
    shorter = "Please reduce the length of the input prompt"
    shorter += " or the number of requested output tokens." if asked_tokens else "."
    if characters > room * _LONGEST_TOKEN_CHARACTERS:
        bound = (
            f"more than {room * _LONGEST_TOKEN_CHARACTERS} characters, which is the upper bound for {room} input tokens"
        )
        raise _value("input_text", characters, f"{limit} contains {characters} characters ({bound}). {shorter}")
    if tokens > room or tokens == longest:
        least = room + 1
        over = (
            f", for a total of at least {longest + 1} tokens"
            if asked_tokens
            else ", which exceeds this limit even without any output tokens"
        )
        raise _value("input_tokens", least, f"{limit} contains at least {least} input tokens{over}. {shorter}")


def _measure(prompt: Any) -> tuple[int, int, int]:
    """Tokens, characters and a hash of a prompt: text, token ids, or a list with one of either."""
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        return _measure(prompt[0])
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return len(prompt), 0, zlib.crc32(repr(prompt).encode())
    if isinstance(prompt, str) and prompt:
        return -(-len(prompt) // _CHARACTERS_PER_TOKEN), len(prompt), zlib.crc32(prompt.encode(errors="replace"))
    if prompt in ("", []):
        message = "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)"
        raise ApiError(HTTPStatus.BAD_REQUEST, BAD_VALUE, message, "prompt")
    raise _value("prompt", "", "the stub takes one prompt, as text or as token ids.")  # vLLM takes several


def _measure_chat(messages: list[Any]) -> tuple[int, int, int]:
    if not messages:
        raise _plain("Cannot apply chat template to an empty conversation. Provide at least one message.")
    text = "\n".join(_text(message) for message in messages)
    tokens, characters, seed = _measure(text or " ")
    return tokens + _TEMPLATE_TOKENS_PER_MESSAGE * len(messages), characters, seed


def _text(message: Any) -> str:
    """The text of a message, whose content may be a list of parts."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _invalid(problem: dict[str, Any] | str, param: str | None = None) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, BAD_REQUEST, f"1 validation error:\n  {problem}", param)


def _plain(sentence: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, BAD_VALUE, sentence)


def _value(param: str, value: object, sentence: str) -> ApiError:
    message = f"{sentence} (parameter={param}, value={value})"
    return ApiError(HTTPStatus.BAD_REQUEST, BAD_VALUE, message, param)
