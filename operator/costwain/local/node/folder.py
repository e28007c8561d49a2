"""A folder of files that changes all at once, as a kubelet's volumes do."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from costwain.local.node.payloads import File

_DATA = "..data"


def write_all(folder: Path, files: Mapping[str, File]) -> None:
    """Makes `folder` show exactly these files; a reader sees all the old ones or all the new ones.

    `..data` links to a fresh folder and every visible name links through it, so one rename swaps them all.
    Raises OSError, and ValueError for a path that would leave the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="..v", dir=folder))
    fresh.chmod(0o755)
    for path, file in files.items():
        target = fresh / path
        if ".." in Path(path).parts or Path(path).is_absolute():
            raise ValueError(f"volume path {path!r}: must stay below the volume")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
    old = folder / os.readlink(folder / _DATA) if (folder / _DATA).is_symlink() else None
    _swap(folder / _DATA, fresh.name)
    _link_names(folder, {Path(path).parts[0] for path in files})
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _link_names(folder: Path, names: set[str]) -> None:
    for name in names:
        if not (folder / name).is_symlink():
            _swap(folder / name, f"{_DATA}/{name}")
    for entry in folder.iterdir():
        if entry.is_symlink() and entry.name != _DATA and entry.name not in names:
            entry.unlink()


def _swap(link: Path, target: str) -> None:
    """Points a link at a target in one step, whether it was there or not."""
    temporary = link.with_name(f"..new-{link.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
