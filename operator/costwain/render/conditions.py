"""Conditions as Kubernetes wants them: the transition time stays while the status does."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Verdict = tuple[str, str, str, str]
"""(type, status, reason, message)."""


def stamped(
    verdicts: Iterable[Verdict], before: Iterable[Mapping[str, Any]], generation: int, wall_s: float
) -> list[dict[str, Any]]:
    """The verdicts as conditions of a generation of the spec; `before` are the conditions that stand."""
    known = {c["type"]: c for c in before}
    now = rfc3339(wall_s)
    return [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": message[:4096],
            "observedGeneration": generation,
            "lastTransitionTime": known[kind]["lastTransitionTime"]
            if kind in known and known[kind]["status"] == value and known[kind].get("lastTransitionTime")
            else now,
        }
        for kind, value, reason, message in verdicts
    ]


def rfc3339(at_s: float) -> str:
    """Unix seconds as Kubernetes writes instants.

    >>> rfc3339(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
