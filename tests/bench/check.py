"""`make bench-check JSON=path`: exits 1 and names the figures that miss their targets."""

import json
import sys
from pathlib import Path


def short(path: Path) -> list[str]:
    """A sentence for each figure of a report that misses its target."""
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return [
        f"{f['name']}: {f['value']:.4g} {f['unit']}, the target is {f['target']:g}"
        for f in figures
        if f["holds"] is False
    ]


if __name__ == "__main__":
    missed = short(Path(sys.argv[1]))
    print("\n".join(missed) or "every target holds")
    sys.exit(1 if missed else 0)
