"""Market: what the providers of a scenario's pools do: prices, stock-outs, cold starts, nodes that are taken back."""

import math
import random
from collections.abc import Mapping
from dataclasses import replace

from costwain.domain.money import micro_of
from costwain.domain.plan import Place
from costwain.domain.snapshot import Pool
from costwain.sim.scenario import ColdStart, PoolScenario, Scenario, StockOut
from costwain.sim.server import Server

_DAY_S = 86400.0
_PLAIN = PoolScenario.model_validate({})


class Market:
    """The scenario's pools over time; `seed` decides cold starts and losses."""

    def __init__(
        self, scenario: Scenario, pools: Mapping[str, Pool], servers: Mapping[Place, Server], seed: int | str
    ) -> None:
        self._scenario, self._pools, self._servers = scenario, pools, servers
        self._draw = random.Random(f"market/{seed}")  # noqa: S311
        self._zero_s = scenario.start_s

    def pools(self, now_s: float) -> dict[str, Pool]:
        """The pools with the prices of an instant, nobody on them."""
        return {name: replace(pool, hourly_micro=self._price(name, now_s)) for name, pool in self._pools.items()}

    def _of(self, pool: str) -> PoolScenario:
        return self._scenario.pools.get(pool, _PLAIN)

    def _price(self, pool: str, now_s: float) -> int | None:
        past = [p for p in self._of(pool).prices if p.at_seconds <= now_s - self._zero_s]
        if not past:
            return self._pools[pool].hourly_micro
        return micro_of(max(past, key=lambda p: p.at_seconds).amount)

    def _is_out(self, out: StockOut, pool: str, t_s: float) -> bool:
        """Whoever takes nodes back gives none from its warning on."""
        early_s = self.notice_s(pool) if out.reclaims else 0.0
        return out.from_seconds - early_s <= t_s < out.until_seconds

    def gives(self, pool: str, now_s: float) -> bool:
        """Whether the pool gives nodes."""
        return not any(self._is_out(out, pool, now_s - self._zero_s) for out in self._of(pool).stock_outs)

    def gives_since_s(self, pool: str, now_s: float) -> float:
        """Since when it does so, in fleet seconds."""
        ended = [s.until_seconds for s in self._of(pool).stock_outs if s.until_seconds <= now_s - self._zero_s]
        return self._zero_s + max(ended, default=-math.inf)

    def reclaimed_s(self, pool: str, bound_s: float) -> float:
        """When a stock-out takes back a node that was given at an instant; infinity for never."""
        starts = [s.from_seconds + self._zero_s for s in self._of(pool).stock_outs if s.reclaims]
        return min((at_s for at_s in starts if at_s >= bound_s), default=math.inf)

    def notice_s(self, pool: str) -> float:
        """Warning before a node is taken back."""
        return self._of(pool).notice_seconds

    def lives_s(self, pool: str) -> float:
        """How long a new node stays; a loss is as likely at any time (exponential)."""
        rate = self._of(pool).losses_per_day
        return self._draw.expovariate(rate / _DAY_S) if rate else math.inf

    def cold_start_s(self, place: Place) -> tuple[float, float]:
        """(wait for the node, from the node to the first answer) of a new pod, drawn once a pod."""
        start: ColdStart = self._scenario.cold_start_of(place[1])
        factor = self._draw.lognormvariate(0.0, start.spread) if start.spread else 1.0
        node_s = start.node_seconds
        if node_s is None:
            node_s = float(self._pools[place[1]].spec.provisioning_seconds or 0)
        server = self._servers.get(place)
        load_s = server.weights_bytes() / start.load_bytes_per_second if server else 0.0
        return node_s * factor, (start.image_seconds + load_s + start.compile_seconds) * factor
