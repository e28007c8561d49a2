"""Bad chat requests of the conformance suite, and what vLLM says to them."""

from typing import Any

HELLO = [{"role": "user", "content": "hello"}]
LONG = "hello world " * 600
REFUSED: dict[str, tuple[dict[str, Any] | bytes, int, str, str | None, str]] = {
    "an unknown model": (
        {"model": "nope", "messages": HELLO},
        404,
        "NotFoundError",
        "model",
        "The model `nope` does not exist. Valid aliases: chat, alias.",
    ),
    "an unknown model, streamed": (
        {"model": "nope", "messages": HELLO, "stream": True},
        404,
        "NotFoundError",
        "model",
        "The model `nope` does not exist. Valid aliases: chat, alias.",
    ),
    "broken JSON": (
        b'{"model":"chat","messages":',
        400,
        "Bad Request",
        "body.27",
        "1 validation error:\n  {'type': 'json_invalid', 'loc': 'body.27', 'msg': 'JSON decode error', "
        "'input': '<dict of 0 items>', 'ctx': {'error': 'Expecting value'}}",
    ),
    "no messages": (
        {"model": "chat"},
        400,
        "Bad Request",
        "body.messages",
        "1 validation error:\n  {'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', "
        "'input': '<dict of 1 items>'}",
    ),
    "max_tokens in words": (
        {"model": "chat", "messages": HELLO, "max_tokens": "abc"},
        400,
        "Bad Request",
        "body.max_tokens",
        "1 validation error:\n  {'type': 'int_parsing', 'loc': 'body.max_tokens', "
        "'msg': 'Input should be a valid integer, unable to parse string as an integer', 'input': 'abc'}",
    ),
    "max_tokens beyond the context": (
        {"model": "chat", "messages": HELLO, "max_tokens": 5000},
        400,
        "BadRequestError",
        "max_tokens",
        "max_tokens=5000 cannot be greater than max_model_len=512. Please request fewer output tokens. "
        "(parameter=max_tokens, value=5000)",
    ),
    "a temperature below zero": (
        {"model": "chat", "messages": HELLO, "temperature": -1},
        400,
        "BadRequestError",
        "temperature",
        "temperature must be non-negative, got -1.0. (parameter=temperature, value=-1.0)",
    ),
    "a temperature above two": (
        {"model": "chat", "messages": HELLO, "temperature": 3},
        400,
        "BadRequestError",
        "temperature",
        "temperature must be in [0, 2], got 3.0. (parameter=temperature, value=3.0)",
    ),
    "a top_p above one": (
        {"model": "chat", "messages": HELLO, "top_p": 2},
        400,
        "BadRequestError",
        "top_p",
        "top_p must be in (0, 1], got 2.0. (parameter=top_p, value=2.0)",
    ),
    "no choices": (
        {"model": "chat", "messages": HELLO, "n": 0},
        400,
        "BadRequestError",
        None,
        "n must be at least 1, got 0.",
    ),
    "more tokens at least than at most": (
        {"model": "chat", "messages": HELLO, "max_tokens": 1, "min_tokens": 5},
        400,
        "BadRequestError",
        None,
        "min_tokens must be less than or equal to max_tokens=1, got 5.",
    ),
    "options of a stream without one": (
        {"model": "chat", "messages": HELLO, "stream_options": {"include_usage": True}},
        400,
        "BadRequestError",
        "stream_options",
        "Stream options can only be defined when `stream=True`. (parameter=stream_options)",
    ),
    "a conversation without a word": (
        {"model": "chat", "messages": []},
        400,
        "BadRequestError",
        None,
        "Cannot apply chat template to an empty conversation. Provide at least one message.",
    ),
    "a list": (
        b"[1]",
        400,
        "Bad Request",
        "body",
        "1 validation error:\n  {'type': 'model_attributes_type', 'loc': 'body', "
        "'msg': 'Input should be a valid dictionary or object to extract fields from', 'input': '<list of 1 items>'}",
    ),
}
