"""Gates: what a swap's rules say of a variant, whatever it costs."""

from decimal import Decimal

from costwain.domain.plan import Why
from costwain.domain.spec import Gate, Swap
from costwain.domain.variant import Variant


def barred(swap: Swap, variant: Variant, best: Variant) -> Why | None:
    """Why the swap's rules keep a variant from serving, or None; `best` is the first of the ladder."""
    if swap.mode == "Manual" and variant.name != swap.variant:
        return Why("NotChosen", f"swap.variant is {swap.variant}")
    if swap.mode == "Off" and variant.name != best.name:
        return Why("SwapOff", f"swap.mode is Off: {best.name} alone may serve")
    # Whom the mode leaves must pass too: what bars it is then told of a variant that somebody chose.
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
