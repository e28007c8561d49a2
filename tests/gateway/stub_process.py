"""A pod's stand-in as a process of its own, which a test may kill."""

import asyncio
import subprocess
from dataclasses import dataclass

from tests.support import eventually_async

from costwain.domain import names


@dataclass
class StubPod:
    """A stub's process at an address of its own."""

    name: str
    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


async def until_listening(pod: StubPod) -> None:
    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(pod.address, names.MODEL_PORT)
        except OSError:
            return False
        writer.close()
        return True

    await eventually_async(listens, 20, f"{pod.name} listening")
