"""The Responses API as far as plain text goes: one message in, one out, whole or streamed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from costwain.stub.args import Settings
from costwain.stub.fields import Fields, integer, json_object, mistyped, required
from costwain.stub.logprobs import WORD
from costwain.stub.openai import Choice, check_values, choice_for
from costwain.stub.prompts import check_length, conversation
from costwain.stub.refusal import ApiError, invalid
from costwain.stub.reply import compact
from costwain.stub.sequence import LENGTH


@dataclass(frozen=True)
class Wish:
    """A request that vLLM would run; `echoed` are fields that its answer repeats."""

    stream: bool
    choice: Choice
    echoed: dict[str, Any]

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (self.choice,)


def parse(body: bytes, content_type: str, settings: Settings) -> Wish:
    """Reads a request; raises ApiError as vLLM refuses it."""
    given = json_object(body, content_type)
    said = required(given, "input")
    if not isinstance(said, str | list):
        raise invalid("body.input", mistyped("string", "input", said), mistyped("list", "input", said))
    most = integer(given, "max_output_tokens")
    check_values(given, most, settings, "max_output_tokens")
    prompt = conversation(_messages(said, given))
    check_length(prompt, most or 0, settings.max_model_len)
    choice = choice_for(prompt, 0, given, most, settings.max_model_len)
    echoed = {
        "instructions": given.get("instructions"),
        "metadata": given.get("metadata"),
        "temperature": given.get("temperature", 1.0),
        "top_p": given.get("top_p", 1.0),
        "max_output_tokens": choice.max_tokens,
        "user": given.get("user"),
    }
    return Wish(bool(given.get("stream")), choice, echoed)


def _messages(said: str | list[Any], given: Fields) -> list[Any]:
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    instructions = given.get("instructions")
    return [{"role": "system", "content": instructions}, *messages] if instructions and messages else messages


@dataclass
class Response:
    """One answer. `model` is the first served name, `created_s` is in unix seconds."""

    wish: Wish
    id: str
    model: str
    created_s: int
    produced: int = 0
    _number: int = field(default=0, init=False)
    _began: bool = field(default=False, init=False)
    _reason: str = field(default="", init=False)

    def opening(self) -> bytes:
        """It is known, and under way, before there is a token."""
        kinds = ("response.created", "response.in_progress")
        return b"".join(self._event(kind, {"response": self._whole(None)}) for kind in kinds)

    def events(self, _: int, tokens: int, reason: str | None) -> bytes:
        """A part begins with the first token; tokens that came together share an event."""
        self._reason = reason or ""
        if not tokens:
            return b""
        self.produced += tokens
        return (b"" if self._began else self._begin()) + self._text("delta", delta=WORD * tokens, logprobs=[])

    def closing(self) -> bytes:
        """The part, the message and the answer are over."""
        ends = [] if self._began else [self._begin()]
        place = {"content_index": 0, "item_id": self._item_id, "output_index": 0}
        ends.append(self._text("done", logprobs=[], text=WORD * self.produced))
        ends.append(self._event("response.content_part.done", {**place, "part": self._part(WORD * self.produced)}))
        ends.append(self._event("response.output_item.done", {"item": self._item("completed"), "output_index": 0}))
        return b"".join([*ends, self._event("response.completed", {"response": self._whole(self._reason)})])

    def failing(self, error: ApiError) -> bytes:
        """The error as an event."""
        return b"data: " + json.dumps(error.body()).encode() + b"\n\n"

    def body(self, ends: Sequence[tuple[int, str]]) -> bytes:
        """The whole answer."""
        ((self.produced, reason),) = ends
        return compact(self._whole(reason))

    @property
    def _item_id(self) -> str:
        return f"msg_{self.id.partition('_')[2]}"

    def _begin(self) -> bytes:
        self._began = True
        place = {"content_index": 0, "item_id": self._item_id, "output_index": 0}
        added = self._event("response.output_item.added", {"item": self._item("in_progress"), "output_index": 0})
        part = {**self._part(""), "logprobs": []}
        return added + self._event("response.content_part.added", {**place, "part": part})

    def _text(self, what: str, **more: Any) -> bytes:
        place = {"content_index": 0, "item_id": self._item_id, "output_index": 0}
        return self._event(f"response.output_text.{what}", place | more)

    def _event(self, kind: str, more: dict[str, Any]) -> bytes:
        data = compact(dict(sorted({**more, "sequence_number": self._number, "type": kind}.items())))
        self._number += 1
        return f"event: {kind}\n".encode() + b"data: " + data + b"\n\n"

    def _part(self, text: str) -> dict[str, Any]:
        return {"annotations": [], "text": text, "type": "output_text", "logprobs": None}

    def _item(self, status: str) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self._part(WORD * self.produced)]
        rest = {"role": "assistant", "status": status, "type": "message", "phase": None}
        return {"id": self._item_id, "content": content, **rest}

    def _whole(self, reason: str | None) -> dict[str, Any]:
        """The answer as it stands; `reason` None while it goes on."""
        cut = {"reason": "max_output_tokens"} if reason == LENGTH else None
        status = "in_progress" if reason is None else "incomplete" if cut else "completed"
        nothing = ("max_tool_calls", "previous_response_id", "prompt", "reasoning", "text", "top_logprobs")
        later = ("kv_transfer_params", "ec_transfer_params", "input_messages", "output_messages")
        return {
            "id": self.id,
            "created_at": self.created_s,
            "incomplete_details": cut,
            "model": self.model,
            "object": "response",
            "output": [] if reason is None else [self._item("completed")],
            "parallel_tool_calls": True,
            "tool_choice": "none",
            "tools": [],
            "background": False,
            "service_tier": "auto",
            "status": status,
            "truncation": "disabled",
            "usage": None if reason is None else self._usage(),
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            **self.wish.echoed,
            **dict.fromkeys((*nothing, *later)),
        }

    def _usage(self) -> dict[str, Any]:
        cached: dict[str, Any] = {"cached_tokens": 0, "cache_write_tokens": 0}
        cached |= {"input_tokens_per_turn": [], "cached_tokens_per_turn": []}
        turns: dict[str, Any] = {"reasoning_tokens": 0, "tool_output_tokens": 0}
        turns |= {"output_tokens_per_turn": [], "tool_output_tokens_per_turn": []}
        read = self.wish.choice.prompt_tokens
        return {
            "input_tokens": read,
            "input_tokens_details": cached,
            "output_tokens": self.produced,
            "output_tokens_details": turns,
            "total_tokens": read + self.produced,
        }
