"""Server: the true speed of one replica, which the policy only knows through the capacity model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from costwain.decide.capacity import KV_SHARE_OF_OUTPUT, TTFT_FIXED_S, TTFT_PREFILLS_AHEAD
from costwain.decide.known import ENGINE_SLOTS
from costwain.decide.roofline import kv_capacity_tokens, prefill_s, resident_bytes, step_s
from costwain.decide.shapes import shape_for
from costwain.domain.hardware import Accelerator
from costwain.domain.models import ModelShape
from costwain.domain.plan import Place
from costwain.domain.snapshot import Pool
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.scenario import Scenario

_FAR_TOKENS = 1e6  # of context: there every step waits for memory
_ROUNDS = 8  # of the bisection of a batch: within half a percent of the slots


@dataclass(frozen=True)
class Server:
    """A replica of one (variant, pool); `factor` is its true speed over the capacity model's."""

    shape: ModelShape
    accelerator: Accelerator
    count: int
    factor: float
    most: int
    kv_tokens: int
    _reads: dict[int, float] = field(default_factory=dict, compare=False, repr=False)
    _steps: dict[int, tuple[float, float, float]] = field(default_factory=dict, compare=False, repr=False)

    def step_s(self, batch: float, context_tokens: float) -> float:
        """Seconds of one decode step."""
        return step_s(self.shape, self.accelerator, self.count, batch, context_tokens) / self.factor

    def prefill_s(self, tokens: float) -> float:
        """Seconds to read one prompt."""
        return prefill_s(self.shape, self.accelerator, self.count, tokens) / self.factor

    def read_s(self, tokens: int) -> float:
        """`prefill_s`, remembered: the event engine asks for the same lengths millions of times."""
        found = self._reads.get(tokens)
        if found is None:
            found = self._reads[tokens] = self.prefill_s(tokens)
        return found

    def iteration_s(self, batch: int, held_tokens: int) -> float:
        """`step_s` of so many tokens of context in sum, from a line that is remembered.

        Of a given batch a step takes a fixed time until its memory traffic, which grows by the token, takes longer.
        """
        found = self._steps.get(batch)
        if found is None:
            near, far = (self.step_s(batch, n * _FAR_TOKENS) for n in (1, 2))
            found = self._steps[batch] = (self.step_s(batch, 0.0), 2 * near - far, (far - near) / _FAR_TOKENS)
        least, fixed, each = found
        return max(least, fixed + each * held_tokens / batch)

    def weights_bytes(self) -> float:
        """What it loads at its start."""
        return resident_bytes(self.shape)

    def concurrency(self, slots: int, mean_input: float, mean_output: float) -> float:
        """Requests that it runs at once at most: the gateway's slots, the engine's own, and its KV cache."""
        held = mean_input + KV_SHARE_OF_OUTPUT * mean_output
        return max(1.0, min(slots, self.most, self.kv_tokens / max(held, 1.0)))

    def times(self, batch: float, mean_input: float, mean_output: float) -> tuple[float, float, float]:
        """(prefill of the mean prompt, time of one step, time of one token) at a steady batch, seconds."""
        prefill = self.prefill_s(mean_input)
        step = self.step_s(batch, mean_input + mean_output / 2)
        return prefill, step, step + batch * prefill / max(mean_output, 1.0)

    def per_s(self, batch: float, mean_input: float, mean_output: float) -> float:
        """Requests a second at a steady batch (Little's law)."""
        prefill, step, tpot = self.times(batch, mean_input, mean_output)
        ttft = TTFT_FIXED_S + prefill * (1 + TTFT_PREFILLS_AHEAD * batch) + step
        return batch / (ttft + mean_output * tpot)

    def batch_at(self, per_s: float, most: float, mean_input: float, mean_output: float) -> float:
        """The batch at which it serves so many requests a second, at most `most`."""
        low, high = 0.0, most
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            if self.per_s(max(middle, 1e-3), mean_input, mean_output) < per_s:
                low = middle
            else:
                high = middle
        return high


def servers(spec: ModelDeploymentSpec, pools: Mapping[str, Pool], scenario: Scenario) -> dict[Place, Server]:
    """The servers of every place that works, whatever its price."""
    found = {}
    for variant in spec.variants:
        shape = shape_for(variant)
        for placement in variant.placements:
            accelerator = pools[placement.pool].accelerator
            if shape is None or accelerator is None:
                continue
            own = scenario.pools.get(placement.pool)
            text = variant.engine.args.get("max-num-seqs", "")
            tokens = kv_capacity_tokens(shape, accelerator, placement.accelerators)
            if tokens > 0:
                found[variant.name, placement.pool] = Server(
                    shape=shape,
                    accelerator=accelerator,
                    count=placement.accelerators,
                    factor=own.capacity_factor if own is not None else 1.0,
                    most=max(1, int(text)) if text.isdecimal() else ENGINE_SLOTS,
                    kv_tokens=tokens,
                )
    return found
