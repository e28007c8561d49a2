"""Pace: so many calls a second at most of a kind that can wait."""

CATCH_UP_S = 5.0  # a turn may do what the seconds before it left


class Pace:
    """Lets `per_s` calls a second through, and after a pause those of CATCH_UP_S at once."""

    def __init__(self, per_s: float) -> None:
        self._per_s, self._paid_until_s = per_s, 0.0

    def allows(self, now_s: float) -> bool:
        """Whether there is room for one more at this instant (seconds of any clock); it is taken then."""
        if self._paid_until_s > now_s:
            return False
        self._paid_until_s = max(self._paid_until_s, now_s - CATCH_UP_S) + 1 / self._per_s
        return True
