"""A gateway's world in few words: what differs from a fleet of two variants, full with every share, and no pods."""

from dataclasses import replace

from costwain.agent.haproxy import RESPONSE_CLASSES, Counters, LiveMap, State
from costwain.agent.pods import Pod
from costwain.agent.program import Program, Variant
from costwain.domain import names
from costwain.render.haproxy import KEYS_MAP, PROGRAM_MAP, SERVING, TENANTS_MAP, WAITING, backend

NO_RESPONSES = dict.fromkeys(RESPONSE_CLASSES, 0)
PROGRAMMED = {"model": "m", "max-queued": "9", "shares": "10000,10000", "state": "serving"}


def program(full: float = 100, small: float = 0, slots: int = 8) -> Program:
    variants = (Variant("full", full, {"spot": slots}), Variant("small", small, {"spot": slots}))
    return Program("m", variants, 9)


def pod(name: str = "a", variant: str = "full", ready: bool = True, **differs: object) -> Pod:
    known = Pod(name, variant, "spot", f"127.0.0.{ord(name[0]) - 96}:8000", ready, draining=False, leaving=False)
    return replace(known, **differs)


def server(name: str = "a", status: str = "UP", sessions: int = 0, limit: int = 8, **differs: object) -> Counters:
    row = Counters(status, f"127.0.0.{ord(name[0]) - 96}:8000", limit, sessions, responses=NO_RESPONSES)
    return replace(row, **differs)


def state(
    servers: dict[str, Counters] | None = None,
    queued: dict[str, int] | None = None,
    gates_open: tuple[str, ...] = ("waiting.full", "waiting.small", "variant.small"),
    told: dict[str, str] | None = None,
    ladder: tuple[str, ...] = ("full", "small"),
    keys: dict[str, str] | None = None,
    limits: dict[str, str] | None = None,
) -> State:
    """HAProxy with the given servers, named "full/a"; its program is told and its gates stand right for `program()`."""
    backends, rows = {"endless": Counters("UP", sessions=4, responses=NO_RESPONSES)}, {}
    for variant in ladder:
        for kind in (SERVING, WAITING):
            name = backend(kind, variant)
            waiting = (queued or {}).get(name, 0)
            backends[name] = Counters("UP", queued=waiting, sessions=waiting + 1, responses=NO_RESPONSES)
            rows[name, "hold"] = Counters("no check", limit=1, sessions=1, total=1, responses=NO_RESPONSES)
            gate = "no check" if name in gates_open else "MAINT"
            rows[name, "again"] = Counters(gate, responses=NO_RESPONSES)
    for path, row in (servers or {}).items():
        variant, _, name = path.partition("/")
        rows[backend(SERVING, variant), f"spot:{name}"] = row
    maps = {PROGRAM_MAP: LiveMap(0, PROGRAMMED if told is None else told)}
    if keys is not None:
        maps |= {KEYS_MAP: LiveMap(1, keys), TENANTS_MAP: LiveMap(2, limits or {})}
    return State(backends, rows, maps)


def gateway_object(claim=None, state="running", **conditions):
    said = [{"type": kind, "status": value} for kind, value in conditions.items()]
    annotations = {names.GATEWAY_CLAIM: claim} if claim else {}
    return {
        "metadata": {"name": "a", "labels": {names.ROLE: names.ROLE_GATEWAY}, "annotations": annotations},
        "status": {"conditions": said, "containerStatuses": [{"name": "haproxy", "state": {state: {}}}]},
    }
