"""Arrivals cut into the simulation's turns, with what the engines need of each cut worked out once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from costwain.sim.arrival import MOST_S, Arrival, TraceError, check_listed


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests of one turn; tokens. `count` of them; `arrivals` and `inputs` are a sample where they were drawn as one.

    `long_output` is their 95th percentile, `outputs` five even quantiles.

    `input_spread` is the mean square of the prompts over the square of their mean: 1 where all are alike.
    """

    count: int
    arrivals: tuple[Arrival, ...]
    inputs: tuple[int, ...]
    mean_input: float
    mean_output: float
    long_output: float
    outputs: tuple[int, ...]
    input_spread: float

    def longer(self, length: float) -> "Batch":
        """The same requests, to which answers are so many times as long; a token is the least."""
        if length == 1.0:
            return self
        return replace(
            self,
            mean_output=max(1.0, self.mean_output * length),
            long_output=max(1.0, self.long_output * length),
            outputs=tuple(max(1, round(n * length)) for n in self.outputs),
        )

    @property
    def tokens(self) -> float:
        """Tokens of the mean request, in and out."""
        return self.mean_input + self.mean_output


NOTHING = Batch(0, (), (), 0.0, 0.0, 0.0, (), 1.0)
OUTPUT_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)


def batches(arrivals: Iterable[Arrival], turn_s: float) -> list[Batch]:
    """One batch a turn from the trace's start to its last arrival; raises TraceError on too many, or one years away."""
    cut: list[list[Arrival]] = []
    for n, arrival in enumerate(arrivals):
        check_listed(n, "trace")
        check_length(arrival.t_s)
        at = int(arrival.t_s // turn_s)
        while len(cut) <= at:
            cut.append([])
        cut[at].append(arrival)
    return [_batch(each) for each in cut]


def check_length(t_s: float) -> None:
    """Raises TraceError where a request comes so late that simulating every turn until then has no end."""
    if t_s > MOST_S:
        raise TraceError("trace", f"want at most {MOST_S / 86400:g} days of requests", f"one at {t_s:g} s")


def _batch(arrivals: list[Arrival]) -> Batch:
    if not arrivals:
        return NOTHING
    n = len(arrivals)
    outputs = sorted(a.output_tokens for a in arrivals)
    mean_input = sum(a.input_tokens for a in arrivals) / n
    return Batch(
        count=n,
        arrivals=tuple(arrivals),
        inputs=tuple(sorted(a.input_tokens for a in arrivals)),
        mean_input=mean_input,
        mean_output=sum(outputs) / n,
        long_output=outputs[int(0.95 * (n - 1))],
        outputs=tuple(outputs[round(q * (n - 1))] for q in OUTPUT_QUANTILES),
        input_spread=sum(a.input_tokens**2 for a in arrivals) / n / mean_input**2,
    )
