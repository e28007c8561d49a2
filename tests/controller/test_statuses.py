"""What reaches the API server of a status that changes every turn: what matters at once, numbers now and then."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests.controller.fakes import NAMESPACE, FakeKube, hands_on

from costwain.controller.statuses import KEPT, MOVING_PER_S, Statuses
from costwain.domain.memory import Memory

pytestmark = pytest.mark.anyio
BEFORE: dict[str, Any] = {
    "conditions": [{"type": "Ready", "status": "True", "reason": "Serving", "message": "full serves 3.1 requests/s"}],
    "cost": {"hourly": "4.00"},
    "decision": {"reasons": [{"code": "Serves", "message": "full serves 3.1 requests/s"}]},
    "memory": {"target": "full", "shares": {"full": 100}, "season": {"hourS": 0.0, "requests": 10.0}},
}
FIVE_S_ON = {
    "a number of the cost": {"cost": {"hourly": "4.01"}},
    "a number in a sentence": {
        "decision": {"reasons": [{"code": "Serves", "message": "full serves 3.2 requests/s"}]},
    },
    "another part of the memory": {"memory": {**BEFORE["memory"], "season": {"hourS": 0.0, "requests": 25.0}}},
}
AT_ONCE = {
    "another variant": {"memory": {**BEFORE["memory"], "target": "small"}},
    "shares that moved": {"memory": {**BEFORE["memory"], "shares": {"full": 50, "small": 50}}},
    "a pool that is given a rest": {"memory": {**BEFORE["memory"], "refusals": [{"pool": "h100", "untilS": 9.0}]}},
    "another reason": {"decision": {"reasons": [{"code": "Idle", "message": "no requests"}]}},
    "a condition": {"conditions": [{"type": "Ready", "status": "False", "reason": "Starting", "message": ""}]},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def owner(number: int = 0) -> dict[str, Any]:
    metadata = {"name": f"chat-{number}", "namespace": NAMESPACE, "uid": f"u-{number}"}
    return {"kind": "ModelDeployment", "metadata": metadata}


async def written(change: Mapping[str, Any], after_s: float) -> bool:
    """Whether a change is written so long after the status before it."""
    kube = FakeKube()
    statuses = Statuses(hands_on(kube).applier, every_s=10.0)
    await statuses.write(owner(), BEFORE, 100.0)
    await statuses.write(owner(), {**BEFORE, **change}, 100.0 + after_s)
    return len(kube.calls) == 2


@pytest.mark.parametrize("change", FIVE_S_ON.values(), ids=FIVE_S_ON.keys())
async def test_what_moves_by_itself_is_written_now_and_then(change: Mapping[str, Any]) -> None:
    assert not await written(change, 5.0)
    assert await written(change, 10.0)


@pytest.mark.parametrize("change", AT_ONCE.values(), ids=AT_ONCE.keys())
async def test_what_a_person_or_a_restart_needs_is_written_at_once(change: Mapping[str, Any]) -> None:
    assert await written(change, 0.5)


async def test_numbers_of_a_thousand_fleets_take_turns_and_each_has_its_own() -> None:
    kube, fleets, turn_s = FakeKube(), 1000, 5.0
    statuses = Statuses(hands_on(kube).applier, every_s=10.0)
    for n in range(fleets):
        await statuses.write(owner(n), BEFORE, 0.0)
    kube.calls.clear()
    turns = round(6 * fleets / MOVING_PER_S / turn_s)
    for turn in range(1, turns + 1):
        before = len(kube.calls)
        for n in range(fleets):
            await statuses.write(owner(n), {**BEFORE, "cost": {"hourly": f"{turn}"}}, turn * turn_s)
        assert len(kube.calls) - before <= MOVING_PER_S * turn_s + 1
    writes = Counter(name for _, name in kube.calls)
    assert len(writes) == fleets
    assert max(writes.values()) - min(writes.values()) <= 1


async def test_fleets_that_are_gone_make_none_wait() -> None:
    kube = FakeKube()
    statuses = Statuses(hands_on(kube).applier, every_s=10.0)
    for n in range(1000):
        await statuses.write(owner(n), BEFORE, 0.0)
    statuses.only({"u-0"})
    kube.calls.clear()
    await statuses.write(owner(0), {**BEFORE, "cost": {"hourly": "4.01"}}, 10.0)
    assert len(kube.calls) == 1


def test_the_memory_is_named_as_the_status_writes_it() -> None:
    assert set(KEPT) <= {field.alias for field in Memory.model_fields.values()}
