"""Programs that need an environment of their own, which `make conformance` makes beside the checkout."""

import asyncio
import os
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}  # nothing is fetched, and nobody is told


def environment(name: str) -> Path:
    """The folder with the programs of requirements/<name>.txt."""
    folder = ROOT / f".venv-{name}" / "bin"
    assert folder.is_dir(), f"{folder} is missing: `make conformance` makes it"
    return folder


async def run(program: Path, *arguments: str, folder: Path, timeout_s: float = 240) -> str:
    """Runs a program in a folder and gives what it said; fails where it doesn't end with 0 in time."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | OFFLINE
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, *arguments, cwd=folder, env=given, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        said, _ = await process.communicate()
        raise AssertionError(f"{program.name}: not within {timeout_s:g} s: {said.decode()[-2000:]}") from None
    assert process.returncode == 0, f"{program.name}: exit {process.returncode}: {said.decode()[-4000:]}"
    return said.decode()


async def tiny_model(programs: Path, folder: Path) -> str:
    """The folder of a tiny model, whose tokenizer a load generator needs."""
    made = folder / "model"
    await run(programs / "python", str(Path(__file__).with_name("tiny_model.py")), str(made), folder=folder)
    return str(made)
