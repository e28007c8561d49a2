"""How long prompts are, by an estimate instead of a tokenizer.

An array of token ids is as long as it is, text has one token for every four characters or part of them, and a
chat adds four tokens a message for its template.
"""

import zlib
from dataclasses import dataclass
from typing import Any

from costwain.stub.fields import mistyped
from costwain.stub.refusal import ApiError, invalid, plain, value

_CHARACTERS_PER_TOKEN = 4
_TEMPLATE_TOKENS_PER_MESSAGE = 4
# vLLM refuses unseen what can't fit even if every token were its tokenizer's longest.
_LONGEST_TOKEN_CHARACTERS = 10


@dataclass(frozen=True)
class Prompt:
    """A prompt's length, and a number that is drawn from its text."""

    tokens: int
    characters: int
    seed: int


def prompts(given: Any) -> list[Prompt]:
    """Those of a completion: one text, one list of token ids, or a list with several of either; raises ApiError."""
    if given == "":
        raise plain("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
    if isinstance(given, str):
        return [_text(given)]
    if not isinstance(given, list):
        kinds = ("list", "list", "string", "list")
        raise invalid("body.prompt", *(mistyped(kind, "prompt", given) for kind in kinds))
    if not given:
        raise plain("You must pass at least one prompt")
    if _is_ids(given):
        return [_ids(given)]
    if "" in given or [] in given:
        raise plain("The decoder prompt cannot be empty")
    if all(isinstance(item, str) for item in given):
        return [_text(item) for item in given]
    if all(isinstance(item, list) and _is_ids(item) for item in given):
        return [_ids(item) for item in given]
    raise _mixed(given)


def conversation(messages: list[Any]) -> Prompt:
    """That of a chat; raises ApiError where nobody said anything."""
    if not messages:
        raise plain("Cannot apply chat template to an empty conversation. Provide at least one message.")
    text = "\n".join(_said(message) for message in messages)
    found = _text(text or " ")
    return Prompt(found.tokens + _TEMPLATE_TOKENS_PER_MESSAGE * len(messages), found.characters, found.seed)


def pieces(text: str) -> list[str]:
    """The text cut where its estimated tokens end.

    >>> pieces("hello world")
    ['hell', 'o wo', 'rld']
    """
    return [text[at : at + _CHARACTERS_PER_TOKEN] for at in range(0, len(text), _CHARACTERS_PER_TOKEN)]


def check_length(prompt: Prompt, asked_tokens: int, longest: int) -> None:
    """Raises ApiError where prompt and answer (0 where it may have any length) don't fit the context."""
    room = longest - asked_tokens
    limit = f"This model's maximum context length is {longest} tokens. However, "
    limit += f"you requested {asked_tokens} output tokens and your prompt" if asked_tokens else "your prompt"
    shorter = "Please reduce the length of the input prompt"
    shorter += " or the number of requested output tokens." if asked_tokens else "."
    most = room * _LONGEST_TOKEN_CHARACTERS
    if prompt.characters > most:
        bound = f"more than {most} characters, which is the upper bound for {room} input tokens"
        sentence = f"{limit} contains {prompt.characters} characters ({bound}). {shorter}"
        raise value("input_text", prompt.characters, sentence)
    if prompt.tokens > room or prompt.tokens == longest:
        least = room + 1
        over = (
            f", for a total of at least {longest + 1} tokens"
            if asked_tokens
            else ", which exceeds this limit even without any output tokens"
        )
        raise value("input_tokens", least, f"{limit} contains at least {least} input tokens{over}. {shorter}")


def _text(text: str) -> Prompt:
    return Prompt(-(-len(text) // _CHARACTERS_PER_TOKEN), len(text), zlib.crc32(text.encode(errors="replace")))


def _ids(ids: list[int]) -> Prompt:
    return Prompt(len(ids), 0, zlib.crc32(repr(ids).encode()))


def _is_ids(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, int) and not isinstance(item, bool) for item in items)


def _mixed(given: list[Any]) -> ApiError:
    """Neither texts nor lists of ids alone; vLLM tells it once for each form that it could have had."""
    odd = next((i for i, item in enumerate(given) if not isinstance(item, str)), 0)
    kinds = (("list", "prompt"), ("string", f"prompt.{odd}"))
    found = {"prompt": given, f"prompt.{odd}": given[odd]}
    return invalid("body.prompt", *(mistyped(kind, loc, found[loc]) for kind, loc in kinds))


def _said(message: Any) -> str:
    """The text of a message, whose content may be a list of parts."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
