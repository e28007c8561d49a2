"""What HAProxy's answers say, read from answers of 2.8.25."""

import asyncio

import pytest
from tests.agent.builders import state

from costwain.agent.haproxy import Counters, HaproxyError, Runtime, parse_map, parse_maps, parse_stats

_HEADER = (
    "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,"
    "bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,"
    "check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,addr,"
)


def _row(**values):
    return ",".join(values.get(column, "") for column in _HEADER.removeprefix("# ").split(","))


def test_stats_become_backends_and_servers():
    text = "\n".join(
        [
            _HEADER,
            _row(pxname="api", svname="FRONTEND", scur="3", status="OPEN"),
            _row(pxname="variant.full", svname="spot:a", qcur="0", scur="2", slim="8", stot="7", status="UP 1/2",
                 hrsp_2xx="6", addr="127.0.0.1:8000"),
            _row(pxname="variant.full", svname="BACKEND", qcur="4", scur="6", stot="11", status="UP"),
        ]
    )  # fmt: skip
    backends, servers = parse_stats(text)
    assert set(backends) == {"variant.full"}
    assert (backends["variant.full"].queued, backends["variant.full"].sessions) == (4, 6)
    row = servers["variant.full", "spot:a"]
    assert (row.address, row.limit, row.sessions, row.total) == ("127.0.0.1:8000", 8, 2, 7)
    assert row.responses == {"1xx": 0, "2xx": 6, "3xx": 0, "4xx": 0, "5xx": 0}


def test_a_gateway_that_only_holds_its_own_requests_is_not_busy():
    assert state().busy == 0
    assert state(queued={"variant.full": 3, "waiting.small": 1}).busy == 4


STATUS = {  # status: (is up, in maintenance)
    "UP": (True, False),
    "UP 1/2": (True, False),
    "no check": (True, False),
    "DOWN": (False, False),
    "DOWN 1/2": (False, False),
    "DRAIN": (False, False),
    "MAINT": (False, True),
    "MAINT (resolution)": (False, True),
}


@pytest.mark.parametrize(("status", "want"), STATUS.items(), ids=STATUS)
def test_status(status, want):
    assert (Counters(status).is_up, Counters(status).in_maintenance) == want


def test_an_answer_that_is_no_table_is_refused():
    with pytest.raises(HaproxyError, match='want CSV with a header, found "Unknown command'):
        parse_stats("Unknown command: 'show stat'")


def test_maps_are_found_by_their_files():
    text = "# id (file) description\n-1 (other) x\n3 (/etc/x/program.map) pattern loaded from file '/etc/x/program.map'"
    assert parse_maps(text + "\n5 (/etc/x/keys.map) pattern") == {"program.map": 3, "keys.map": 5}
    with pytest.raises(HaproxyError, match=r"no program\.map"):
        parse_maps("# id (file) description\n5 (/etc/x/keys.map) pattern")


def test_a_map_becomes_keys_and_values():
    assert parse_map("0x1 state starting\n0x2 shares 2500,10000\n") == {"state": "starting", "shares": "2500,10000"}


async def _answers(path, serve):
    server = await asyncio.start_unix_server(serve, path)
    async with server:
        return await Runtime(path, timeout_s=0.2).command("show map")


@pytest.mark.anyio
async def test_a_command_is_one_connection(tmp_path):
    async def serve(reader, writer):
        command = await reader.readline()
        writer.write(b"\nanswer to " + command + b"\n")
        writer.close()

    assert await _answers(tmp_path / "s", serve) == "answer to show map"


@pytest.mark.anyio
async def test_a_haproxy_that_is_silent_or_not_there_is_an_error_with_its_socket(tmp_path):
    left = asyncio.Event()

    async def serve(reader, writer):
        await reader.read()  # until the client gives up
        writer.close()
        left.set()

    with pytest.raises(HaproxyError, match=r"s: show: TimeoutError"):
        await _answers(tmp_path / "s", serve)
    async with asyncio.timeout(5):
        await left.wait()
    with pytest.raises(HaproxyError, match=r"nowhere: show: .*No such file"):
        await Runtime(tmp_path / "nowhere").command("show map")
