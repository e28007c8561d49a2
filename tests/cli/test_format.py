"""What `costwain get` and `costwain why` print, word for word."""

from typing import Any

import pytest

from costwain.cli.format import bar, fleet_tree, stale, table, why

Object = dict[str, Any]


def fleet(status: Object | None = None, **metadata: Any) -> Object:
    made: Object = {
        "metadata": {"namespace": "shop", "name": "chat", "generation": 2, **metadata},
        "spec": {"variants": [{"name": "qwen3-32b"}, {"name": "qwen3-8b"}]},
    }
    return made if status is None else made | {"status": status}


def condition(kind: str, status: str, reason: str, message: str = "") -> Object:
    since = "2026-11-24T02:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


IN_A_SWAP: Object = {
    "observedGeneration": 2,
    "conditions": [condition("Ready", "True", "Serving", "2 variants serve")],
    "url": "http://chat-gateway.shop.svc:8080",
    "variants": [
        {"name": "qwen3-32b", "sharePercent": 40, "replicas": 3, "readyReplicas": 2, "reason": "too dear"},
        {"name": "qwen3-8b", "sharePercent": 60, "replicas": 2, "readyReplicas": 2},
    ],
    "placements": [
        {"variant": "qwen3-32b", "pool": "h100", "replicas": 2, "readyReplicas": 1, "hourlyCost": "5.00"},
        {"variant": "qwen3-32b", "pool": "mi300x", "replicas": 1, "readyReplicas": 1, "hourlyCost": "1.80"},
        {"variant": "qwen3-8b", "pool": "mi300x", "replicas": 2, "readyReplicas": 2, "hourlyCost": "3.60"},
    ],
    "queue": {"waiting": 12, "running": 40},
    "cost": {
        "hourly": "10.40",
        "perMillionTokens": "0.31",
        "periodEnd": "2026-11-25T00:00:00Z",
        "spent": "163.20",
        "forecast": "231.004",
        "limit": "240.00",
        "percent": 68,
    },
    "decision": {
        "at": "2026-11-24T02:58:10Z",
        "reasons": [
            {"code": "AllowanceTight", "sentence": "qwen3-32b needs $9.60/h, the allowance is $6.10/h"},
            {"code": "Swap", "sentence": "60 % of requests go to qwen3-8b"},
        ],
    },
}

TREES = {  # story: (fleet, wide, lines)
    "a fleet in the middle of a swap": (
        fleet(IN_A_SWAP),
        False,
        [
            "shop/chat  Ready: Serving",
            "├─ budget  [#############-------]  68 %  $163.20 of $240.00, forecast $231.00, until 2026-11-25T00:00:00Z",
            "├─ cost    $10.40/h, $0.31 a million tokens",
            "├─ queue   12 waiting, 40 running",
            "├─ qwen3-32b   40 %  2/3 ready  $6.80/h",
            "│  ├─ h100    1/2 ready  $5.00/h  1 on the way in or out",
            "│  └─ mi300x  1/1 ready  $1.80/h  serving",
            "└─ qwen3-8b    60 %  2/2 ready  $3.60/h",
            "   └─ mi300x  2/2 ready  $3.60/h  serving",
        ],
    ),
    "no operator ever looked: everything is unknown, nothing is zero": (
        fleet(),
        False,
        [
            "shop/chat  Ready unknown: no condition",
            "! the spec is at generation 2, the operator has never acted on it: is it running?",
            "├─ budget  none, ? spent",
            "├─ cost    ?/h",
            "├─ queue   ? waiting, ? running",
            "├─ qwen3-32b  not reported",
            "└─ qwen3-8b   not reported",
        ],
    ),
    "without a gateway each variant has an address": (
        fleet(
            {
                "observedGeneration": 2,
                "conditions": [condition("Ready", "True", "Serving")],
                "url": "",
                "variants": [{"name": "qwen3-8b", "url": "http://chat-qwen3-8b-engines.shop.svc"}],
            }
        ),
        True,
        [
            "shop/chat  Ready: Serving",
            "├─ budget  none, ? spent",
            "├─ cost    ?/h",
            "├─ queue   ? waiting, ? running",
            "├─ url     http://chat-qwen3-8b-engines.shop.svc",
            "├─ qwen3-32b  not reported",
            "└─ qwen3-8b     0 %  0/0 ready  $0.00/h",
        ],
    ),
    "scaled to zero, without a budget, being deleted": (
        fleet(
            {
                "observedGeneration": 2,
                "conditions": [condition("Ready", "False", "ScaledToZero")],
                "variants": [{"name": "qwen3-8b", "sharePercent": 100}],
                "queue": {"waiting": 0, "running": 0},
                "cost": {"hourly": "0.00", "spent": "1.00"},
            },
            deletionTimestamp="2026-11-24T02:00:00Z",
        ),
        False,
        [
            "shop/chat  NOT READY: ScaledToZero  (being deleted)",
            "├─ budget  none, $1.00 spent",
            "├─ cost    $0.00/h",
            "├─ queue   0 waiting, 0 running",
            "├─ qwen3-32b  not reported",
            "└─ qwen3-8b   100 %  0/0 ready  $0.00/h",
        ],
    ),
}


