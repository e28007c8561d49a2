"""Memory: what a decision of another version remembered."""

from costwain.domain.memory import Memory


def test_a_memory_of_another_version_keeps_what_both_know() -> None:
    kept = Memory.model_validate({
        "target": "full", "busyAtS": 5.0, "peaks": [{"atS": 60, "perS": 2.5}], "mood": "calm",
        "demand": {"atS": 60, "fastPerS": 2.0, "slowPerS": 1.5, "colour": "red"},
    })  # fmt: skip
    assert kept.target == "full"
    assert kept.demand is not None
    assert kept.demand.slow_per_s == 1.5
    assert [(peak.at_s, peak.replicas) for peak in kept.peaks] == [(60, 0.0)]
