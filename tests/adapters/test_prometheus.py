"""Prometheus as the second source: what it answers, and that its failures are unknown, never zero."""

import json
from typing import Any

import pytest
import requests

from costwain.adapters.prometheus import QUEUE_DEPTH, TIMEOUT_S, Prometheus

pytestmark = pytest.mark.anyio

URL = "http://prometheus.test"


class Server(requests.Session):
    """A session that answers without a network: with a status and a body, or by raising."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        super().__init__()
        self.answer, self.status, self.asked = answer, status, list[dict[str, Any]]()

    def request(self, *args: Any, **asked: Any) -> requests.Response:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        response = requests.Response()
        response.status_code = self.status
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        response._content = text.encode()
        return response


def result(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(rows)}}


def row(fleet: str, depth: str) -> dict[str, Any]:
    return {"metric": {"namespace": "shop", "costwain_dev_fleet": fleet}, "value": [1_700_000_000, depth]}


ANSWERS = {  # story: (answer, HTTP status, what is known)
    "two fleets": (result(row("chat", "12"), row("code", "0")), 200, {("shop", "chat"): 12, ("shop", "code"): 0}),
    "nobody reports: no fleet is known": (result(), 200, {}),
    "NaN is unknown": (result(row("chat", "NaN"), row("code", "3")), 200, {("shop", "code"): 3}),
    "a negative queue is a lie": (result(row("chat", "-1")), 200, {}),
    "an error of the server": ({"status": "error"}, 503, None),
    "a page of another server": ("<html>", 200, None),
    "an answer without data": ({}, 200, None),
    "an answer that is no object": ([], 200, None),
    "no result in it": ({"data": {"result": None}}, 200, None),
    "rows of another shape": (result({"metric": {}, "value": [0, "1"]}), 200, None),
    "words for a value": (result(row("chat", "many")), 200, None),
    "nobody there": (requests.ConnectionError("refused"), 200, None),
    "it takes too long": (requests.ReadTimeout("slow"), 200, None),
}


@pytest.mark.parametrize(("answer", "status", "want"), ANSWERS.values(), ids=ANSWERS)
async def test_what_prometheus_says(answer: Any, status: int, want: dict[tuple[str, str], float] | None) -> None:
    assert await Prometheus(URL, Server(answer, status)).queue_depths() == want


async def test_it_is_asked_once_for_all_fleets_with_a_deadline_and_without_retries() -> None:
    server = Server(result())
    await Prometheus(URL, server).queue_depths()
    (asked,) = server.asked
    assert asked["url"] == f"{URL}/api/v1/query"
    assert asked["params"] == {"query": QUEUE_DEPTH}
    assert asked["timeout"] == TIMEOUT_S
    adapter = server.get_adapter(URL)
    assert isinstance(adapter, requests.adapters.HTTPAdapter)
    assert adapter.max_retries.total == 0


async def test_a_server_that_is_really_not_there_is_unknown() -> None:
    assert await Prometheus("http://127.0.0.1:1").queue_depths() is None
