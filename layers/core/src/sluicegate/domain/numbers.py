"""Numbers in JSON that somebody else wrote."""

from __future__ import annotations

import math


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
