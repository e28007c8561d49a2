"""What any vLLM server does; the stub must do the same."""

import json
from typing import Any

import pytest
from tests.stub.process import Api
from tests.stub.refusals import HELLO, LONG, REFUSED


@pytest.mark.parametrize("path", ["/health", "/ping"])
def test_a_server_that_is_up_says_so_without_a_word(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.body) == (200, b"")


def test_version_and_load(api: Api) -> None:
    assert set(api.get("/version").json) == {"version"}
    assert api.get("/load").body == b'{"server_load":0}'


def test_every_served_name_is_listed_with_the_longest_context(api: Api) -> None:
    answer = api.get("/v1/models").json
    assert answer["object"] == "list"
    assert [model["id"] for model in answer["data"]] == ["chat", "alias"]
    assert {model["max_model_len"] for model in answer["data"]} == {512}
    assert {model["owned_by"] for model in answer["data"]} == {"vllm"}


@pytest.mark.parametrize("model", ["chat", "alias", None])
def test_whatever_name_was_asked_for_the_first_one_answers(api: Api, model: str | None) -> None:
    answer = api.chat(model=model, max_tokens=2, ignore_eos=True)
    assert answer.status == 200
    assert answer.json["model"] == "chat"


def test_a_completion_has_the_tokens_that_were_asked_for(api: Api) -> None:
    answer = api.complete(prompt="hello world", max_tokens=4, ignore_eos=True)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert body["id"].startswith("cmpl-")
    assert body["object"] == "text_completion"
    assert body["choices"][0]["finish_reason"] == "length"
    usage = body["usage"]
    assert usage["completion_tokens"] == 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + 4


def test_a_prompt_of_token_ids_is_as_long_as_it_is(api: Api) -> None:
    assert api.complete(prompt=[1, 2, 3, 4, 5], max_tokens=1).json["usage"]["prompt_tokens"] == 5


def test_a_chat_completion_has_a_message(api: Api) -> None:
    body = api.chat(max_tokens=3, ignore_eos=True).json
    assert body["id"].startswith("chatcmpl-")
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert isinstance(body["choices"][0]["message"]["content"], str)


def _streamed(events: list[str]) -> list[dict[str, Any]]:
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def _ends(chunks: list[dict[str, Any]], most: int = 3) -> str:
    """The reason on the last event, and on none before it. Tokens that nobody had read yet share an event."""
    *others, last = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert others == [None] * len(others)
    assert len(chunks) <= most
    return str(last)


def test_a_chat_stream_begins_with_the_role_and_ends_with_the_reason(api: Api) -> None:
    answer = api.chat(max_tokens=3, ignore_eos=True, stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    role, *tokens = _streamed(answer.events)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert _ends(tokens) == "length"
    assert ["system_fingerprint" in chunk for chunk in tokens] == [False] * (len(tokens) - 1) + [True]
    assert {chunk["object"] for chunk in [role, *tokens]} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in [role, *tokens]}) == 1


def test_usage_comes_as_a_last_chunk_without_choices(api: Api) -> None:
    answer = api.chat(max_tokens=3, ignore_eos=True, stream=True, stream_options={"include_usage": True})
    *others, last = _streamed(answer.events)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3
    assert "system_fingerprint" in last
    assert not any("system_fingerprint" in chunk for chunk in others)


def test_usage_so_far_comes_with_every_chunk_where_it_is_asked_for(api: Api) -> None:
    both = {"include_usage": True, "continuous_usage_stats": True}
    role, *others, last = _streamed(api.chat(max_tokens=3, ignore_eos=True, stream=True, stream_options=both).events)
    assert role["usage"]["completion_tokens"] == 0
    assert set(role["usage"]) == {"prompt_tokens", "total_tokens", "completion_tokens", "completion_tokens_details"}
    counts = [chunk["usage"]["completion_tokens"] for chunk in others]
    assert counts == sorted(set(counts))
    assert (counts[-1], last["usage"]["completion_tokens"]) == (3, 3)


def test_a_text_stream_has_an_event_a_token_at_most(api: Api) -> None:
    answer = api.complete(max_tokens=3, ignore_eos=True, stream=True)
    chunks = _streamed(answer.events)
    assert _ends(chunks) == "length"
    assert all(isinstance(chunk["choices"][0]["text"], str) for chunk in chunks)


