"""Numbers in JSON that somebody else wrote, and how small one is that is told as 0."""

from __future__ import annotations

import math

#: a probability below it is none to anybody, and the registry keeps it as 0
TINY = 1e-100


def finite(value: object) -> float | None:
    """``value`` as a float if it is a number that one can hold; truth values are none.

    >>> finite(3), finite(True), finite("3"), finite(10**400), finite(float("nan"))
    (3.0, None, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
