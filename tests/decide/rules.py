"""The rules of a swap as the fields of the spec state them, said a second time for the laws."""

from decimal import Decimal

from costwain.domain.spec import ModelDeploymentSpec


def may_serve(spec: ModelDeploymentSpec, name: str) -> bool:
    """Whether mode, quality, licence and every gate let a variant of the ladder serve."""
    swap, ladder = spec.swap, {v.name: v for v in spec.variants}
    this, best = ladder[name], spec.variants[0]
    chosen = {"Automatic": set(ladder), "Manual": {swap.variant}, "Off": {best.name}}[swap.mode]
    good = Decimal(this.quality) >= Decimal(swap.min_quality or "-Infinity")
    licensed = this.license in swap.allowed_licenses or not swap.allowed_licenses
    passed = []
    for gate in swap.gates:
        score, top = this.evaluations.get(gate.evaluation), best.evaluations.get(gate.evaluation)
        passed.append(score is not None and Decimal(score) >= Decimal(gate.min or "-Infinity"))
        drop_known = score is not None and top is not None
        near = drop_known and Decimal(top or 0) - Decimal(score or 0) <= Decimal(gate.max_drop or "Infinity")
        passed.append(gate.max_drop is None or near)
    return name in chosen and good and licensed and all(passed)