@pytest.mark.parametrize(("body", "status", "kind", "param", "message"), REFUSED.values(), ids=REFUSED)
def test_a_bad_chat_request_is_refused_in_vllms_words(
    api: Api, body: dict[str, Any] | bytes, status: int, kind: str, param: str | None, message: str
) -> None:
    answer = api.call("POST", "/v1/chat/completions", body)
    assert answer.status == status
    assert answer.json == {"error": {"message": message, "type": kind, "param": param, "code": status}}


def test_a_prompt_with_too_many_characters_is_refused_unread(api: Api) -> None:
    error = api.complete(prompt=LONG).json["error"]
    assert (error["code"], error["param"]) == (400, "input_text")
    assert error["message"].startswith("This model's maximum context length is 512 tokens.")


def test_a_prompt_with_too_many_tokens_is_refused(api: Api) -> None:
    error = api.complete(prompt=[1] * 600, max_tokens=1).json["error"]
    assert (error["code"], error["param"]) == (400, "input_tokens")


def test_an_empty_prompt_is_refused(api: Api) -> None:
    error = api.complete(prompt="").json["error"]
    assert (error["code"], error["param"]) == (400, "prompt")
    assert error["message"] == "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)"


@pytest.mark.parametrize("path", ["/v1/completions/render", "/v1/chat/completions/render"])
def test_what_prepares_a_request_for_another_instance_is_closed(api: Api, path: str) -> None:
    answer = api.call("POST", path, {"model": "chat", "messages": HELLO, "prompt": "hello"})
    assert (answer.status, answer.json["error"]["type"]) == (403, "PermissionDeniedError")


def test_only_json_is_read(api: Api) -> None:
    answer = api.call("POST", "/v1/completions", b"{}", Content_Type="text/plain")
    assert answer.status == 400
    assert answer.json["error"]["message"].endswith("Unsupported Media Type: Only 'application/json' is allowed")


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [("GET", "/v1/completions", 405, "Method Not Allowed"), ("GET", "/nope", 404, "Not Found")],
)
def test_wrong_paths_and_methods_answer_in_another_shape(
    api: Api, method: str, path: str, status: int, detail: str
) -> None:
    answer = api.call(method, path)
    assert (answer.status, answer.json) == (status, {"detail": detail})


SAMPLES = {
    "vllm:num_requests_running": {"engine": "0", "model_name": "chat"},
    "vllm:num_requests_waiting": {"engine": "0", "model_name": "chat"},
    "vllm:num_requests_waiting_by_reason": {"engine": "0", "reason": "capacity"},
    "vllm:kv_cache_usage_perc": {"engine": "0", "model_name": "chat"},
    "vllm:prompt_tokens_total": {"engine": "0", "model_name": "chat"},
    "vllm:generation_tokens_total": {"engine": "0", "model_name": "chat"},
    "vllm:generation_tokens_created": {"engine": "0", "model_name": "chat"},
    "vllm:request_success_total": {"engine": "0", "finished_reason": "length"},
    "vllm:time_to_first_token_seconds_bucket": {"engine": "0", "le": "0.001"},
    "vllm:inter_token_latency_seconds_bucket": {"engine": "0", "le": "80.0"},
    "vllm:request_time_per_output_token_seconds_bucket": {"engine": "0", "le": "+Inf"},
    "vllm:e2e_request_latency_seconds_bucket": {"engine": "0", "le": "7680.0"},
    "vllm:request_queue_time_seconds_count": {"engine": "0", "model_name": "chat"},
    "vllm:request_prompt_tokens_bucket": {"engine": "0", "le": "500.0"},
    "vllm:iteration_tokens_total_bucket": {"engine": "0", "le": "16384.0"},
    "vllm:cache_config_info": {"engine": "0"},
}


@pytest.mark.parametrize(("name", "labels"), SAMPLES.items(), ids=SAMPLES)
def test_metrics_have_vllms_names_labels_and_buckets(api: Api, name: str, labels: dict[str, str]) -> None:
    assert api.sample(name, **labels) >= 0


def test_a_request_is_counted_under_the_first_served_name(api: Api) -> None:
    names = ("vllm:generation_tokens_total", "vllm:request_success_total", "vllm:time_to_first_token_seconds_count")
    before = [api.sample(name, model_name="chat") for name in names]
    api.chat(model="alias", max_tokens=7, ignore_eos=True)
    after = [api.sample(name, model_name="chat") for name in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [7, 1, 1]
