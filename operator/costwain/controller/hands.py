"""What act works with."""

from dataclasses import dataclass, field

from costwain.adapters.clock import Clock
from costwain.adapters.kube import Kube
from costwain.controller.apply import Applier
from costwain.controller.cache import Cache, Key
from costwain.controller.load import Loads
from costwain.controller.settings import Settings
from costwain.controller.statuses import Statuses


@dataclass(frozen=True)
class Hands:
    """The ways to the cluster. `tidied`: the Services a variant of which a fleet was seen to have no others."""

    kube: Kube
    cache: Cache
    clock: Clock
    settings: Settings
    applier: Applier
    statuses: Statuses
    loads: Loads
    tidied: dict[Key, frozenset[str]] = field(default_factory=dict)
