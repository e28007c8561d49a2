"""What the world asks of an engine, whether it counts requests one by one or as a fluid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from costwain.decide.capacity import Slo
from costwain.domain.plan import Place
from costwain.domain.snapshot import Load, Work
from costwain.sim.batches import Batch
from costwain.sim.pods import Pod
from costwain.sim.server import Server
from costwain.sim.tally import Tally


@dataclass(frozen=True)
class Terms:
    """What stays the same in a run: servers by place, the SLO, the gateway's limits, and where to count.

    `lengths`: how many times the trace's tokens an answer really has, by variant; 1 where nothing is said.
    """

    servers: Mapping[Place, Server]
    slo: Slo
    queue_timeout_s: float
    most_queued: int
    tally: Tally
    lengths: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """One turn at the gateway: the pods, the shares of the traffic in percent, and the slots a pod by place."""

    start_s: float
    end_s: float
    pods: Sequence[Pod]
    shares: Mapping[str, int]
    slots: Mapping[Place, int]


class Engine(Protocol):
    """Serves what arrives, and counts in the terms' tally what became of it."""

    def serve(self, batch: Batch, scene: Scene) -> Load:
        """Passes one turn; what the gateway and the engines report at its end."""
        ...

    def work(self, pod: Pod) -> Work | None:
        """What a pod did in the last turn, as its own metrics would tell; None where that isn't known."""
        ...

    def is_free(self, pod: Pod, now_s: float) -> bool:
        """Whether a draining pod has given its last answer."""
        ...

    def finish(self) -> None:
        """Counts what still waits as lost."""
        ...
