"""The operator's start: what a person sees who pointed it at nothing."""

import gc
import socket

import pytest
from kubernetes.aio.client import Configuration

from costwain.adapters.clock import Clock
from costwain.adapters.kube import Kube
from costwain.controller import main as operator_process
from costwain.controller.main import UnreachableError, reach
from costwain.controller.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_an_api_server_that_does_not_answer_is_named_in_one_line() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with Kube(Configuration(host=address), timeout_s=1) as kube:
        with pytest.raises(UnreachableError) as told:
            await reach(kube, patience_s=0.5)
    assert str(told.value).startswith(f"API server {address}: no answer in 0 s (")


def test_the_operator_looks_for_garbage_less_often_than_python_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand fleets make 50,000 objects a turn, and nearly all of them stay."""

    async def nobody(*_: object) -> int:
        raise UnreachableError

    monkeypatch.setattr(operator_process, "run", nobody)
    usual = gc.get_threshold()
    try:
        with pytest.raises(SystemExit) as ended:
            operator_process.main(Settings.from_env({}), Clock(), None)
        assert ended.value.code == operator_process.UNREACHABLE
        assert gc.get_threshold()[0] == 50_000 > usual[0]
    finally:
        gc.set_threshold(*usual)


def test_settings_come_from_the_environment_and_a_bad_number_is_named() -> None:
    assert Settings.from_env({"COSTWAIN_TURN_SECONDS": "2", "COSTWAIN_IMAGE": "x:1"}).turn_s == 2.0
    with pytest.raises(ValueError, match="COSTWAIN_TURN_SECONDS: want seconds, found 'soon'"):
        Settings.from_env({"COSTWAIN_TURN_SECONDS": "soon"})
