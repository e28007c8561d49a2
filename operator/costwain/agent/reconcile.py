"""What HAProxy should be told: the program and the pods against what it has. Pure.

A turn is idempotent: after a restart of HAProxy, or of the agent, the same difference is found again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costwain.agent.division import Replica
from costwain.agent.haproxy import Counters, State
from costwain.agent.pods import Pod
from costwain.agent.program import Program, Variant
from costwain.agent.tenants import map_lines, tenant_lines
from costwain.agent.waits import NEITHER, spill_marks
from costwain.render.haproxy import AGAIN, PROGRAM_MAP, SERVING, WAITING, backend

# Connections are kept for the next requests; of those that are too many half are closed each second.
_POOL = "pool-purge-delay 1s"
_CHECK = "check inter 1s fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down"
_MAX_WEIGHT = 256


@dataclass(frozen=True)
class _Wanted:
    """Which pods of one backend shall get requests: server name -> (address, this replica's limit, whole limit)."""

    backend: str
    servers: Mapping[str, tuple[str, int, int]]


def commands(
    program: Program, pods: Sequence[Pod], state: State, replica: Replica, keys: Mapping[str, str] | None = None
) -> list[str]:
    """The commands of one turn, in an order in which no request can be lost or go in a circle.

    Gates that must shut are shut before shares move, pods are there before shares point to them, and pods leave last.
    Who is who and what each may (`keys`: hash -> tenant) is told before a HAProxy that has just started serves.
    """
    program = program.on_ladder(state.ladder)
    wanted = [_wanted(variant, pods, state, replica) for variant in program.variants]
    shut, opened = _gates(program, wanted, state)
    return [
        *shut,
        *(line for item in wanted for line in _joins(item, state)),
        *tenant_lines(program.tenants, keys or {}, state, replica.part),
        *_program_lines(program, state, replica),
        *opened,
        *(line for item in wanted for line in _leaves(item, state)),
    ]


def server_name(pod: Pod) -> str:
    """A pod's server; the pool in front, so that the numbers of HAProxy alone make the metrics."""
    return f"{pod.pool}:{pod.name}"


def _wanted(variant: Variant, pods: Sequence[Pod], state: State, replica: Replica) -> _Wanted:
    name = backend(SERVING, variant.name)
    here = state.pods(name)
    mine = [pod for pod in pods if pod.variant == variant.name and pod.pool in variant.slots and pod.address]
    stays = {server_name(pod) for pod in mine if _may_serve(pod, here)}
    # The last pods of a queue serve it to its end, unless they are being deleted.
    if not any(row.is_up for server, row in here.items() if server in stays) and state.backends[name].queued:
        stays |= {server_name(pod) for pod in mine if not pod.leaving and _is_up(here, server_name(pod))}
    servers = {}
    for pod in sorted(mine, key=lambda pod: pod.name):
        server, whole = server_name(pod), variant.slots[pod.pool]
        limit = replica.limit(server, whole, _limit_now(pod, here.get(server)))
        if server in stays and limit:  # without a limit of its own, a server would have none at all
            servers[server] = (str(pod.address), limit, whole)
    return _Wanted(name, servers)


def _limit_now(pod: Pod, known: Counters | None) -> int | None:
    return known.limit if known is not None and known.address == pod.address and not known.in_maintenance else None


def _may_serve(pod: Pod, here: Mapping[str, Counters]) -> bool:
    """A pod joins when it is ready; once in, HAProxy's own check is closer to the truth than a slow probe."""
    if pod.draining or pod.leaving:
        return False
    known = here.get(server_name(pod))
    return pod.ready or (known is not None and known.address == pod.address and not known.in_maintenance)


def _is_up(here: Mapping[str, Counters], server: str) -> bool:
    return server in here and here[server].is_up


def _joins(wanted: _Wanted, state: State) -> list[str]:
    lines = []
    here = state.pods(wanted.backend)
    for server, (address, limit, whole) in wanted.servers.items():
        path, known = f"{wanted.backend}/{server}", here.get(server)
        if known is None:
            weight = min(whole, _MAX_WEIGHT)  # leastconn then compares load, not counts, of unequal pods
            lines.append(f"add server {path} {address} maxconn {limit} weight {weight} {_POOL} {_CHECK}")
        elif known.address != address:
            continue  # another pod by the same name: the old server has to go first
        elif known.limit != limit:
            lines.append(f"set maxconn server {path} {limit}")
        if known is None or known.in_maintenance:
            lines += [f"enable health {path}", f"enable server {path}"]
    return lines


def _leaves(wanted: _Wanted, state: State) -> list[str]:
    lines = []
    for server, known in sorted(state.pods(wanted.backend).items()):
        if wanted.servers.get(server, ("",))[0] == known.address:
            continue
        path = f"{wanted.backend}/{server}"
        if not known.in_maintenance:
            lines.append(f"set server {path} state maint")
        elif known.is_free:
            lines.append(f"del server {path}")
    return lines


def _gates(program: Program, wanted: Sequence[_Wanted], state: State) -> tuple[list[str], list[str]]:
    """Shuts and opens the `again` servers, through which a queue is routed anew.

    The queue of a variant with no share and no pod goes to whoever has a share. A queue in which requests wait
    for a variant at or above theirs empties once there is one.
    """
    active = [variant.share_percent > 0 for variant in program.variants]
    shut, opened = [], []
    for rank, (variant, item) in enumerate(zip(program.variants, wanted, strict=True)):
        here = state.pods(item.backend)
        has_pod = any(server not in here or here[server].is_up for server in item.servers)
        gates = {
            item.backend: any(active) and not active[rank] and not has_pod,
            backend(WAITING, variant.name): any(active[: rank + 1]),
        }
        for name, is_open in gates.items():
            if is_open and state.servers[name, AGAIN].in_maintenance:
                opened.append(f"set server {name}/{AGAIN} state ready")
            if not is_open and not state.servers[name, AGAIN].in_maintenance:
                shut.append(f"set server {name}/{AGAIN} state maint")
    return shut, opened


def _program_lines(program: Program, state: State, replica: Replica) -> list[str]:
    entries = {
        "model": program.model,
        "max-queued": str(replica.part(program.max_queued)),
        "shares": ",".join(map(str, program.cumulative_shares())),
        **_spill(program, state),
        "state": replica.state,  # last: from here on requests are let in
    }
    return map_lines(state.maps[PROGRAM_MAP], entries)


def _spill(program: Program, state: State) -> dict[str, str]:
    """The map's line, also once after it was switched off."""
    if program.spill_after_s is not None:
        return {"spill": spill_marks(program, state)}
    return {"spill": NEITHER * len(program.variants)} if "spill" in state.program else {}
