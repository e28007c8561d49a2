"""How the gateway's replicas divide a pod's limit, so that together they never exceed it. Pure.

Each replica writes on its own pod which division it keeps to (a Claim). It lowers its limits before it claims a
division, and raises them only when everybody who has a claim claims the same one, and its own claim is among what
it sees: of two that write at once, one sees the other. A number that grows with every change tells divisions of
equal members apart. Who has never claimed has no part. Example, a limit of 8: `a` alone has it all. `b` starts
and claims (2: a, b). `a` lowers to 4, with 6 running, and claims (2: a, b; 2 over). `b` takes 2, then 3 and 4 as
those of `a` end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from costwain.agent.gateways import Claim, Gateway

SERVING, STANDBY, LEAVING = "serving", "standby", "leaving"  # states of HAProxy's program
TOGETHER_FROM = 8  # slots of a pod: fewer are not worth dividing, one replica serves and the others stand by


@dataclass(frozen=True)
class Share:
    """One part of `count`, the first with the remainder; of no parts there is nothing."""

    rank: int = 0
    count: int = 1

    def of(self, whole: int) -> int:
        """This part of a limit; all parts add up to it.

        >>> [Share(rank, 3).of(8) for rank in range(3)]
        [3, 3, 2]
        """
        return whole // self.count + (self.rank < whole % self.count) if self.count else 0


@dataclass(frozen=True)
class Replica:
    """What this gateway may do now: its share, whether everybody agrees to it, and what the others still have of it.

    Until they agree `before` holds the share that was agreed on last and those claimed since; none where unknown.
    """

    share: Share = Share()
    agreed: bool = True
    before: tuple[Share, ...] = ()
    taken: Mapping[str, int] = field(default_factory=dict)  # server -> requests of others beyond their parts
    state: str = SERVING

    def part(self, whole: int) -> int:
        """Its part of a limit of arrivals, at least 1; who stands by would get them all."""
        return max(1, self.share.of(whole)) if self.share.count else whole

    def limit(self, server: str, whole: int, now: int | None) -> int:
        """How many requests a server may get; `now` is its present limit, None where it takes part in nothing yet."""
        mine, taken = self.share.of(whole), self.taken.get(server, 0)
        if self.agreed:
            return min(mine, max(now or 0, mine - taken))
        if now is not None:
            return min(mine, now)
        return max(0, min(mine, *(share.of(whole) for share in self.before)) - taken) if self.before else 0


@dataclass(frozen=True)
class Division:
    """The claim that this replica should write, and what it follows from the claims that it sees."""

    claim: Claim
    agreed: bool
    serves: bool
    taken: Mapping[str, int]

    def share(self, own_name: str) -> Share:
        active = self.claim.active
        return Share(active.index(own_name), len(active)) if own_name in active else Share(0, 0)


def division(own: Gateway, others: Sequence[Gateway], slots: Sequence[int], requests: int) -> Division:
    """The division as this replica sees it; `slots`: of each kind of pod, `requests`: of its own HAProxy now."""
    alive = sorted([own, *(g for g in others if g.claim is not None and not g.gone)], key=lambda g: g.name)
    claims = [g.claim for g in alive if g.claim is not None]
    front = _front(alive, min(slots, default=TOGETHER_FROM) >= TOGETHER_FROM)
    busy = requests > 0 and own.name not in front
    rest = [g.name for g in alive if g.name not in front and (busy if g is own else g.claim and g.claim.busy)]
    active = (*rest, *front)  # whoever gets no new requests has its last ones served first
    claim = Claim(_number(own.claim, claims, active), active, busy=busy)
    agreed = own.claim is not None and all(claim.same_division(c) for c in claims)
    taken: dict[str, int] = {}
    for gateway in alive:
        for server, n in gateway.claim.over.items() if gateway.claim and gateway is not own else ():
            taken[server] = taken.get(server, 0) + n
    return Division(claim, agreed, own.name in front, taken)


def _front(alive: Sequence[Gateway], together: bool) -> tuple[str, ...]:
    """Who gets new requests: all that stay, or the one that leads; it leads on while it can."""
    staying = [g for g in alive if not g.leaving]
    if together or not staying:
        return tuple(g.name for g in staying)
    able = [g.name for g in staying if g.ready] or [g.name for g in staying]
    newest = max((g.claim for g in alive if g.claim), key=lambda c: c.number, default=None)
    led = newest.active[-1] if newest and newest.active else None
    return (led if led in able else able[0],)


def _number(own: Claim | None, claims: Sequence[Claim], active: tuple[str, ...]) -> int:
    """The number of the division among `active`: that of others who see it too, else a new one."""
    newest = max((c.number for c in claims), default=0)
    if own is not None and own.active == active:
        return max(c.number for c in claims if c.active == active)
    theirs = any(c.active == active and c.number == newest for c in claims)
    return newest if theirs and newest > (own.number if own else 0) else newest + 1
