"""`python -m costwain.stub MODEL ...`: stands in for `vllm serve` where there is no GPU."""

import asyncio
import os
import sys

from costwain.stub import lifecycle
from costwain.stub.args import StartError, parse


def main() -> int:
    """Runs the stub; the exit code is what vLLM's would be."""
    try:
        settings = parse(sys.argv[1:], os.environ)
    except StartError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return asyncio.run(lifecycle.run(settings))


if __name__ == "__main__":
    sys.exit(main())
