"""What the pods should be told: which marks differ from what HAProxy does with them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from costwain.agent.haproxy import State
from costwain.agent.pods import Pod, drained_annotation, replica_key
from costwain.agent.reconcile import server_name
from costwain.domain import names
from costwain.render.haproxy import SERVING, backend

Object = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """One change of a pod; `condition` is its place in the gateway, `metadata` a merge patch. None leaves it."""

    pod: str
    condition: bool | None = None
    metadata: Object | None = None


def marks(pods: Iterable[Pod], state: State, own_name: str, live: Sequence[str]) -> list[Mark]:
    """The marks that are due; `live` names every gateway replica that has to let go of a pod before it is free."""
    due = []
    for pod in pods:
        row = state.servers.get((backend(SERVING, pod.variant), server_name(pod)))
        if pod.draining and (row is None or row.is_free):
            mark = _drained(pod, own_name, live)
        elif pod.draining:
            mark = Mark(pod.name)
        else:
            serves = row is not None and not row.in_maintenance and not pod.leaving
            mark = Mark(pod.name, _changed(pod, True) if serves else None, _undrained(pod))
        if mark != Mark(pod.name):
            due.append(mark)
    return due


def _drained(pod: Pod, own_name: str, live: Sequence[str]) -> Mark:
    signed = pod.drained_in | {replica_key(own_name)}
    if all(replica_key(name) in signed for name in live):
        labels = None if pod.drained else {"labels": {names.DRAINED: "true"}}
        return Mark(pod.name, _changed(pod, False), labels)
    if replica_key(own_name) in pod.drained_in:
        return Mark(pod.name)
    return Mark(pod.name, None, {"annotations": {drained_annotation(own_name): "true"}})


def _undrained(pod: Pod) -> Object | None:
    """The operator took its wish back: signatures of the old drain must not count for the next one."""
    patch: Object = {}
    if pod.drained:
        patch["labels"] = {names.DRAINED: None}
    if pod.drained_in:
        patch["annotations"] = {f"{names.DRAINED}-in.{key}": None for key in sorted(pod.drained_in)}
    return patch or None


def _changed(pod: Pod, value: bool) -> bool | None:
    return None if pod.in_gateway == value else value
