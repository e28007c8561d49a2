"""A ladder with round numbers, and the choice that is made on it.

`full` carries 10 requests/s for $10 an hour, `middle` 20 for $6, `small` 40 for $4; each starts in 100 s and a swap
runs both for 610 s.
"""

from typing import Any

from tests.decide.builders import case, fleet, option, replicas, rung

from costwain.decide.budget import Purse
from costwain.decide.case import Choice
from costwain.decide.choice import choose
from costwain.decide.options import Rung
from costwain.domain.snapshot import Replica

FULL = rung(option("full/h100", 10.0, "10.00"))
MIDDLE = rung(option("middle/h100", 20.0, "6.00"))
SMALL = rung(option("small/h100", 40.0, "4.00"))
BUDGET = {"amount": "100.00"}
ZERO = {**BUDGET, "onExhausted": "ScaleToZero"}


def chosen(
    *pods: Replica,
    ladder: tuple[Rung, ...] = (FULL, SMALL),
    per_s: float = 10.0,
    money: Purse | None = None,
    **change: Any,
) -> Choice:
    own = {"budget": BUDGET} if money is not None else {}
    got = choose(case(fleet(*pods, **{**own, **change}), *ladder, per_s=per_s, money=money))
    assert got is not None
    return got


ONE_FULL, ONE_SMALL = replicas("full/h100", 1), replicas("small/h100", 1)
