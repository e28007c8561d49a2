"""Several answers at once, how likely their tokens were, and tokens by themselves, as any vLLM server gives them."""

import json
from typing import Any

import pytest
from tests.stub.process import Answer, Api
from tests.stub.refusals import HELLO

SHORT = {"max_tokens": 2, "ignore_eos": True}


def chunks(answer: Answer) -> list[dict[str, Any]]:
    *events, done = answer.events
    assert done == "[DONE]"
    return [json.loads(event) for event in events]


PROMPTS = {  # story: (the prompt, choices for each, all of them)
    "one text, three answers": ("hello world", 3, 3),
    "two texts": (["hello world", "hello"], 1, 2),
    "two texts, two answers each": (["hello world", "hello"], 2, 4),
    "two lists of token ids": ([[3, 4, 3], [3]], 1, 2),
}


@pytest.mark.parametrize(("prompt", "n", "count"), PROMPTS.values(), ids=PROMPTS)
def test_every_prompt_has_its_choices_in_turn_and_is_counted_once(api: Api, prompt: Any, n: int, count: int) -> None:
    alone = [api.complete(prompt=p, **SHORT).json["usage"] for p in ([prompt] if isinstance(prompt, str) else prompt)]
    body = api.complete(prompt=prompt, n=n, **SHORT).json
    assert [choice["index"] for choice in body["choices"]] == list(range(count))
    assert {choice["finish_reason"] for choice in body["choices"]} == {"length"}
    prompt_tokens = sum(usage["prompt_tokens"] for usage in alone)
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (prompt_tokens, 2 * count)


def test_a_chat_has_as_many_messages_as_were_asked_for(api: Api) -> None:
    body = api.chat(n=2, **SHORT).json
    assert [(choice["index"], choice["message"]["role"]) for choice in body["choices"]] == [
        (0, "assistant"),
        (1, "assistant"),
    ]
    assert body["usage"]["completion_tokens"] == 4


def test_in_a_stream_each_choice_has_its_own_end_and_usage_comes_once(api: Api) -> None:
    answer = api.complete(prompt=["hello", "world"], stream=True, stream_options={"include_usage": True}, **SHORT)
    *events, last = chunks(answer)
    ends = [c["index"] for e in events for c in e["choices"] if c["finish_reason"] == "length"]
    assert sorted(ends) == [0, 1]
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 4)


def test_in_a_chats_stream_each_choice_begins_with_its_role(api: Api) -> None:
    events = [event["choices"][0] for event in chunks(api.chat(n=2, stream=True, **SHORT))]
    for index in (0, 1):
        mine = [event for event in events if event["index"] == index]
        assert mine[0]["delta"] == {"role": "assistant", "content": ""}
        assert [event["finish_reason"] for event in mine][-1] == "length"


def test_usage_so_far_is_that_of_the_choice_and_the_last_one_that_of_all(api: Api) -> None:
    both = {"include_usage": True, "continuous_usage_stats": True}
    *events, last = chunks(api.chat(n=2, stream=True, stream_options=both, **SHORT))
    assert max(event["usage"]["completion_tokens"] for event in events) == 2
    assert last["usage"]["completion_tokens"] == 4


