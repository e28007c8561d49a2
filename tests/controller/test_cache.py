"""What the watches have said, found by name and by fleet, whatever came, changed and went."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from costwain.adapters.resources import PODS, SCALERS
from costwain.controller.cache import Cache, key_of
from costwain.domain import names


def pod(name: str, fleet: str, namespace: str = "a") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": name, "labels": {names.FLEET: fleet} if fleet else {}}
    return {"metadata": metadata, "spec": {}, "status": {}}


pods = st.builds(pod, st.sampled_from("pqrs"), st.sampled_from(["", "chat", "code"]), st.sampled_from("ab"))
steps = st.one_of(
    st.tuples(st.just("put"), pods), st.tuples(st.just("drop"), pods), st.tuples(st.just("replace"), st.lists(pods))
)


@given(st.lists(steps, max_size=12))
def test_those_of_a_fleet_are_those_that_bear_its_label_now(steps: list[tuple[str, Any]]) -> None:
    cache, known = Cache(), dict[tuple[str, str], Any]()
    for what, told in steps:
        getattr(cache, what)(PODS, told, 0.0)
        if what == "put":
            known[key_of(told)] = told
        elif what == "drop":
            known.pop(key_of(told), None)
        else:
            known = {key_of(obj): obj for obj in told}
    assert cache.all(PODS) == known
    for namespace, fleet in [("a", "chat"), ("b", "chat"), ("a", "code"), ("a", ""), ("c", "chat")]:
        labels = {names.FLEET: fleet} if fleet else {}
        theirs = [o for key, o in sorted(known.items()) if key[0] == namespace and o["metadata"]["labels"] == labels]
        assert cache.of(PODS, (namespace, fleet)) == theirs


def test_a_label_that_somebody_changed_in_the_object_itself_leaves_nothing_behind() -> None:
    cache, one = Cache(), pod("p", "chat")
    cache.put(PODS, one, 0.0)
    one["metadata"]["labels"][names.FLEET] = "code"
    cache.put(PODS, one, 0.0)
    assert cache.of(PODS, ("a", "chat")) == []
    assert cache.of(PODS, ("a", "code")) == [one]


def test_a_scaler_belongs_to_what_it_scales() -> None:
    scaler = {"metadata": {"name": "hpa", "namespace": "a"}, "spec": {"scaleTargetRef": {"kind": "X", "name": "chat"}}}
    cache = Cache()
    cache.replace(SCALERS, [scaler], 0.0)
    assert cache.of(SCALERS, ("a", "chat")) == [scaler]
