"""The Responses API as any vLLM server answers it, as far as plain text goes."""

import json
from typing import Any

import pytest
from tests.stub.process import Answer, Api
from tests.stub.refusals import HELLO

SHORT = {"max_output_tokens": 3, "ignore_eos": True}


def ask(api: Api, **differs: Any) -> Answer:
    return api.call("POST", "/v1/responses", {"model": "chat", "input": "hello", **SHORT, **differs})


INPUTS: dict[str, Any] = {
    "a text": "hello",
    "messages": HELLO,
    "messages of parts": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_a_response_has_one_message_of_one_text(api: Api, given: Any) -> None:
    body = ask(api, input=given).json
    assert body["id"].startswith("resp_")
    assert (body["object"], body["model"]) == ("response", "chat")
    (message,) = body["output"]
    assert (message["type"], message["role"], message["status"]) == ("message", "assistant", "completed")
    (part,) = message["content"]
    assert (part["type"], part["annotations"]) == ("output_text", [])
    assert part["text"]


def test_one_that_was_cut_says_why_and_repeats_what_was_asked(api: Api) -> None:
    body = ask(api, instructions="be brief", temperature=0.5).json
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert (body["instructions"], body["temperature"], body["max_output_tokens"]) == ("be brief", 0.5, 3)


def test_usage_has_its_own_words_here(api: Api) -> None:
    usage = ask(api).json["usage"]
    assert usage["output_tokens"] == 3
    assert usage["total_tokens"] == usage["input_tokens"] + 3
    assert usage["input_tokens_details"]["cached_tokens"] >= 0
    assert usage["output_tokens_details"]["reasoning_tokens"] == 0


def test_instructions_are_read_too(api: Api) -> None:
    plain, led = (ask(api, **more).json["usage"]["input_tokens"] for more in ({}, {"instructions": "be brief"}))
    assert led > plain


def _streamed(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """Names and payloads of events that have both."""
    *events, rest = answer.body.decode().split("\n\n")
    assert rest == ""
    pairs = [event.split("\n") for event in events]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_a_stream_tells_its_story_in_order(api: Api) -> None:
    answer = ask(api, stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = _streamed(answer)
    kinds = [kind for kind, _ in events]
    assert list(dict.fromkeys(kinds)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [data["type"] for _, data in events] == kinds
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))


def test_a_streams_pieces_are_its_text_and_its_end_is_the_whole_response(api: Api) -> None:
    events = _streamed(ask(api, stream=True))
    pieces = "".join(data["delta"] for kind, data in events if kind == "response.output_text.delta")
    (text,) = (data["text"] for kind, data in events if kind == "response.output_text.done")
    first, last = events[0][1]["response"], events[-1][1]["response"]
    assert pieces == text == last["output"][0]["content"][0]["text"]
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert (last["status"], last["usage"]["output_tokens"], last["id"]) == ("incomplete", 3, first["id"])
    items = {data["item_id"] for _, data in events if "item_id" in data}
    assert items == {last["output"][0]["id"]}


REFUSED = {  # story: (what differs, param, words)
    "more than the context holds": (
        {"max_output_tokens": 5000},
        "max_output_tokens",
        "max_output_tokens=5000 cannot be greater than max_model_len=512. Please request fewer output tokens. "
        "(parameter=max_output_tokens, value=5000)",
    ),
    "no token": (
        {"max_output_tokens": 0},
        "max_tokens",
        "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)",
    ),
    "a number for an input": (
        {"input": 5},
        "body.input",
        "2 validation errors:\n  {'type': 'string_type', 'loc': 'body.input', 'msg': 'Input should be a valid string', "
        "'input': '5'}\n  {'type': 'list_type', 'loc': 'body.input', 'msg': 'Input should be a valid list', "
        "'input': '5'}",
    ),
    "nobody said anything": (
        {"input": []},
        None,
        "Cannot apply chat template to an empty conversation. Provide at least one message.",
    ),
    "no input": (
        {"input": None},
        "body.input",
        None,
    ),
}


@pytest.mark.parametrize(("differs", "param", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_vllms_words(
    api: Api, differs: dict[str, Any], param: str | None, message: str | None
) -> None:
    answer = ask(api, **differs)
    error = answer.json["error"]
    assert (answer.status, error["param"]) == (400, param)
    assert message in (None, error["message"])


def test_an_unknown_model_is_refused(api: Api) -> None:
    answer = ask(api, model="nope")
    assert (answer.status, answer.json["error"]["param"]) == (404, "model")
