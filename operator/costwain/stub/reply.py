"""Answers to completions in vLLM's bytes: JSON bodies and server-sent events.

Every token reads " la", so all events of a choice but the first and the last are the same bytes, rendered once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from costwain.domain.hardware import VLLM_VERSION
from costwain.stub.logprobs import WORD, of_chat, of_text
from costwain.stub.openai import Ask
from costwain.stub.refusal import ApiError

FINGERPRINT = f"vllm-{VLLM_VERSION}-stub"
DONE = b"data: [DONE]\n\n"


def compact(value: Any) -> bytes:
    """JSON as vLLM writes it: no spaces, no escapes for other alphabets."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass
class Reply:
    """One answer. `model` is the first served name, `created_s` is in unix seconds; `produced` tokens by choice."""

    ask: Ask
    id: str
    model: str
    created_s: int
    produced: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.produced = [0] * len(self.ask.choices)

    def opening(self) -> bytes:
        """What a stream begins with before there is a token."""
        return b""

    def events(self, index: int, tokens: int, reason: str | None) -> bytes:
        """The events of so many new tokens of a choice, and its end if there is a reason for it."""
        events = [] if self.produced[index] or not tokens else [self._role(index)]
        plain_tokens = max(tokens if reason is None else tokens - 1, 0)
        events += self._plain_events(index, plain_tokens)
        self.produced[index] += tokens - plain_tokens
        # A choice that was aborted in the queue ends without a word.
        if reason is not None and self.produced[index]:
            events.append(self._event(index, min(tokens, 1), reason))
        return b"".join(events)

    def closing(self) -> bytes:
        """What a stream ends with, once every choice has."""
        usage = self.ask.include_usage and any(self.produced)
        return (self._data([], {"usage": self._usage(), "system_fingerprint": FINGERPRINT}) if usage else b"") + DONE

    def failing(self, error: ApiError) -> bytes:
        """A stream that has begun can't change its status: the error comes as an event, and it does have spaces."""
        return b"data: " + json.dumps(error.body()).encode() + b"\n\n" + DONE

    def body(self, ends: Sequence[tuple[int, str]]) -> bytes:
        """The whole answer; tokens and reason by choice."""
        self.produced = [tokens for tokens, _ in ends]
        choices = [self._whole(index, tokens, reason) for index, (tokens, reason) in enumerate(ends)]
        rest: dict[str, Any] = {"kv_transfer_params": None, "ec_transfer_params": None, "metrics": None}
        if self.ask.chat:
            rest = {"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None, **rest}
        details = {"prompt_tokens_details": None, "completion_tokens_details": None}
        middle = {"choices": choices, "service_tier": None, "system_fingerprint": FINGERPRINT}
        return compact(self._head("chat.completion") | middle | {"usage": self._usage() | details} | rest)

    def _whole(self, index: int, tokens: int, reason: str) -> dict[str, Any]:
        told = self._logprobs(0, tokens)
        end = {"logprobs": told, "finish_reason": reason, "stop_reason": None, "token_ids": None}
        if not self.ask.chat:
            more = {"prompt_logprobs": None, "prompt_token_ids": None, "routed_experts": None}
            return {"index": index, "text": WORD * tokens, **end, **more}
        message = {"role": "assistant", "content": WORD * tokens, "refusal": None, "annotations": None, "audio": None}
        message |= {"function_call": None, "reasoning": None}
        return {"index": index, "message": message, **end, "routed_experts": None}

    def _plain_events(self, index: int, tokens: int) -> list[bytes]:
        """Events in the middle: the same bytes each time, unless each tells where it is."""
        if not self.ask.continuous_usage and (self.ask.chat or self.ask.logprobs is None):
            self.produced[index] += tokens
            return [self._event(index, 1, None) * tokens] if tokens else []
        events = []
        for _ in range(tokens):
            self.produced[index] += 1
            events.append(self._event(index, 1, None))
        return events

    def _head(self, chat_object: str) -> dict[str, Any]:
        kind = chat_object if self.ask.chat else "text_completion"
        return {"id": self.id, "object": kind, "created": self.created_s, "model": self.model}

    def _usage(self, index: int | None = None) -> dict[str, int]:
        """Tokens of everything, or of one choice."""
        ask = self.ask
        prompt, produced = ask.prompt_tokens, sum(self.produced)
        if index is not None:
            prompt, produced = ask.choices[index].prompt_tokens, self.produced[index]
        return {"prompt_tokens": prompt, "total_tokens": prompt + produced, "completion_tokens": produced}

    def _role(self, index: int) -> bytes:
        if not self.ask.chat:
            return b""
        delta = {"role": "assistant", "content": ""}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._data([choice], self._running_usage(index) | {"prompt_token_ids": None, "prompt_text": None})

    def _event(self, index: int, tokens: int, reason: str | None) -> bytes:
        text, chat = WORD * tokens, self.ask.chat
        content: dict[str, Any] = {"delta": {"content": text}} if chat else {"text": text}
        told = self._logprobs(self.produced[index] - tokens, tokens) if tokens else None
        choice = {"index": index, **content, "logprobs": told, "finish_reason": reason}
        if reason is not None or not chat:
            choice["stop_reason"] = None
        choice |= {"token_ids": None} if chat else {"prompt_token_ids": None, "token_ids": None}
        last = reason is not None and not self.ask.include_usage
        return self._data([choice], {"system_fingerprint": FINGERPRINT} if last else self._running_usage(index))

    def _logprobs(self, first: int, tokens: int) -> dict[str, Any] | None:
        beside = self.ask.logprobs
        if beside is None:
            return None
        return of_chat(tokens, beside) if self.ask.chat else of_text(tokens, first, beside)

    def _running_usage(self, index: int) -> dict[str, Any]:
        """Usage so far, on every event of a client that asked for it."""
        if not self.ask.continuous_usage:
            return {}
        details: dict[str, None] = {"completion_tokens_details": None} if self.ask.chat else {}
        return {"usage": self._usage(index) | details}

    def _data(self, choices: list[Any], more: dict[str, Any]) -> bytes:
        return b"data: " + compact(self._head("chat.completion.chunk") | {"choices": choices} | more) + b"\n\n"
