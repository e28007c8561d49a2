"""One request on its way through the engine, and what the engine reports of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from costwain.decide.capacity import TTFT_FIXED_S

STOP, LENGTH, ABORT, ERROR = "stop", "length", "abort", "error"

# A call of `emit`: so many new tokens, and why it ended, or None while it goes on.
Emit = Callable[[int, str | None], None]


@dataclass(eq=False)
class Sequence:
    """One request in the engine, in tokens and fleet seconds; None is what has not happened yet.

    `siblings` is how many answers its prompt gets, 0 for all but the first of them. `unread` are tokens still to be
    prefilled: the prompt, and after a preemption its own answer too.
    """

    prompt_tokens: int
    target_tokens: int
    max_tokens: int
    finish_reason: str
    arrived_s: float
    emit: Emit
    siblings: int = 1
    unread: int = field(init=False)
    produced: int = 0
    fresh: int = 0
    preemptions: int = 0
    admitted_s: float | None = None
    first_token_s: float | None = None
    last_token_s: float | None = None
    ended: str | None = None

    def __post_init__(self) -> None:
        self.unread = self.prompt_tokens

    @property
    def ready_s(self) -> float:
        """When it reaches the scheduler: HTTP, tokenizer and hand-over take the fixed part of the TTFT."""
        return self.arrived_s + TTFT_FIXED_S

    @property
    def held_tokens(self) -> int:
        return self.prompt_tokens + self.produced


class Meter(Protocol):
    """What the engine reports; durations in fleet seconds."""

    def iterations(self, tokens: int, times: int) -> None: ...
    def prefilled(self, tokens: int) -> None: ...
    def generated(self, tokens: int) -> None: ...
    def first_token(self, after_s: float) -> None: ...
    def token_gap(self, gap_s: float, times: int) -> None: ...
    def preempted(self) -> None: ...
    def finished(self, sequence: Sequence) -> None: ...
