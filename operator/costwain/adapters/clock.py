"""Fleet time: wall time, or wall time run faster so that a budget window passes in a minute."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "COSTWAIN_CLOCK"


@dataclass(frozen=True)
class Clock:
    """Maps wall seconds to fleet seconds; both agree at the anchor.

    Units: unix seconds; `factor` is fleet seconds per wall second, > 0.

    >>> Clock(factor=60, anchor_s=1000).fleet_s(1001)
    1060
    """

    factor: float = 1
    anchor_s: float = 0

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Clock":
        """Reads `COSTWAIN_CLOCK`, written `<factor>@<anchor>`; raises ValueError on anything else."""
        text = env.get(VARIABLE, "")
        if not text:
            return cls()
        factor, _, anchor = text.partition("@")
        try:
            clock = cls(float(factor), float(anchor))
        except ValueError:
            raise ValueError(f"{VARIABLE}: want <factor>@<anchor in unix seconds>, found {text!r}") from None
        if clock.factor <= 0:
            raise ValueError(f"{VARIABLE}: the factor must be positive, found {text!r}")
        return clock

    def to_env(self) -> dict[str, str]:
        """The environment that gives a child process the same clock."""
        return {} if self.factor == 1 else {VARIABLE: f"{self.factor:g}@{self.anchor_s:.3f}"}

    def now_s(self) -> float:
        """Fleet time now, in unix seconds."""
        return self.fleet_s(time.time())

    def fleet_s(self, wall_s: float) -> float:
        """Fleet time at a wall instant, such as a Kubernetes timestamp."""
        return wall_s if self.factor == 1 else self.anchor_s + (wall_s - self.anchor_s) * self.factor

    def wall_duration_s(self, fleet_duration_s: float) -> float:
        """Wall seconds that pass while so many fleet seconds do."""
        return fleet_duration_s / self.factor