def test_each_choice_is_counted_as_a_request_that_ended(api: Api) -> None:
    names = ("vllm:request_success_total", "vllm:generation_tokens_total", "vllm:request_params_n_count")
    before = [api.sample(name, model_name="chat") for name in (*names, "vllm:request_params_n_sum")]
    api.complete(prompt="hello world", n=3, **SHORT)
    after = [api.sample(name, model_name="chat") for name in (*names, "vllm:request_params_n_sum")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [3, 6, 1, 3]


def test_a_completion_tells_how_likely_its_tokens_were(api: Api) -> None:
    (choice,) = api.complete(logprobs=2, **SHORT).json["choices"]
    told = choice["logprobs"]
    assert set(told) == {"text_offset", "token_logprobs", "tokens", "top_logprobs"}
    assert [len(told[name]) for name in sorted(told)] == [2, 2, 2, 2]
    assert told["text_offset"][0] == 0
    assert all(number < 0 for number in told["token_logprobs"])
    assert all(2 <= len(top) <= 3 for top in told["top_logprobs"])
    assert told["tokens"][0] in told["top_logprobs"][0]


def test_a_chat_tells_how_likely_its_tokens_were_and_the_others_only_if_asked(api: Api) -> None:
    for asked, beside in (({"top_logprobs": 2}, 2), ({}, 0)):
        (choice,) = api.chat(logprobs=True, **asked, **SHORT).json["choices"]
        told = choice["logprobs"]["content"]
        assert len(told) == 2
        assert [len(token["top_logprobs"]) for token in told] == [beside, beside]
        assert bytes(told[0]["bytes"]).decode() == told[0]["token"]


def test_a_stream_tells_them_token_by_token(api: Api) -> None:
    text = [c for e in chunks(api.complete(logprobs=1, stream=True, **SHORT)) for c in e["choices"]]
    offsets = [offset for choice in text for offset in choice["logprobs"]["text_offset"]]
    assert (offsets[0], len(offsets), offsets == sorted(set(offsets))) == (0, 2, True)
    role, *chat = [c for e in chunks(api.chat(logprobs=True, stream=True, **SHORT)) for c in e["choices"]]
    assert role["logprobs"] is None
    assert sum(len(choice["logprobs"]["content"]) for choice in chat) == 2


REFUSED = {  # story: (path, what differs, param, words)
    "no prompt at all": ("/v1/completions", {"prompt": []}, None, "You must pass at least one prompt"),
    "one of two prompts is empty": (
        "/v1/completions",
        {"prompt": ["hello", ""]},
        None,
        "The decoder prompt cannot be empty",
    ),
    "two greedy answers": (
        "/v1/completions",
        {"prompt": "hello", "n": 2, "temperature": 0},
        None,
        "n must be 1 when using greedy sampling, got 2.",
    ),
    "more logprobs than vLLM gives": (
        "/v1/completions",
        {"prompt": "hello", "logprobs": 50},
        "logprobs",
        "Requested sample logprobs of 50, which is greater than max allowed: 20 (parameter=logprobs, value=50)",
    ),
    "fewer than none": (
        "/v1/completions",
        {"prompt": "hello", "logprobs": -2},
        "logprobs",
        "`logprobs` must be a positive value or -1. (parameter=logprobs, value=-2)",
    ),
    "the likeliest without logprobs": (
        "/v1/chat/completions",
        {"messages": HELLO, "top_logprobs": 2},
        "top_logprobs",
        "when using `top_logprobs`, `logprobs` must be set to true. (parameter=top_logprobs)",
    ),
    "more of the likeliest than vLLM gives": (
        "/v1/chat/completions",
        {"messages": HELLO, "logprobs": True, "top_logprobs": 50},
        "logprobs",
        "Requested sample logprobs of 50, which is greater than max allowed: 20 (parameter=logprobs, value=50)",
    ),
    "tokens of nothing": (
        "/tokenize",
        {},
        "body.prompt",
        "2 validation errors:\n  {'type': 'missing', 'loc': 'body.prompt', 'msg': 'Field required', "
        "'input': '<dict of 1 items>'}\n  {'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', "
        "'input': '<dict of 1 items>'}",
    ),
    "text of nothing": (
        "/detokenize",
        {},
        "body.tokens",
        "1 validation error:\n  {'type': 'missing', 'loc': 'body.tokens', 'msg': 'Field required', "
        "'input': '<dict of 1 items>'}",
    ),
    "text of a word": (
        "/detokenize",
        {"tokens": ["a"]},
        "body.tokens.0",
        "1 validation error:\n  {'type': 'int_parsing', 'loc': 'body.tokens.0', "
        "'msg': 'Input should be a valid integer, unable to parse string as an integer', 'input': 'a'}",
    ),
}


@pytest.mark.parametrize(("path", "differs", "param", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_vllms_words(
    api: Api, path: str, differs: dict[str, Any], param: str | None, message: str
) -> None:
    answer = api.call("POST", path, {"model": "chat", **differs})
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["message"], error["param"], error["code"]) == (message, param, 400)


def test_a_text_has_as_many_tokens_as_its_prompt_is_counted_for(api: Api) -> None:
    told = api.call("POST", "/tokenize", {"model": "chat", "prompt": "hello world"}).json
    assert set(told) == {"count", "max_model_len", "tokens", "token_strs"}
    assert (told["count"], told["max_model_len"], told["token_strs"]) == (len(told["tokens"]), 512, None)
    assert told["count"] == api.complete(prompt="hello world", max_tokens=1).json["usage"]["prompt_tokens"]
    texts = api.call("POST", "/tokenize", {"prompt": "hello world", "return_token_strs": True}).json["token_strs"]
    assert len(texts) == told["count"]
    assert api.call("POST", "/tokenize", {"prompt": ""}).json["tokens"] == []


def test_a_conversation_has_as_many_tokens_as_it_is_counted_for(api: Api) -> None:
    told = api.call("POST", "/tokenize", {"model": "chat", "messages": HELLO}).json
    assert told["count"] == len(told["tokens"]) == api.chat(max_tokens=1).json["usage"]["prompt_tokens"]


def test_tokens_become_a_text(api: Api) -> None:
    tokens = api.call("POST", "/tokenize", {"prompt": "hello world"}).json["tokens"]
    told = api.call("POST", "/detokenize", {"model": "chat", "tokens": tokens}).json
    assert set(told) == {"prompt"}
    assert told["prompt"]
    assert api.call("POST", "/detokenize", {"tokens": []}).json == {"prompt": ""}


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
def test_tokens_of_an_unknown_model_are_refused(api: Api, path: str) -> None:
    answer = api.call("POST", path, {"model": "nope", "prompt": "hello", "tokens": [1]})
    assert (answer.status, answer.json["error"]["param"]) == (404, "model")
