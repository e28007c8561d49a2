"""Records: what a turn saw and decided comes back from JSON as it was, and is decided on alike."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from tests.decide.builders import fleet, pool, pools, replica, snapshot, variant
from tests.decide.fleets import snapshots

from costwain.decide import decide
from costwain.domain.plan import Plan
from costwain.domain.record import Turn, decoded, encoded, without_environment
from costwain.domain.snapshot import Replica, Snapshot, State, Work

law = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through_json(turn: Turn) -> Turn:
    return decoded(Turn, json.loads(json.dumps(encoded(turn))))


@law
@given(snapshots())
def test_law_a_turn_comes_back_as_it_was_and_is_decided_on_alike(given_: Snapshot) -> None:
    turn = Turn("1", given_, decide(given_))
    back = through_json(turn)
    assert back == turn
    assert decide(back.snapshot) == turn.plan
    assert encoded(decide(back.snapshot)) == encoded(turn.plan)


def test_what_pods_did_and_tenths_of_seconds_come_back() -> None:
    did = Work(1.1, 0.1 + 0.2, 3, 4.5, 1 / 3)
    given_ = snapshot(fleet(replica(work=did), replica("full/h100", State.PENDING)))
    (back,) = through_json(Turn("1", given_, decide(given_))).snapshot.fleets
    assert back.replicas[0].work == did
    assert back.replicas[1].bound_s is None


def test_a_field_that_an_older_version_did_not_have_gets_its_default() -> None:
    old = encoded(replica())
    del old["work"]
    assert decoded(Replica, old) == replica()


REFUSALS = {
    "something else": ({"a": 1}, "record: no Snapshot (KeyError: 'a')"),
    "nothing": (None, "record: no Snapshot (AttributeError: 'NoneType' object has no attribute 'items')"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_no_record_says_so(data: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^record: no Snapshot") as refused:
        decoded(Snapshot, data)
    assert str(refused.value) == sentence


def test_values_of_the_environment_are_not_recorded_and_decide_nothing() -> None:
    secret = {"env": [{"name": "TOKEN", "value": "s3cret"}]}
    own = fleet(replica("full/h100"), variants=[variant("full", engine=secret), variant("small")])
    given_ = snapshot(own, where=pools(pool("h100", podDefaults=secret), using=own.replicas))
    bare = without_environment(given_)
    text = json.dumps(encoded(bare))
    assert "s3cret" in json.dumps(encoded(given_))
    assert "s3cret" not in text
    assert "TOKEN" in text
    assert decide(bare) == decide(given_)
    assert bare == replace(given_, fleets=bare.fleets, pools=bare.pools)
    assert decoded(Plan, encoded(decide(bare))) == decide(given_)