@pytest.mark.parametrize(("item", "wide", "want"), TREES.values(), ids=TREES)
def test_a_fleet_as_a_tree(item: Object, wide: bool, want: list[str]) -> None:
    assert fleet_tree(item, wide=wide) == want


def test_wide_adds_the_address_and_the_variants_reasons() -> None:
    lines = fleet_tree(fleet(IN_A_SWAP), wide=True)
    assert "├─ url     http://chat-gateway.shop.svc:8080" in lines
    assert "├─ qwen3-32b   40 %  2/3 ready  $6.80/h  too dear" in lines


def test_a_placement_whose_price_is_unknown_makes_the_sum_unknown() -> None:
    status = {
        "observedGeneration": 2,
        "variants": [{"name": "qwen3-8b", "sharePercent": 100, "replicas": 1}],
        "placements": [{"variant": "qwen3-8b", "pool": "h100", "replicas": 1}],
    }
    assert fleet_tree(fleet(status), wide=False)[-2:] == [
        "└─ qwen3-8b   100 %  0/1 ready  ?/h",
        "   └─ h100  0/1 ready  ?/h  1 on the way in or out",
    ]


WHYS = {  # story: (fleet, lines)
    "the reasons of a swap": (
        fleet(IN_A_SWAP),
        [
            "shop/chat  decided at 2026-11-24T02:58:10Z",
            "  AllowanceTight  qwen3-32b needs $9.60/h, the allowance is $6.10/h",
            "  Swap            60 % of requests go to qwen3-8b",
            "conditions",
            "  Ready  True  Serving  2 variants serve  since 2026-11-24T02:00:00Z",
            "variants",
            "  qwen3-32b  40 %  too dear",
            "  qwen3-8b   60 %  no reason given",
        ],
    ),
    "nothing was ever decided": (
        fleet(),
        [
            "shop/chat  no decision yet",
            "! the spec is at generation 2, the operator has never acted on it: is it running?",
        ],
    ),
}


@pytest.mark.parametrize(("item", "want"), WHYS.values(), ids=WHYS)
def test_why_a_fleet_is_as_it_is(item: Object, want: list[str]) -> None:
    assert why(item) == want


def test_a_status_of_an_older_spec_is_said_to_be_old() -> None:
    assert stale(fleet({"observedGeneration": 1})) == [
        "! the spec is at generation 2, the operator has acted on generation 1: is it running?"
    ]
    assert stale(fleet({"observedGeneration": 2})) == []


@pytest.mark.parametrize(
    ("percent", "want"),
    [
        (0, "[--------------------]   0 %"),
        (99, "[###################-]  99 %"),
        (100, "[####################] 100 %"),
        (None, "[????????????????????]   ? %"),
    ],
)
def test_a_bar_is_full_only_when_the_money_is_gone(percent: int | None, want: str) -> None:
    assert bar(percent) == want


def test_a_table_has_no_trailing_blanks() -> None:
    assert table([["a", "1"], ["bbb", "22"], ["c", ""]], right=[1]) == ["a     1", "bbb  22", "c"]
