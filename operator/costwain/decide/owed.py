"""Owed: what a fleet still costs until all has stopped, if it were stopped right after a plan is carried out."""

from collections import Counter
from collections.abc import Mapping

from costwain.decide.budget import Purse, owed_micro, running_micro_per_h, stopping_s
from costwain.decide.known import known
from costwain.decide.placement import Arrangement
from costwain.domain.money import cost_micro
from costwain.domain.plan import Place
from costwain.domain.snapshot import Fleet, Pool

Prices = Mapping[Place, int]
"""Micro-dollars an hour of one replica, by place."""


def prices_of(fleet: Fleet, pools: Mapping[str, Pool]) -> Prices:
    """What a replica costs at every place of the ladder whose pool has a price."""
    found = {}
    for place, (_, site) in known(fleet.spec).sites.items():
        hourly = pools[site.pool].hourly_micro if site.pool in pools else None
        if hourly is not None:
            found[place] = hourly * site.accelerators
    return found


def owes_too_much(fleet: Fleet, after: Arrangement, prices: Prices, purse: Purse) -> bool:
    """Whether it can't pay all stops after an arrangement: what is taken back or starts stops like all that runs.

    Where the period ends before that, what runs on must find its stop paid by the next one.
    """
    soon = sum(prices.get(place, 0) * n for place, n in unbilled(fleet, after.replicas).items())
    stop_s, back = stopping_s(fleet), frozenset(after.undrain)
    here_s = min(stop_s, purse.left_s)
    if owed_micro(fleet, purse.now_s, purse.left_s, back) + cost_micro(soon, here_s) > purse.left_micro:
        return True
    owed = owed_micro(fleet, purse.now_s, stop_s, back) + cost_micro(soon, stop_s)
    return purse.left_s < stop_s and owed > purse.next_micro


def may_owe_too_much(fleet: Fleet, counts: Mapping[Place, int], prices: Prices, purse: Purse) -> bool:
    """Whether it is worth looking closely: with nothing on its way out, and every replica a new one."""
    most = running_micro_per_h(fleet) + sum(prices.get(place, 0) * n for place, n in counts.items())
    stop_s = stopping_s(fleet)
    late = purse.left_s < stop_s and cost_micro(most, stop_s) > purse.next_micro
    return late or not purse.pays(most, min(stop_s, purse.left_s))


def unbilled(fleet: Fleet, replicas: Mapping[Place, int]) -> Mapping[Place, int]:
    """Replicas by place that aren't on the bill yet, of those that are asked for: new ones, and who wait for a node."""
    billed = {line.uid for line in fleet.ledger.open}
    here = Counter(r.place for r in fleet.alive if r.uid in billed)
    return {place: n - here[place] for place, n in replicas.items() if n > here[place]}
