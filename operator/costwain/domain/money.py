"""Money: integer micro-dollars inside, decimal strings outside; price x time in between."""

import re
from functools import lru_cache

MICRO = 1_000_000
DECIMAL_PATTERN = r"^\d{1,12}(\.\d{1,6})?$"
_DECIMAL = re.compile(DECIMAL_PATTERN, re.ASCII)


@lru_cache(maxsize=1 << 12)
def micro_of(text: str) -> int:
    """Micro-dollars of a decimal string; raises ValueError on anything that isn't one.

    >>> micro_of("12.5")
    12500000
    """
    if not _DECIMAL.match(text):
        raise ValueError(f"want an amount such as 240.00 (at most 6 decimals), found {text!r}")
    whole, _, fraction = text.partition(".")
    return int(whole) * MICRO + int(fraction.ljust(6, "0"))


def decimal_of(micro: int) -> str:
    """The exact decimal string of micro-dollars, at least two decimals.

    >>> decimal_of(12_500_000), decimal_of(1), decimal_of(-2_000_000)
    ('12.50', '0.000001', '-2.00')
    """
    whole, fraction = divmod(abs(micro), MICRO)
    digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micro < 0 else ''}{whole}.{digits}"


def dollars(micro: int) -> str:
    """Micro-dollars as a person reads them, rounded to the cent.

    >>> dollars(9_604_999), dollars(-50_000)
    ('$9.60', '-$0.05')
    """
    cents = (abs(micro) + 5_000) // 10_000
    return f"{'-' if micro < 0 else ''}${cents // 100}.{cents % 100:02d}"


def cost_micro(hourly_micro: int, duration_s: float) -> int:
    """What an hourly price comes to over a duration, rounded to the nearest micro-dollar.

    Units: micro-dollars an hour, seconds >= 0. Milliseconds are exact: the product stays an integer.

    >>> cost_micro(3_600_000_000, 1.5)
    1500000
    """
    milliseconds = round(duration_s * 1000)
    return (hourly_micro * milliseconds + 1_800_000) // 3_600_000
