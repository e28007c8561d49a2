"""What a client must see in an answer before it may call it whole: a stream by its events, a plain one by its JSON."""

import json
import re
from typing import Any

DONE = b"[DONE]"
# vLLM ends an answer with "abort" or "error" where it gave up, under HTTP 200.
_WHOLE = ("stop", "length", "tool_calls")
# Only these events are parsed; within a text the quotes would be escaped.
_TELLING = re.compile(rb'"finish_reason":\s*"|"usage":\s*\{')

ABORTED = "given up by the server"
MALFORMED = "malformed answer"
ERROR_EVENT = "error in the stream"
NO_DONE = "stream without [DONE]"
UNFINISHED = "no finish reason"


class Tally:
    """Counts a stream's events as they come: when the first text came, the last, and how the answer ended.

    Instants are those that `feed` is given. `tokens` is the server's own count if it sent one, else that
    of the events with text.
    """

    def __init__(self) -> None:
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.finish: str | None = None
        self._tail = b""
        self._events = 0
        self._counted: int | None = None
        self._done = False
        self._bad: str | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the answer so far."""
        return self._events if self._counted is None else self._counted

    def feed(self, chunk: bytes, at_s: float) -> None:
        """Takes what arrived at an instant; an event may be cut anywhere."""
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip(), at_s)

    def fault(self) -> str | None:
        """Why the stream, now at its end, isn't a whole answer; None if it is."""
        if self._bad is not None:
            return self._bad
        if not self._done:
            return NO_DONE
        return fault_of(self.finish)

    def _event(self, data: bytes, at_s: float) -> None:
        if data == DONE:
            self._done = True
        elif data.startswith(b'{"error"'):
            self._bad = ERROR_EVENT
        elif self.first_s is not None and not _TELLING.search(data):
            self._events, self.last_s = self._events + 1, at_s
        else:
            self._parsed(data, at_s)

    def _parsed(self, data: bytes, at_s: float) -> None:
        try:
            event = json.loads(data)
            choices = event.get("choices") or []
            counted = (event.get("usage") or {}).get("completion_tokens")
            if any(_text(choice) for choice in choices):
                self._events, self.last_s = self._events + 1, at_s
                self.first_s = at_s if self.first_s is None else self.first_s
            self.finish = next((c["finish_reason"] for c in choices if c.get("finish_reason")), self.finish)
        except (ValueError, AttributeError):
            self._bad = MALFORMED
            return
        self._counted = counted if isinstance(counted, int) else self._counted


def _text(choice: dict[str, Any]) -> str:
    delta = choice.get("delta") or {}
    return choice.get("text") or delta.get("content") or delta.get("reasoning") or delta.get("reasoning_content") or ""


def fault_of(finish: str | None) -> str | None:
    """Why an answer with this finish reason isn't whole; None if it is."""
    if finish is None:
        return UNFINISHED
    return None if finish in _WHOLE else ABORTED


def plain_answer(body: bytes) -> tuple[int, str | None]:
    """Tokens of an answer that came in one piece, and why it isn't whole (None if it is)."""
    try:
        answer = json.loads(body)
        finish = answer["choices"][0]["finish_reason"]
        tokens = answer["usage"]["completion_tokens"]
    except (ValueError, LookupError, TypeError):
        return 0, MALFORMED
    return int(tokens), fault_of(finish)
