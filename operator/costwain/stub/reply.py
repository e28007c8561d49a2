"""Answers in vLLM's bytes: JSON bodies and server-sent events.

Every token reads " la", so all events of an answer but the first and the last are the same
bytes, rendered once.
"""

import json
from dataclasses import dataclass
from typing import Any

from costwain.domain.hardware import VLLM_VERSION
from costwain.stub.openai import ApiError, Ask

WORD = " la"
FINGERPRINT = f"vllm-{VLLM_VERSION}-stub"
DONE = b"data: [DONE]\n\n"


def compact(value: Any) -> bytes:
    """JSON as vLLM writes it: no spaces, no escapes for other alphabets."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def error_event(error: ApiError) -> bytes:
    """A stream that has begun can't change its status: the error comes as an event, and it does have spaces."""
    return b"data: " + json.dumps(error.body()).encode() + b"\n\n" + DONE


@dataclass
class Reply:
    """One answer. `model` is the first served name, `created_s` is in unix seconds."""

    ask: Ask
    id: str
    model: str
    created_s: int
    produced: int = 0

    def events(self, tokens: int, reason: str | None) -> bytes:
        """The events of so many new tokens, and the end of the stream if there is a reason for it."""
        events = [] if self.produced or not tokens else [self._role()]
        plain_tokens = max(tokens if reason is None else tokens - 1, 0)
        events += self._plain_events(plain_tokens)
        self.produced += tokens - plain_tokens
        if reason is None:
            return b"".join(events)
        # A stream that was aborted in the queue ends without a word.
        if self.produced:
            events.append(self._event(WORD if tokens else "", reason))
            events.append(self._usage_event() if self.ask.include_usage else b"")
        return b"".join([*events, DONE])

    def _plain_events(self, tokens: int) -> list[bytes]:
        """Events in the middle: the same bytes each time, unless each tells how many there were."""
        if not self.ask.continuous_usage:
            self.produced += tokens
            return [self._event(WORD, None) * tokens]
        events = []
        for _ in range(tokens):
            self.produced += 1
            events.append(self._event(WORD, None))
        return events

    def body(self, tokens: int, reason: str) -> bytes:
        """The whole answer."""
        self.produced = tokens
        text = WORD * tokens
        end = {"logprobs": None, "finish_reason": reason, "stop_reason": None, "token_ids": None}
        rest: dict[str, Any] = {"kv_transfer_params": None, "ec_transfer_params": None, "metrics": None}
        if self.ask.chat:
            message = {"role": "assistant", "content": text, "refusal": None, "annotations": None, "audio": None}
            message |= {"function_call": None, "reasoning": None}
            choice = {"index": 0, "message": message, **end, "routed_experts": None}
            rest = {"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None, **rest}
        else:
            choice = {"index": 0, "text": text, **end, "prompt_logprobs": None, "prompt_token_ids": None}
            choice["routed_experts"] = None
        details = {"prompt_tokens_details": None, "completion_tokens_details": None}
        head = self._head("chat.completion")
        usage = {"usage": self._usage() | details}
        return compact(
            head | {"choices": [choice], "service_tier": None, "system_fingerprint": FINGERPRINT} | usage | rest
        )

    def _head(self, chat_object: str) -> dict[str, Any]:
        kind = chat_object if self.ask.chat else "text_completion"
        return {"id": self.id, "object": kind, "created": self.created_s, "model": self.model}

    def _usage(self) -> dict[str, int]:
        prompt = self.ask.prompt_tokens
        return {"prompt_tokens": prompt, "total_tokens": prompt + self.produced, "completion_tokens": self.produced}

    def _role(self) -> bytes:
        if not self.ask.chat:
            return b""
        delta = {"role": "assistant", "content": ""}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._data([choice], self._running_usage() | {"prompt_token_ids": None, "prompt_text": None})

    def _event(self, text: str, reason: str | None) -> bytes:
        content: dict[str, Any] = {"delta": {"content": text}} if self.ask.chat else {"text": text}
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": reason}
        if reason is not None or not self.ask.chat:
            choice["stop_reason"] = None
        choice |= {"token_ids": None} if self.ask.chat else {"prompt_token_ids": None, "token_ids": None}
        last = reason is not None and not self.ask.include_usage
        return self._data([choice], {"system_fingerprint": FINGERPRINT} if last else self._running_usage())

    def _running_usage(self) -> dict[str, Any]:
        """Usage so far, on every event of a client that asked for it."""
        if not self.ask.continuous_usage:
            return {}
        details: dict[str, None] = {"completion_tokens_details": None} if self.ask.chat else {}
        return {"usage": self._usage() | details}

    def _usage_event(self) -> bytes:
        return self._data([], {"usage": self._usage(), "system_fingerprint": FINGERPRINT})

    def _data(self, choices: list[Any], more: dict[str, Any]) -> bytes:
        return b"data: " + compact(self._head("chat.completion.chunk") | {"choices": choices} | more) + b"\n\n"
