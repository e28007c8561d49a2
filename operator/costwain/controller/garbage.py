"""Garbage: how often Python looks for what only refers to itself.

By default it does so after every 700 new objects. A turn over a thousand fleets makes 50,000 and keeps most of them, so
that looking through all the specs and pods again and again was a third of the CPU of deciding.
"""

import gc

AFTER = (50_000, 20, 20)  # new objects; then how many such rounds until older ones are looked through as well


def collect_seldom() -> None:
    """From now on this process looks for garbage about once a turn of a thousand fleets."""
    gc.set_threshold(*AFTER)
