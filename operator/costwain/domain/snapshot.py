"""Snapshot: all that a decision may see. Frozen values; what could not be read is None, never zero."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from costwain.domain.figures import Figures, figures_of
from costwain.domain.hardware import Accelerator
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.once import changed, lazy
from costwain.domain.pool import AcceleratorPoolSpec, InferenceBudgetSpec
from costwain.domain.spec import ModelDeploymentSpec


class State(Enum):
    """Where a model pod stands on its way through life."""

    PENDING = "pending"  # no node yet: costs nothing
    STARTING = "starting"  # on a node and on the bill, not yet serving
    READY = "ready"  # gets traffic
    DRAINING = "draining"  # asked to go, may still answer
    DRAINED = "drained"  # the gateway has let go of it
    TERMINATING = "terminating"  # deleted, not yet gone, still on the bill


@dataclass(frozen=True)
class Work:
    """What a pod did between two readings of its metrics, `over_s` apart, the later at `at_s` (fleet seconds).

    Requests that ran at either reading; tokens of answers a second in between. `readings`: of how many such stretches
    it is the mean, one after the other.
    """

    at_s: float
    over_s: float
    running_before: float
    running: float
    tokens_per_s: float
    readings: int = 1

    @property
    def batch(self) -> float:
        """Requests that ran at a time."""
        return (self.running_before + self.running) / 2


@dataclass(frozen=True)
class Replica:
    """One model pod; instants in fleet seconds, `bound_s` None while it has no node, `work` None while unknown."""

    pod: str
    uid: str
    variant: str
    pool: str
    state: State
    since_s: float
    accelerators: int = 1
    bound_s: float | None = None
    work: Work | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Its (variant, pool)."""
        return self.variant, self.pool


@dataclass(frozen=True)
class Pool:
    """A pool as it stands. `accelerator` None: not in the hardware table and no figures given.

    `total` accelerators that may be used (nodes, or the ceiling where an autoscaler adds nodes); `used` of
    them are held by pods of anybody. `hourly_micro` per accelerator; None: no price, so it is not used.
    """

    name: str
    spec: AcceleratorPoolSpec
    accelerator: Accelerator | None
    total: int
    used: int
    hourly_micro: int | None

    @property
    def free(self) -> int:
        return max(0, self.total - self.used)

    @lazy
    def figures(self) -> Figures:
        """What of it is the same whoever uses it."""
        asked = (self.spec.accelerator, self.spec.provisioning_seconds or 0, self.spec.capacity_type == "Spot")
        return figures_of(asked, self.accelerator, self.hourly_micro)


@dataclass(frozen=True)
class Answers:
    """Answers since the last turn, `tokens` in all; `times`: (seconds, how many took that a token at most)."""

    count: float
    times: tuple[tuple[float, float], ...]
    tokens: float | None = None

    def within(self, bound_s: float) -> float:
        """How many were within a bound; between two known ones their number is taken to grow evenly."""
        if not self.times:  # unknown is not late
            return self.count
        below = max((t for t in self.times if t[0] <= bound_s), default=(0.0, 0.0))
        above = min((t for t in self.times if t[0] >= bound_s), default=None)
        if above is None or above[0] == below[0]:
            return below[1]
        return below[1] + (above[1] - below[1]) * (bound_s - below[0]) / (above[0] - below[0])

    def __add__(self, other: "Answers") -> "Answers":
        """Those of two engines of one kind."""
        bounds = sorted({bound_s for bound_s, _ in (*self.times, *other.times)})
        times = tuple((bound_s, self.within(bound_s) + other.within(bound_s)) for bound_s in bounds)
        tokens = None if self.tokens is None or other.tokens is None else self.tokens + other.tokens
        return Answers(self.count + other.count, times, tokens)


