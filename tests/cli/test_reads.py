"""`costwain get`, `why` and `cost` as a person calls them, against an API server on loopback that only knows JSON."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.support import eventually

from costwain.cli.main import cli

Object = dict[str, Any]
GROUP = "/apis/costwain.dev/v1alpha1"


class Api(BaseHTTPRequestHandler):
    """Answers a path with what `lists` holds, anything else with 404."""

    lists: dict[str, list[Object]]

    def do_GET(self) -> None:
        found = self.lists.get(self.path.partition("?")[0])
        body: Object = {"reason": "NotFound", "message": "the server could not find the requested resource"}
        if found is not None:
            body = {"metadata": {"resourceVersion": "1"}, "items": found}
        text = json.dumps(body).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at answers."""


def kubeconfig(server: str, namespace: str | None) -> str:
    context = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
    return yaml.safe_dump(
        {
            "current-context": "here",
            "contexts": [{"name": "here", "context": context}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
        }
    )


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Object]]]:
    """Lists by path; KUBECONFIG leads to a server that has them, in the context's namespace `shop`."""
    lists: dict[str, list[Object]] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Api,), {"lists": lists}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    write_kubeconfig(tmp_path, monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield lists
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


def write_kubeconfig(folder: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    file = folder / "kubeconfig"
    file.write_text(kubeconfig(server, "shop"))
    monkeypatch.setenv("KUBECONFIG", str(file))
    # The client's package reads the variable once, when it is imported.
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))


def costwain(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def fleet(name: str, namespace: str = "shop", **spec: Any) -> Object:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"variants": [{"name": "big"}], **spec}}


def put(lists: dict[str, list[Object]], *items: Object, plural: str = "modeldeployments") -> None:
    for path, namespace in ((f"{GROUP}/namespaces/shop/{plural}", "shop"), (f"{GROUP}/{plural}", None)):
        lists[path] = [i for i in items if namespace in (None, i["metadata"]["namespace"])]


def test_get_shows_the_fleets_of_the_contexts_namespace_by_name(lists: dict[str, list[Object]]) -> None:
    put(lists, fleet("code"), fleet("chat"), fleet("chat", "lab"))
    answer = costwain("get")
    assert answer.exit_code == 0
    assert [line.split()[0] for line in answer.output.split("\n") if "Ready" in line] == ["shop/chat", "shop/code"]


def test_get_everywhere(lists: dict[str, list[Object]]) -> None:
    put(lists, fleet("code"), fleet("chat", "lab"))
    output = costwain("get", "-A").output
    assert "lab/chat" in output
    assert "shop/code" in output


def test_a_named_fleet_as_json_is_the_object_and_several_as_yaml_are_a_list(lists: dict[str, list[Object]]) -> None:
    put(lists, fleet("chat"), fleet("code"))
    one = json.loads(costwain("get", "chat", "-o", "json").output)
    assert (one["kind"], one["apiVersion"], one["metadata"]["name"]) == (
        "ModelDeployment",
        "costwain.dev/v1alpha1",
        "chat",
    )
    several = yaml.safe_load(costwain("get", "-o", "yaml").output)
    assert (several["kind"], len(several["items"])) == ("List", 2)


def test_an_empty_namespace_is_said_to_be_empty(lists: dict[str, list[Object]]) -> None:
    put(lists)
    assert costwain("get").output == "no ModelDeployments in namespace shop\n"
    assert costwain("get", "-A").output == "no ModelDeployments in any namespace\n"
    put(lists, plural="spendledgers")
    assert costwain("cost").output == "no SpendLedgers in namespace shop\n"


def test_watching_prints_what_changes_and_ends_with_the_interrupt(
    lists: dict[str, list[Object]], tmp_path: Path
) -> None:
    put(lists, fleet("chat"))
    output = tmp_path / "output"
    words = [sys.executable, "-m", "costwain.cli.main", "get", "--watch", "--every", "0.1"]
    with output.open("w") as stdout, subprocess.Popen(words, stdout=stdout, stderr=subprocess.PIPE) as watching:
        try:
            eventually(lambda: "shop/chat" in output.read_text(), 20, "the first look")
            put(lists, fleet("chat"), fleet("code"))
            eventually(lambda: "shop/code" in output.read_text(), 20, "the change")
            lists.clear()
            eventually(lambda: "! http" in output.read_text(), 20, "the trouble, without an end")
        finally:
            watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 130


def test_why_prints_the_reasons(lists: dict[str, list[Object]]) -> None:
    reasons = [{"code": "Hold", "sentence": "no readings for 30 s"}]
    put(lists, fleet("chat") | {"status": {"decision": {"at": "2026-11-24T02:58:10Z", "reasons": reasons}}})
    answer = costwain("why", "chat")
    assert answer.output == "shop/chat  decided at 2026-11-24T02:58:10Z\n  Hold  no readings for 30 s\n"


