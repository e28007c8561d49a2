"""Known: what a spec says of its variants whatever the turn, worked out once a spec."""

from costwain.decide.gates import barred
from costwain.decide.roofline import resident_bytes
from costwain.decide.shapes import shape_for
from costwain.domain.once import once
from costwain.domain.plan import Place, Why
from costwain.domain.spec import ModelDeploymentSpec
from costwain.domain.variant import PlacementSpec, Variant

LOAD_BYTES_PER_S = 1.5e9  # weights from a node's disk or a near store
ENGINE_SLOTS = 256  # max-num-seqs of vLLM where the user names none
COMPILE_S = 60.0  # imports, graph capture and warm-up of vLLM


class Site:
    """One placement: its (variant, pool), accelerators a replica, and the most replicas that the spec allows."""

    def __init__(self, variant: Variant, placement: PlacementSpec, most: int) -> None:
        self.place: Place = (variant.name, placement.pool)
        self.pool = placement.pool
        self.accelerators = placement.accelerators
        self.ceiling = most if placement.max_replicas is None else placement.max_replicas


class Known:
    """One variant; `unshaped` says why nothing is known of its model. It equals only itself."""

    def __init__(self, spec: ModelDeploymentSpec, variant: Variant) -> None:
        self.variant, self.name = variant, variant.name
        self.length = float(variant.answer_length)
        self.barred = barred(spec.swap, variant, spec.variants[0])
        self.sites = tuple(Site(variant, p, spec.scaling.max_replicas) for p in variant.placements)
        self.engine_slots = _engine_slots(variant)
        self.ttft_s = spec.slo.time_to_first_token_milliseconds / 1000
        self.tpot_s = spec.slo.time_per_output_token_milliseconds / 1000
        self.share = spec.slo.percentile / 100
        self.unshaped: Why | None = None
        try:
            self.shape = shape_for(variant)
        except ValueError as error:
            self.shape = None
            self.unshaped = Why("InvalidShape", f"{variant.name}: {error}")
        if self.shape is None and self.unshaped is None:
            sentence = f"{variant.name}: {variant.model.uri} isn't in the table of known models, give its shape"
            self.unshaped = Why("UnknownModel", sentence)
        self.load_s = resident_bytes(self.shape) / LOAD_BYTES_PER_S if self.shape is not None else 0.0


class Ladder:
    """All variants of a spec, best first, their sites by (variant, pool), and by pool the most accelerators for one."""

    def __init__(self, spec: ModelDeploymentSpec) -> None:
        self.variants = tuple(Known(spec, variant) for variant in spec.variants)
        self.lengths = {one.name: one.length for one in self.variants}
        self.names = frozenset(v.name for v in spec.variants)
        self.sites = {site.place: (one, site) for one in self.variants for site in one.sites}
        self.most = {site.pool: 0 for _, site in self.sites.values()}
        for _, site in self.sites.values():
            self.most[site.pool] = max(self.most[site.pool], site.ceiling * site.accelerators)


@once(1 << 13)
def known(spec: ModelDeploymentSpec) -> Ladder:
    """What the spec says of its ladder."""
    return Ladder(spec)


def _engine_slots(variant: Variant) -> int:
    """Requests that the engine takes at once; an argument that is no number is reported elsewhere."""
    text = variant.engine.args.get("max-num-seqs", "")
    return max(1, int(text)) if text.isdecimal() else ENGINE_SLOTS
