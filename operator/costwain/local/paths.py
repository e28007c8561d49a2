"""Where local clusters keep their binaries and their state (XDG base directories)."""

import os
import re
from pathlib import Path

from costwain.local.errors import LocalError

DEFAULT_NAME = "costwain"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def cache_dir() -> Path:
    """The folder of things that can be built again: `$XDG_CACHE_HOME/costwain`."""
    return _base("XDG_CACHE_HOME", ".cache")


def state_root() -> Path:
    """The folder that holds one folder a cluster: `$XDG_STATE_HOME/costwain`."""
    return _base("XDG_STATE_HOME", ".local/state")


def state_dir(name: str) -> Path:
    """The folder of the cluster of that name; raises LocalError where the name can't be a folder's."""
    if not _NAME.fullmatch(name):
        raise LocalError(f"--name: lower-case letters, digits and inner dashes, at most 40 (found {name!r})")
    return state_root() / name


def _base(variable: str, default: str) -> Path:
    # The XDG specification: a relative path is to be ignored.
    value = Path(os.environ.get(variable, ""))
    return (value if value.is_absolute() else Path.home() / default) / "costwain"