def ledger(name: str, **spec: Any) -> Object:
    return {"metadata": {"namespace": "shop", "name": name}, "spec": spec}


def test_cost_knows_the_budget_and_that_a_fleet_was_deleted(lists: dict[str, list[Object]]) -> None:
    put(lists, fleet("chat", budget={"amount": "240.00", "period": "Hour"}))
    put(lists, ledger("chat"), ledger("gone"), plural="spendledgers")
    heads = [line for line in costwain("cost").output.split("\n") if line.startswith("shop/")]
    assert heads[0].startswith("shop/chat  $0.00 of $240.00 from ")
    assert heads[1].startswith("shop/gone (deleted)  $0.00, no budget from ")
    assert costwain("cost", "chat", "--days", "7").output == "shop/chat\nnothing spent in 7 days\n"


def test_cost_ends_with_the_budgets_that_fleets_share(lists: dict[str, list[Object]]) -> None:
    put(lists, fleet("chat"))
    put(lists, ledger("chat"), plural="spendledgers")
    said = {"spent": "3.20", "forecast": "8.10", "members": 2, "periodEnd": "2026-11-24T11:00:00Z"}
    lists[f"{GROUP}/inferencebudgets"] = [
        {"metadata": {"name": "team"}, "spec": {"amount": "9"}, "status": said},
        {"metadata": {"name": "new"}, "spec": {"amount": "5"}},
    ]
    assert costwain("cost").output.endswith(
        "\n\nInferenceBudget new  ? of $5.00 until ?, forecast ?, members ?\n"
        "InferenceBudget team  $3.20 of $9.00 until 2026-11-24T11:00:00Z, forecast $8.10, members 2\n"
    )
    assert "InferenceBudget" not in costwain("cost", "chat").output


ERRORS = {  # story: (words, exit code, message)
    "a fleet that isn't there": (
        ["get", "chta"],
        1,
        "Error: ModelDeployment shop/chta: not found (found chat, code)\n",
    ),
    "why of a fleet that isn't there": (
        ["why", "chta", "-n", "shop"],
        1,
        "Error: ModelDeployment shop/chta: not found (found chat, code)\n",
    ),
    "a ledger that isn't there": (["cost", "chta"], 1, "Error: SpendLedger shop/chta: not found (found torn, zoned)\n"),
    "a ledger that can't be read": (
        ["cost", "torn"],
        1,
        "Error: SpendLedger shop/torn: spec.epoch: Input should be greater than or equal to 0\n",
    ),
    "a time zone that isn't one": (
        ["cost", "zoned"],
        1,
        "Error: ModelDeployment shop/zoned: spec.budget.timeZone: unknown IANA time zone, found 'Moon/Sea'\n",
    ),
    "a name in every namespace": (
        ["get", "chat", "-A"],
        2,
        "Error: --all-namespaces: goes without a name (found 'chat')\n",
    ),
    "one namespace and all of them": (
        ["cost", "-A", "-n", "lab"],
        2,
        "Error: --all-namespaces: goes without --namespace (found 'lab')\n",
    ),
    "watching JSON": (
        ["get", "--watch", "-o", "json"],
        2,
        "Error: --watch: goes with the tree alone (found --output json)\n",
    ),
    "why of nobody": (["why"], 2, "Error: Missing argument 'NAME'.\n"),
}


@pytest.mark.parametrize(("words", "code", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_says_where_what_and_found(
    lists: dict[str, list[Object]], words: list[str], code: int, message: str
) -> None:
    put(lists, fleet("chat"), fleet("code"))
    put(lists, ledger("torn", epoch=-1), ledger("zoned"), plural="spendledgers")
    if words[-1] == "zoned":
        put(lists, fleet("zoned", budget={"amount": "1", "timeZone": "Moon/Sea"}))
    answer = costwain(*words)
    assert (answer.exit_code, answer.stderr.endswith(message)) == (code, True), answer.stderr


def test_a_cluster_without_the_kinds_is_said_to_lack_them(lists: dict[str, list[Object]]) -> None:
    answer = costwain("get")
    assert answer.exit_code == 1
    assert "modeldeployments.costwain.dev are not installed (found the server could not find" in answer.stderr


def test_a_server_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")
    answer = costwain("get")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: http://127.0.0.1:1: can't be reached (found ")


def test_no_kubeconfig_at_all_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")
    (tmp_path / "kubeconfig").unlink()
    answer = costwain("get", "-n", "shop")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: kubeconfig: no way to a cluster (found ")
    assert answer.stderr.count("\n") == 1
