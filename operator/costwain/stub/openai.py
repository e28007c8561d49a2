"""Completions of the OpenAI API as vLLM reads them, with its refusals word for word.

An answer has max_tokens tokens if `ignore_eos` is set; else 64 to 192, 128 on average, drawn from the prompt's
own hash, and max_tokens at most.
"""

from dataclasses import dataclass

from costwain.stub.args import Settings
from costwain.stub.fields import Fields, check_model, integer, json_object, required, required_list
from costwain.stub.prompts import Prompt, check_length, conversation, prompts
from costwain.stub.refusal import plain, value
from costwain.stub.sequence import LENGTH, STOP

_COMPLETION_DEFAULT_TOKENS = 16
_MOST_LOGPROBS, _VOCABULARY = 20, 151_936
_LEAST_TOKENS, _SPREAD_TOKENS = 64, 129


@dataclass(frozen=True)
class Choice:
    """One answer that vLLM would give, in tokens; `siblings` is how many its prompt gets, 0 but for the first."""

    prompt_tokens: int
    answer_tokens: int
    max_tokens: int
    finish_reason: str
    siblings: int = 1


@dataclass(frozen=True)
class Ask:
    """A request that vLLM would run: `choices` for each prompt in turn; `prompt_tokens` of all prompts.

    `logprobs`: how many likely tokens are told beside each one; None where nothing is told of it.
    """

    chat: bool
    stream: bool
    include_usage: bool
    continuous_usage: bool
    prompt_tokens: int
    choices: tuple[Choice, ...]
    logprobs: int | None = None


def parse(*, chat: bool, body: bytes, content_type: str, settings: Settings) -> Ask:
    """Reads a request; raises ApiError as vLLM refuses it."""
    given = json_object(body, content_type)
    asked = [conversation(required_list(given, "messages"))] if chat else prompts(required(given, "prompt"))
    asked_tokens = integer(given, "max_completion_tokens") or integer(given, "max_tokens")
    check_values(given, asked_tokens, settings)
    for prompt in asked:
        check_length(prompt, asked_tokens or 0, settings.max_model_len)
    options = given.get("stream_options") or {}
    default_tokens = None if chat else _COMPLETION_DEFAULT_TOKENS
    return Ask(
        chat=chat,
        stream=bool(given.get("stream")),
        include_usage=bool(options.get("include_usage")),
        continuous_usage=bool(options.get("include_usage") and options.get("continuous_usage_stats")),
        prompt_tokens=sum(prompt.tokens for prompt in asked),
        choices=tuple(
            choice_for(prompt, number, given, asked_tokens or default_tokens, settings.max_model_len)
            for prompt in asked
            for number in range(integer(given, "n") or 1)
        ),
        logprobs=_logprobs(given, chat=chat),
    )


def choice_for(prompt: Prompt, number: int, given: Fields, most: int | None, longest: int) -> Choice:
    """The answer of that number to a prompt; `most` None leaves it the rest of the context."""
    room = longest - prompt.tokens
    max_tokens = min(most or room, room)
    natural_tokens = max(_LEAST_TOKENS + (prompt.seed + number) % _SPREAD_TOKENS, integer(given, "min_tokens") or 0)
    ends_itself = natural_tokens <= max_tokens and not given.get("ignore_eos")
    return Choice(
        prompt_tokens=prompt.tokens,
        answer_tokens=natural_tokens if ends_itself else max_tokens,
        max_tokens=max_tokens,
        finish_reason=STOP if ends_itself else LENGTH,
        siblings=(integer(given, "n") or 1) if number == 0 else 0,
    )


def check_values(given: Fields, asked_tokens: int | None, settings: Settings, name: str = "max_tokens") -> None:
    """Raises ApiError for what no model can do; `name` is that of the field that bounds the answer."""
    check_model(given, settings.served_names)
    if given.get("stream_options") and not given.get("stream"):
        raise plain("Stream options can only be defined when `stream=True`.", "stream_options")
    _check_sampling(given)
    if asked_tokens is not None and asked_tokens < 1:
        raise value("max_tokens", asked_tokens, f"max_tokens must be at least 1, got {asked_tokens}.")
    if asked_tokens is not None and asked_tokens > settings.max_model_len:
        message = f"{name}={asked_tokens} cannot be greater than max_model_len={settings.max_model_len}."
        raise value(name, asked_tokens, f"{message} Please request fewer output tokens.")
    least = integer(given, "min_tokens") or 0
    if asked_tokens is not None and least > asked_tokens:
        raise plain(f"min_tokens must be less than or equal to max_tokens={asked_tokens}, got {least}.")


def _check_sampling(given: Fields) -> None:
    temperature, top_p = given.get("temperature"), given.get("top_p")
    if isinstance(temperature, int | float) and temperature < 0:
        raise value("temperature", float(temperature), f"temperature must be non-negative, got {float(temperature)}.")
    if isinstance(temperature, int | float) and temperature > 2:
        raise value("temperature", float(temperature), f"temperature must be in [0, 2], got {float(temperature)}.")
    if isinstance(top_p, int | float) and not 0 < top_p <= 1:
        raise value("top_p", float(top_p), f"top_p must be in (0, 1], got {float(top_p)}.")
    choices = integer(given, "n")
    if choices is not None and choices < 1:
        raise plain(f"n must be at least 1, got {choices}.")
    if choices is not None and choices > 1 and temperature == 0:
        raise plain(f"n must be 1 when using greedy sampling, got {choices}.")


def _logprobs(given: Fields, *, chat: bool) -> int | None:
    name = "top_logprobs" if chat else "logprobs"
    if chat and not given.get("logprobs"):
        if given.get(name):
            raise plain("when using `top_logprobs`, `logprobs` must be set to true.", name)
        return None
    found = given.get(name)
    if found is None:
        return 0 if chat else None
    count = int(found) if isinstance(found, bool) else integer(given, name) or 0
    count = _VOCABULARY if count == -1 else count
    if count < 0:
        raise value(name, count, f"`{name}` must be a positive value or -1.")
    if count > _MOST_LOGPROBS:
        sentence = f"Requested sample logprobs of {count}, which is greater than max allowed: {_MOST_LOGPROBS}"
        raise value("logprobs", count, sentence)
    return count
