"""This replica among the gateway's replicas: what it may do now, and what it has to say about it."""

from collections.abc import Iterable
from typing import Any

from costwain.agent.division import LEAVING, SERVING, STANDBY, Division, Replica, Share, division
from costwain.agent.gateways import Claim, Gateway, gateway_of
from costwain.agent.haproxy import State
from costwain.agent.marks import Mark
from costwain.agent.program import Program
from costwain.domain import names
from costwain.render.haproxy import SERVING as BACKEND
from costwain.render.haproxy import backend

# A replica that the cluster calls dead may still have an agent, which hears of the new division within this time.
HEARSAY_S = 1.0


class Membership:
    """Remembers the share that everybody agreed on last and those claimed since, and since when it claims the last."""

    def __init__(self, own_name: str) -> None:
        self._own = Gateway(own_name, ready=False, leaving=False)
        self._others: list[Gateway] = []
        self._before: tuple[Share, ...] = ()
        self._claimed: Claim | None = None
        self._claimed_at_s = 0.0
        self._waits = False

    def see(self, pods: Iterable[dict[str, Any]]) -> None:
        """Takes in the fleet's pods, as the API server has told them."""
        found = [gateway for gateway in map(gateway_of, pods) if gateway is not None]
        name = self._own.name
        self._own = next((g for g in found if g.name == name), Gateway(name, ready=False, leaving=False))
        self._others = [g for g in found if g.name != name]

    @property
    def leaving(self) -> bool:
        """Whether this replica's pod is being deleted."""
        return self._own.leaving

    @property
    def live(self) -> tuple[str, ...]:
        """Replicas that may send pods requests, this one included."""
        others = (g.name for g in self._others if g.claim is not None and not g.gone)
        return tuple(sorted((self._own.name, *others)))

    def replica(self, program: Program, state: State, now_s: float) -> Replica | None:
        """What this replica may do at an instant (monotonic); None where its HAProxy has to wait for the others."""
        found = self._division(program, state)
        own, starts = self._own.claim, state.program.get("state") == "starting"
        if own is not None and not (self._claimed and own.same_division(self._claimed)):
            self._claimed, self._claimed_at_s = own, now_s
        heard = now_s - self._claimed_at_s >= HEARSAY_S or not any(g.gone and g.claim for g in self._others)
        agreed, share = found.agreed and heard, found.share(self._own.name)
        self._waits = found.agreed and not heard
        if agreed:
            self._before = (share,)
        elif starts:  # who was taken for dead has no part any more
            self._before = ()
            return None
        elif self._before and share not in self._before:
            self._before = (*self._before, share)
        word = LEAVING if self.leaving else SERVING if found.serves else STANDBY
        return Replica(share, agreed, self._before, found.taken, word)

    def mark(self, program: Program, state: State) -> Mark | None:
        """What this replica's pod should say, after HAProxy was told; None where it says so already."""
        found = self._division(program, state)
        over = _over(program, state, found.share(self._own.name))
        claim = Claim(found.claim.number, found.claim.active, over, found.claim.busy)
        if claim == self._own.claim and found.serves == self._own.serves:
            return None
        labels = {names.GATEWAY_SERVES: "true" if found.serves else None}
        return Mark(self._own.name, None, {"annotations": {names.GATEWAY_CLAIM: claim.text}, "labels": labels})

    @property
    def settling(self) -> bool:
        """Whether something is due that no change of a pod announces."""
        return self._waits or bool(self._own.claim and self._own.claim.over)

    def _division(self, program: Program, state: State) -> Division:
        slots = [n for variant in program.variants for n in variant.slots.values()]
        return division(self._own, self._others, slots, state.busy)


def _over(program: Program, state: State, share: Share) -> dict[str, int]:
    """By how much each server exceeds this replica's part: what it runs, or could still be sent."""
    over = {}
    for variant in program.on_ladder(state.ladder).variants:
        for server, row in state.pods(backend(BACKEND, variant.name)).items():
            mine = share.of(variant.slots.get(server.partition(":")[0], 0))
            beyond = max(row.sessions, 0 if row.in_maintenance else row.limit) - mine
            if beyond > 0:
                over[server] = beyond
    return over
