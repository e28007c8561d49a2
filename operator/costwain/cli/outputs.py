"""Outputs: files that a command writes at its end, and of which it must know before it begins that it can."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from costwain.sim.arrival import InputError


@dataclass(frozen=True)
class Told:
    """Where `simulate` writes its figures and its picture; None: nowhere."""

    json: Path | None
    plot: Path | None

    @classmethod
    def checked(cls, json: Path | None, plot: Path | None) -> "Told":
        """The same, where each can be written; raises InputError otherwise."""
        found = cls(_checked("--json", json), _checked("--plot", plot))
        if found.json is not None and found.json == found.plot:
            raise InputError("--plot", "want another file than that of --json", str(plot))
        return found

    def write(self, figures: Callable[[], str], picture: Callable[[], str]) -> None:
        """Writes both, each whole or not at all; raises click.ClickException."""
        for path, text in ((self.json, figures), (self.plot, picture)):
            if path is not None:
                _write(path, text())


def _checked(option: str, path: Path | None) -> Path | None:
    """The file behind links; one that could be made beside it shows that the folder lets us."""
    if path is None or _is_special(path):
        return path
    path = path.resolve()
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(option, "want a file in a folder that exists", repr(str(path)))
    try:
        _part(path).touch()
        _part(path).unlink()
    except OSError as error:
        raise InputError(option, "want a file that can be written", f"{path}: {error.strerror}") from None
    return path


def _is_special(path: Path) -> bool:
    """A device or a pipe: no file may take its place."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError:  # a name that is too long
        return False


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _write(path: Path, text: str) -> None:
    try:
        if _is_special(path):
            path.write_text(text, encoding="utf-8")
            return
        _part(path).write_text(text, encoding="utf-8")
        _part(path).replace(path)
    except OSError as error:
        _part(path).unlink(missing_ok=True)
        raise click.ClickException(f"{path}: can't be written (found {error.strerror})") from None
