"""Lengths of time as ``model.yaml`` says them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Duration = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,6}[smhd]$"})]


def duration_seconds(text: str) -> int:
    """Seconds in a duration such as ``60s``, ``5m``, ``1h``, ``2d``; ``ValueError`` when it is none.

    >>> duration_seconds("5m")
    300
    """
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise ValueError("accepted is a number with s, m, h or d, such as 60s or 5m")
    return int(match[1]) * _UNITS[match[2]]


def within(low: int, high: int, said: str) -> Any:
    """A validator: a duration of ``low`` to ``high`` seconds, which ``said`` puts in words."""

    def check(text: str) -> str:
        if not low <= duration_seconds(text) <= high:
            raise ValueError(f"accepted is a duration {said}")
        return text

    return AfterValidator(check)