@dataclass(frozen=True)
class Load:
    """What the gateway and the engines report.

    `arrivals_per_s` since the last turn, None on the first one. `queued` and `running` requests by variant, exact
    at the gateway. Mean tokens of the requests that ended since the last turn; tokens (in and out) a second.
    `answers` since the last turn by variant, of engines that tell. `api_keys` that the gateway lets in, None where it
    lets everybody in or doesn't say.
    Of turns before it that no memory took in: rates and means go back to them, `earlier` are their answers; the fast
    mean is `fast_per_s` by now and was `highest_per_s` at most; no request came for `quiet_s`.
    """

    arrivals_per_s: float | None
    queued: Mapping[str, int]
    running: Mapping[str, int]
    input_tokens: float | None = None
    output_tokens: float | None = None
    tokens_per_s: float | None = None
    answers: Mapping[str, Answers] = field(default_factory=dict)
    api_keys: int | None = None
    earlier: Mapping[str, Answers] = field(default_factory=dict)
    fast_per_s: float | None = None
    highest_per_s: float = 0.0
    quiet_s: float = 0.0

    @property
    def waiting(self) -> int:
        return sum(self.queued.values())

    @property
    def active(self) -> int:
        return sum(self.running.values())


@dataclass(frozen=True)
class Fleet:
    """One ModelDeployment: its wish, its pods, its load, its bill and what earlier decisions remember.

    `load` None: nothing could be read, so hold. `deployed`: replicas now asked for by (variant, pool).
    `broken`: why a variant can't be started at all, by variant (such as an unknown engine argument).
    """

    namespace: str
    name: str
    uid: str
    generation: int
    spec: ModelDeploymentSpec
    load: Load | None = None
    replicas: tuple[Replica, ...] = ()
    deployed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ledger: SpendLedgerSpec = field(default_factory=SpendLedgerSpec)
    memory: Memory = field(default_factory=Memory)
    broken: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def remembering(self, memory: Memory) -> "Fleet":
        """The same fleet with another memory."""
        return changed(self, memory=memory)

    @lazy
    def alive(self) -> tuple[Replica, ...]:
        """Replicas that nobody has deleted."""
        gone = State.TERMINATING
        return tuple(r for r in self.replicas if r.state is not gone)

    @lazy
    def ready(self) -> tuple[Replica, ...]:
        """Replicas that get traffic."""
        serves = State.READY
        return tuple(r for r in self.replicas if r.state is serves)

    @lazy
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Living replicas by (variant, pool)."""
        found: dict[tuple[str, str], int] = {}
        for r in self.alive:
            found[r.place] = found.get(r.place, 0) + 1
        return found

    @lazy
    def by_variant(self) -> Mapping[str, Mapping[tuple[str, str], int]]:
        """The same by variant."""
        found: dict[str, dict[tuple[str, str], int]] = {}
        for place, n in self.counts.items():
            found.setdefault(place[0], {})[place] = n
        return found

    @lazy
    def accelerators(self) -> Mapping[tuple[str, str], int]:
        """Accelerators that living replicas hold or claim, by (variant, pool)."""
        found: dict[tuple[str, str], int] = {}
        for r in self.alive:
            found[r.place] = found.get(r.place, 0) + r.accelerators
        return found

    def held(self, pool: str) -> int:
        """Accelerators of a pool that this fleet's living replicas hold or claim."""
        return sum(n for place, n in self.accelerators.items() if place[1] == pool)


@dataclass(frozen=True)
class SharedBudget:
    """One InferenceBudget as administrators wrote it."""

    name: str
    spec: InferenceBudgetSpec


@dataclass(frozen=True)
class Undecided:
    """The bill of a fleet on which nobody decides: it is deleted, or (`stays`) its spec can't be used."""

    namespace: str
    name: str
    ledger: SpendLedgerSpec
    stays: bool = False


@dataclass(frozen=True)
class Snapshot:
    """The whole fleet at one instant (`now_s`, fleet seconds); bills of others count in shared budgets."""

    now_s: float
    fleets: tuple[Fleet, ...]
    pools: Mapping[str, Pool]
    budgets: tuple[SharedBudget, ...] = ()
    undecided: tuple[Undecided, ...] = ()
