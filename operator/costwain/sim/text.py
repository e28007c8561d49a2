"""Text files of a trace, plain or gzipped, with the line in every complaint."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from costwain.sim.arrival import TraceError


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, text without its end) of every line; raises TraceError if the file can't be read as text."""
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                yield f"{path}:{number}", line.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise TraceError(f"{path}:{number + 1}", "want a readable text file", reason) from None


def first_line(path: Path) -> str:
    """The first line of a file; raises TraceError if there is none."""
    for _, line in lines(path):
        return line
    raise TraceError(f"{path}:1", "want at least a header", "an empty file")


def csv_rows(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """(file:line, column to text) of every row of a CSV; raises TraceError on a missing column or a ragged row.

    Empty lines are passed over; columns beyond the wanted ones are kept.
    """
    source = lines(path)
    where, header_text = next(source, (f"{path}:1", ""))
    header = [column.strip() for column in _cells(where, header_text)]
    if missing := [column for column in wanted if column not in header]:
        raise TraceError(where, f"want the columns {', '.join(missing)}", repr(header_text[:120]))
    for where, line in source:
        if not line.strip():
            continue
        cells = _cells(where, line)
        if len(cells) != len(header):
            raise TraceError(where, f"want {len(header)} columns as in the header", f"{len(cells)}: {line[:120]!r}")
        yield where, dict(zip(header, cells, strict=True))


def _cells(where: str, line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise TraceError(where, f"want a CSV row: {error}", repr(line[:120])) from None


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
