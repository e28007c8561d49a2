"""Demand: how many requests a second the fleet must be able to serve, and what they look like."""

import math
from dataclasses import dataclass

from costwain.decide.capacity import RequestShape
from costwain.decide.lengths import HOURS_S, plain
from costwain.decide.season import observe_season, rise
from costwain.decide.smoothing import FAST_S, SLOW_S, ewma, honest, is_busy, on_grid, taken_in
from costwain.domain.memory import Demand, Memory, Peak, Season
from costwain.domain.snapshot import Fleet, Load

BURST_SIGMAS = 3.0  # what a burst may be above the level without making a queue
BURST_TTFT_S = 6.0  # where the first token is due this soon; where it may come later, a burst waits: less in proportion
ROUNDED = 0.5  # of a replica is there for bursts anyhow, on average, since there are only whole ones
HELD = 1.0  # replicas above what came that are held with it: in a small fleet a step less is a flap, in a large one not
SERVED_S = 60.0  # for which a replica that was bought for a forecast has served before that forecast is given up
LEAD = 0.75  # of what a rise that is under way would bring while a replica starts, if it went on in a straight line
SLICES = 16  # of the stabilisation window; the newest slice is the running one
FIRST_GUESS = RequestShape(512, 128)  # until answers were measured; a chat turn, and the gateway corrects it soon


@dataclass(frozen=True)
class Replica:
    """What one replica of the best variant takes to start (seconds), and carries at today's mean request."""

    start_s: float
    per_s: float


@dataclass(frozen=True)
class Forecast:
    """Requests a second now and at their highest within the stabilisation window; idle: long without any.

    Both hold what a queue and bursts ask for; `arriving_per_s` is what comes, and so what must be carried to stay.
    """

    now_per_s: float
    stable_per_s: float
    idle: bool
    arriving_per_s: float = math.inf


def observe_demand(fleet: Fleet, now_s: float) -> Memory:
    """Memory with this turn's readings worked in; without readings it stays as it is."""
    if fleet.load is None:
        return fleet.memory
    load = plain(honest(fleet.load), fleet)
    return fleet.memory.model_copy(
        update={
            "demand": taken_in(fleet.memory.demand, load, now_s),
            "season": _seasoned(fleet.memory, load, now_s),
            "busy_at_s": now_s - load.quiet_s if is_busy(load) else fleet.memory.busy_at_s,
        }
    )


def request_shape(memory: Memory) -> RequestShape:
    """The mean request of a variant of length 1 as measured, else a first guess."""
    return _shape(memory.demand)


def usual_shape(memory: Memory) -> RequestShape:
    """The mean request of the last hours, else that of now."""
    season = memory.season
    return request_shape(memory) if season is None or not season.output_tokens else _shape(season)


def _shape(seen: Demand | Season | None) -> RequestShape:
    if seen is None or not seen.input_tokens or not seen.output_tokens:
        return FIRST_GUESS
    return RequestShape(on_grid(seen.input_tokens), on_grid(seen.output_tokens))


def forecast(fleet: Fleet, memory: Memory, now_s: float, replica: Replica) -> tuple[Forecast, Memory]:
    """Demand now and at its highest within the stabilisation window, and the memory with that peak in it.

    Bursts that the load has had and a rise that is under way add to it. A queue adds the work of emptying it within
    its target, but not faster than a replica can start: what is bought for the queue arrives no sooner, and
    the arrivals alone size the fleet after that.
    """
    scaling = fleet.spec.scaling
    window_s = scaling.scale_down_stabilization_seconds
    ttft_s = fleet.spec.slo.time_to_first_token_milliseconds / 1000
    expected = _with_bursts(memory.demand, ttft_s, replica) if memory.demand else 0.0
    if memory.demand:  # what usually comes while a replica starts
        expected = max(expected, memory.demand.slow_per_s * rise(memory, now_s, now_s + replica.start_s))
    waiting = fleet.load.waiting if fleet.load else 0
    needed = expected + waiting / max(scaling.target_queue_seconds, replica.start_s)
    peaks = memory.peaks
    if fleet.load:
        came = memory.demand.slow_per_s if memory.demand else 0.0
        highest = max(needed, _highest(memory.demand, fleet.load, ttft_s, replica))
        newest = Peak(at_s=now_s, replicas=highest / replica.per_s, came=came / replica.per_s)
        peaks = _with_peak(peaks, newest, window_s)
    quiet_s = now_s - (memory.busy_at_s if memory.busy_at_s is not None else -math.inf)
    found = Forecast(
        now_per_s=needed,
        stable_per_s=max(needed, _held(peaks, now_s - replica.start_s - SERVED_S) * replica.per_s),
        idle=quiet_s > 0 and quiet_s >= scaling.scale_to_zero_after_seconds,
        arriving_per_s=max(memory.demand.fast_per_s, memory.demand.slow_per_s) if memory.demand else 0.0,
    )
    return found, memory.model_copy(update={"peaks": peaks})


