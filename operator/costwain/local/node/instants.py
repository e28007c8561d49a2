"""Wall instants as the Kubernetes API writes them."""

from datetime import UTC, datetime


def now_text() -> str:
    """Now, to the second, such as 2026-01-31T12:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro_text() -> str:
    """Now, to the microsecond, as a Lease wants it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
