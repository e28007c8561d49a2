"""What makes an answer whole, read from the bytes that vLLM sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.local import sse
from costwain.local.sse import Tally, plain_answer


def event(delta: dict[str, str] | None = None, finish: str | None = None, **more: object) -> bytes:
    """One event of a chat stream as vLLM writes it; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"id": "x", "choices": choices, **more}, separators=(",", ":")).encode() + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
END = b"data: [DONE]\n\n"
WHOLE = ROLE + event({"content": "a"}) + event({"content": "b"}) + event({"content": "c"}, "length") + END

STREAMS = {
    "role, text, the reason to stop, [DONE]": (WHOLE, None, 3),
    "the server's own count beats that of the events": (
        ROLE + event({"content": "a b c d"}, "stop") + event(None, usage={"completion_tokens": 4}) + END,
        None,
        4,
    ),
    "carriage returns, comments and other fields are part of the protocol": (
        b": ping\r\nevent: message\r\n" + WHOLE.replace(b"\n", b"\r\n"),
        None,
        3,
    ),
    "a completion has text in place of a delta": (
        b'data: {"choices": [{"text": "a", "finish_reason": null}]}\n\n'
        b'data: {"choices": [{"text": "b", "finish_reason": "stop"}]}\n\n' + END,
        None,
        2,
    ),
    "thinking is text as well": (event({"reasoning": "hm"}) + event({"content": "a"}, "stop") + END, None, 2),
    "an answer that talks about finish reasons is just text": (
        ROLE + event({"content": "a"}) + event({"content": '"finish_reason": "abort"'}) + event({}, "stop") + END,
        None,
        2,
    ),
    "no [DONE]: cut, though the connection ended politely": (WHOLE.removesuffix(END), sse.NO_DONE, 3),
    "[DONE] cut in the middle": (WHOLE[:-4], sse.NO_DONE, 3),
    "an engine that gave up ends with abort": (ROLE + event({"content": "a"}, "abort") + END, sse.ABORTED, 1),
    "a queued stream that was dropped is only a [DONE]": (END, sse.UNFINISHED, 0),
    "text, then [DONE], and no reason to stop": (ROLE + event({"content": "a"}) + END, sse.UNFINISHED, 1),
    "an error in the middle, under status 200": (
        ROLE + b'data: {"error":{"code":503}}\n\n' + END,
        sse.ERROR_EVENT,
        0,
    ),
    "an event that is no JSON": (b"data: oops\n\n" + END, sse.MALFORMED, 0),
    "an event that is no object": (b"data: [1]\n\n" + END, sse.MALFORMED, 0),
}


@pytest.mark.parametrize(("stream", "fault", "tokens"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_whole_or_says_why_not(stream: bytes, fault: str | None, tokens: int) -> None:
    tally = Tally()
    tally.feed(stream, 1.0)
    assert (tally.fault(), tally.tokens) == (fault, tokens)


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 400), max_size=8))
def test_it_does_not_matter_where_the_network_cuts(story: str, cuts: list[int]) -> None:
    stream, fault, tokens = STREAMS[story]
    bounds = sorted(min(cut, len(stream)) for cut in cuts)
    tally = Tally()
    for start, end in zip([0, *bounds], [*bounds, len(stream)], strict=True):
        tally.feed(stream[start:end], 1.0)
    assert (tally.fault(), tally.tokens) == (fault, tokens)


def test_the_first_text_counts_as_first_token_and_the_role_does_not() -> None:
    tally = Tally()
    parts = (ROLE, event({"content": "a"}), event({"content": "b"}), event({}, "stop") + END)
    for at_s, part in enumerate(parts, start=1):
        tally.feed(part, float(at_s))
    assert (tally.first_s, tally.last_s) == (2.0, 3.0)


PLAIN = {
    "whole": ({"choices": [{"finish_reason": "length"}], "usage": {"completion_tokens": 7}}, (7, None)),
    "given up": ({"choices": [{"finish_reason": "abort"}], "usage": {"completion_tokens": 2}}, (2, sse.ABORTED)),
    "never finished": ({"choices": [{"finish_reason": None}], "usage": {"completion_tokens": 2}}, (2, sse.UNFINISHED)),
    "no choices": ({"choices": [], "usage": {"completion_tokens": 2}}, (0, sse.MALFORMED)),
    "no count": ({"choices": [{"finish_reason": "stop"}]}, (0, sse.MALFORMED)),
    "no object": ([], (0, sse.MALFORMED)),
}


@pytest.mark.parametrize(("body", "want"), PLAIN.values(), ids=PLAIN)
def test_a_plain_answer_is_whole_or_says_why_not(body: object, want: tuple[int, str | None]) -> None:
    assert plain_answer(json.dumps(body).encode()) == want


def test_half_a_plain_answer_is_malformed() -> None:
    assert plain_answer(b'{"choices": [') == (0, sse.MALFORMED)
