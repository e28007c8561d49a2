"""Recorded traces: every line is one request."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from costwain.sim.arrival import Arrival, TraceError, in_order, not_negative, tokens_of
from costwain.sim.text import csv_rows, lines

AZURE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
REQUEST_COLUMNS = ("t_s", "input_tokens", "output_tokens")
_MOONCAKE_FIELDS = ("timestamp", "input_length", "output_length")


def requests(path: Path) -> Iterator[Arrival]:
    """Our own form: t_s,input_tokens,output_tokens and, if known, tenant and session."""
    return in_order((where, _request(row, where)) for where, row in csv_rows(path, REQUEST_COLUMNS))


def _request(row: dict[str, str], where: str) -> Arrival:
    return Arrival(
        not_negative(row["t_s"], where, "t_s"),
        tokens_of(row["input_tokens"], where, "input_tokens"),
        tokens_of(row["output_tokens"], where, "output_tokens"),
        row.get("tenant") or None,
        row.get("session") or None,
    )


def azure(path: Path) -> Iterator[Arrival]:
    """The form of Azure's public LLM traces; the first request is at 0, an instant without a zone is UTC."""
    return in_order(_azure_rows(path))


def _azure_rows(path: Path) -> Iterator[tuple[str, Arrival]]:
    start: datetime | None = None
    for where, row in csv_rows(path, AZURE_COLUMNS):
        at = _instant(row["TIMESTAMP"], where)
        start = start or at
        t_s = (at - start).total_seconds()
        given, made = (tokens_of(row[name], where, name) for name in AZURE_COLUMNS[1:])
        yield where, Arrival(t_s, given, made)


def _instant(text: str, where: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise TraceError(where, "TIMESTAMP: want a date and time such as 2023-11-16 18:15:46.68", repr(text)) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def mooncake(path: Path) -> Iterator[Arrival]:
    """The form of Mooncake's traces: a JSON object a line, `timestamp` in milliseconds, prefix blocks in `hash_ids`.

    Requests share a session when the blocks of one begin with those of the other: a turn of a conversation
    repeats what was said before. The last block is left out, for it is rarely full.
    """
    return in_order(_mooncake_rows(path))


def _mooncake_rows(path: Path) -> Iterator[tuple[str, Arrival]]:
    sessions: dict[int, str] = {}
    for where, line in lines(path):
        if not line.strip():
            continue
        entry = _entry(line, where)
        t_ms, given, made = (str(entry[name]) for name in _MOONCAKE_FIELDS)
        yield (
            where,
            Arrival(
                not_negative(t_ms, where, "timestamp") / 1000,
                tokens_of(given, where, "input_length"),
                tokens_of(made, where, "output_length"),
                session=_session(_blocks(entry, where)[:-1], sessions),
            ),
        )


def _entry(line: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TraceError(where, f"want a JSON object: {error}", repr(line[:120])) from None
    if not isinstance(entry, dict):
        raise TraceError(where, "want a JSON object", repr(line[:120]))
    if missing := [name for name in _MOONCAKE_FIELDS if name not in entry]:
        raise TraceError(where, f"want the fields {', '.join(missing)}", repr(line[:120]))
    return entry


def _blocks(entry: dict[str, Any], where: str) -> list[int]:
    blocks = entry.get("hash_ids", [])
    if not (isinstance(blocks, list) and all(isinstance(block, int) for block in blocks)):
        raise TraceError(where, "hash_ids: want a list of whole numbers", repr(blocks)[:120])
    return blocks


def _session(blocks: list[int], sessions: dict[int, str]) -> str | None:
    """The session whose last full block is the deepest among these; a block's id stands for all before it."""
    if not blocks:
        return None
    known = next((sessions[block] for block in reversed(blocks) if block in sessions), None)
    return sessions.setdefault(blocks[-1], known or f"s{blocks[-1]}")
