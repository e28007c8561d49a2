"""Options: what each rung could run on, what that carries and what it costs, or why it can't."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from costwain.decide.capacity import DoesNotFit, RequestShape, Slo, capacity
from costwain.decide.learning import scalar_of
from costwain.decide.promise import load_of
from costwain.decide.roofline import resident_bytes
from costwain.decide.shapes import shape_for
from costwain.domain.models import ModelShape
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Pool, State
from costwain.domain.spec import Gate, Swap
from costwain.domain.variant import PlacementSpec, Variant

LOAD_BYTES_PER_S = 1.5e9  # weights from a node's disk or a near store
ENGINE_SLOTS = 256  # max-num-seqs of vLLM where the user names none
COMPILE_S = 60.0  # imports, graph capture and warm-up of vLLM


@dataclass(frozen=True)
class Option:
    """One (variant, pool) that would work.

    `per_s` requests a second and `hourly_micro` micro-dollars an hour, of one replica. `most` replicas if the
    fleet moved everything it has on this pool here, `most_now` while its other variants stay.
    """

    place: Place
    per_s: float
    slots: int
    hourly_micro: int
    accelerators: int
    most: int
    most_now: int
    start_s: float


@dataclass(frozen=True)
class Rung:
    """One variant with its options; `barred` says why it must not serve, whatever it costs."""

    variant: Variant
    options: tuple[Option, ...]
    barred: Why | None
    problems: tuple[Why, ...]

    @property
    def name(self) -> str:
        return self.variant.name

    @property
    def start_s(self) -> float:
        """Seconds that its slowest option takes to start."""
        return max((option.start_s for option in self.options), default=COMPILE_S)


def ladder(fleet: Fleet, pools: Mapping[str, Pool], request: RequestShape, now_s: float) -> tuple[Rung, ...]:
    """Every rung, best first, with what it could run on and what bars it."""
    return tuple(_rung(fleet, variant, pools, (request, now_s)) for variant in fleet.spec.variants)


def _rung(fleet: Fleet, variant: Variant, pools: Mapping[str, Pool], at: tuple[RequestShape, float]) -> Rung:
    barred = _barred(fleet.spec.swap, variant, fleet.spec.variants[0])
    broken = fleet.broken.get(variant.name)
    if broken is not None:
        return Rung(variant, (), barred, (Why("InvalidEngine", f"{variant.name}: {broken}"),))
    try:
        shape = shape_for(variant)
    except ValueError as error:
        return Rung(variant, (), barred, (Why("InvalidShape", f"{variant.name}: {error}"),))
    if shape is None:
        sentence = f"{variant.name}: {variant.model.uri} isn't in the table of known models, give its shape"
        return Rung(variant, (), barred, (Why("UnknownModel", sentence),))
    found = [_option(fleet, variant, shape, _Offer(p, pools.get(p.pool), *at)) for p in variant.placements]
    options = tuple(x for x in found if isinstance(x, Option))
    return Rung(variant, options, barred, tuple(x for x in found if isinstance(x, Why)))


@dataclass(frozen=True)
class _Offer:
    placement: PlacementSpec
    pool: Pool | None
    request: RequestShape
    now_s: float


def _option(fleet: Fleet, variant: Variant, shape: ModelShape, offer: _Offer) -> Option | Why:
    """The option, or the problem that only a person can mend."""
    placement, pool = offer.placement, offer.pool
    if pool is None:
        return Why("UnknownPool", f"{variant.name}: there is no AcceleratorPool {placement.pool!r}")
    if pool.accelerator is None:
        sentence = (
            f"pool {pool.name}: accelerator {pool.spec.accelerator!r} isn't in the hardware table, give its figures"
        )
        return Why("UnknownAccelerator", sentence)
    if pool.hourly_micro is None:
        return Why("PriceUnknown", f"pool {pool.name}: no price, so {variant.name} is not placed there")
    place = (variant.name, pool.name)
    speed = scalar_of(fleet.memory, place)
    slo = Slo(  # what takes 1/speed of the prior's time must be done in speed of the time by the prior
        fleet.spec.slo.time_to_first_token_milliseconds / 1000 * speed,
        fleet.spec.slo.time_per_output_token_milliseconds / 1000 * speed,
        fleet.spec.slo.percentile / 100,
    )
    carries = capacity(shape, pool.accelerator, placement.accelerators, offer.request, slo)
    if isinstance(carries, DoesNotFit):
        return Why("DoesNotFit", f"{variant.name} on {pool.name}: {carries.sentence}")
    ceiling = placement.max_replicas if placement.max_replicas is not None else fleet.spec.scaling.max_replicas
    here = fleet.accelerators.get(place, 0)
    most = min(ceiling, (pool.free + fleet.held(pool.name)) // placement.accelerators)
    most_now = min(ceiling, (pool.free + here) // placement.accelerators)
    if _refused(fleet, pool.name, offer.now_s):
        most = most_now = min(most_now, sum(r.place == place and r.state is not State.PENDING for r in fleet.alive))
    return Option(
        place=place,
        per_s=carries.requests_per_s * speed * load_of(fleet.memory, variant.name),
        slots=min(carries.concurrency, _engine_slots(variant)),
        hourly_micro=pool.hourly_micro * placement.accelerators,
        accelerators=placement.accelerators,
        most=most,
        most_now=most_now,
        start_s=(pool.spec.provisioning_seconds or 0) + resident_bytes(shape) / LOAD_BYTES_PER_S + COMPILE_S,
    )


def _engine_slots(variant: Variant) -> int:
    """Requests that the engine takes at once; an argument that is no number is reported elsewhere."""
    text = variant.engine.args.get("max-num-seqs", "")
    return max(1, int(text)) if text.isdecimal() else ENGINE_SLOTS


def _refused(fleet: Fleet, pool: str, now_s: float) -> bool:
    return any(refusal.pool == pool and refusal.until_s > now_s for refusal in fleet.memory.refusals)


def _barred(swap: Swap, variant: Variant, best: Variant) -> Why | None:
    """Why the swap's rules keep a variant from serving, or None."""
    if swap.mode == "Manual":
        return None if variant.name == swap.variant else Why("NotChosen", f"swap.variant is {swap.variant}")
    if swap.mode == "Off":
        return None if variant.name == best.name else Why("SwapOff", "swap.mode is Off: the best variant serves")
    if swap.min_quality is not None and Decimal(variant.quality) < Decimal(swap.min_quality):
        return Why("BelowMinQuality", f"quality {variant.quality} is below minQuality {swap.min_quality}")
    if swap.allowed_licenses and variant.license not in swap.allowed_licenses:
        return Why("LicenseNotAllowed", f"licence {variant.license or 'unknown'} is not in allowedLicenses")
    return next((why for gate in swap.gates if (why := _gate(gate, variant, best))), None)


def _gate(gate: Gate, variant: Variant, best: Variant) -> Why | None:
    score = variant.evaluations.get(gate.evaluation)
    if score is None:
        return Why("GateFailed", f"no score for {gate.evaluation}, and the gate needs one")
    if gate.min is not None and Decimal(score) < Decimal(gate.min):
        return Why("GateFailed", f"{gate.evaluation} {score} is below {gate.min}")
    top = best.evaluations.get(gate.evaluation)
    if gate.max_drop is not None and top is None:
        return Why("GateFailed", f"no score of {best.name} for {gate.evaluation}, and the gate compares with it")
    if gate.max_drop is not None and top is not None and Decimal(top) - Decimal(score) > Decimal(gate.max_drop):
        return Why("GateFailed", f"{gate.evaluation} {score} is more than {gate.max_drop} below {best.name}'s {top}")
    return None