def _highest(demand: Demand | None, load: Load, ttft_s: float, replica: Replica) -> float:
    """The same at its highest in turns before this one that no memory took in."""
    if demand is None or load.highest_per_s <= demand.fast_per_s:
        return 0.0
    return _with_bursts(demand.model_copy(update={"fast_per_s": load.highest_per_s}), ttft_s, replica)


def _with_bursts(demand: Demand, ttft_s: float, replica: Replica) -> float:
    """The level with the bursts that it has had, or where the rise that is on leads, whichever is more.

    A straight rise is as far above the slow mean as it brings in the difference of the two means' ages.
    """
    above = max(0.0, demand.fast_per_s - demand.slow_per_s)
    lead = lead_of(replica.start_s)
    sigmas = BURST_SIGMAS * min(1.0, BURST_TTFT_S / ttft_s)
    room = max(0.0, sigmas * math.sqrt(demand.variance) - ROUNDED * replica.per_s)
    return max(demand.fast_per_s + lead * above, demand.slow_per_s + room)


def lead_of(start_s: float) -> float:
    """By how many times what the fast mean is above the slow one it is to be outrun, seconds from a start on."""
    return LEAD * (start_s + FAST_S) / (SLOW_S - FAST_S)


def _held(peaks: list[Peak], since_s: float) -> float:
    """Replicas that are held for the window's peaks: for what came, one more, and forecasts as long as they are young.

    A rise or a burst that was feared and didn't come holds nothing beyond that.
    """
    came = max((_came(p) for p in peaks), default=0.0)
    feared = max((p.replicas for p in peaks), default=0.0)
    # Of a long window the running slice began long ago, and all of it counts as young.
    young = max((p.replicas for p in peaks if p.at_s >= since_s or p is peaks[-1]), default=0.0)
    return max(young, min(feared, came + HELD))


def _seasoned(memory: Memory, load: Load, now_s: float) -> Season | None:
    if load.arrivals_per_s is None:
        return memory.season
    elapsed_s = max(0.0, now_s - memory.demand.at_s) if memory.demand else 0.0
    season = observe_season(memory.season, load.arrivals_per_s, elapsed_s, now_s)
    tokens = {
        "input_tokens": _mean(season.input_tokens, load.input_tokens, elapsed_s),
        "output_tokens": _mean(season.output_tokens, load.output_tokens, elapsed_s),
    }
    return season.model_copy(update=tokens)


def _mean(before: float | None, value: float | None, elapsed_s: float) -> float | None:
    if before is None or value is None:
        return value if before is None else before
    return ewma(before, value, elapsed_s / HOURS_S)


def _with_peak(peaks: list[Peak], newest: Peak, window_s: float) -> list[Peak]:
    """The window's slices with what was just seen in the running one."""
    slice_s = max(window_s / SLICES, 1.0)
    start_s = math.floor(newest.at_s / slice_s) * slice_s
    kept = [p for p in peaks if p.at_s >= newest.at_s - window_s - slice_s and p.at_s < start_s]
    slice_peaks = [newest, *(p for p in peaks if p.at_s == start_s)]
    replicas, came = max(p.replicas for p in slice_peaks), max(_came(p) for p in slice_peaks)
    return [*kept, Peak(at_s=start_s, replicas=replicas, came=came)][-32:]


def _came(peak: Peak) -> float:
    """Replicas for what came; where nobody noted that, for what was feared."""
    return peak.replicas if peak.came is None else peak.came
