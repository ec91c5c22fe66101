"""Arrays of numbers as base64 of their little-endian bytes."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Literal

#: of ``array``: 32 and 64 bits of floating point, 32 bits signed, 8 bits unsigned
Code = Literal["f", "d", "i", "B"]


def pack(code: Code, values: Iterable[float]) -> str:
    """
    >>> pack("f", [0.5, -1.0]), unpack("f", "AAAAPwAAgL8=").tolist()
    ('AAAAPwAAgL8=', [0.5, -1.0])
    """
    found: array[float] = array(code, values)
    return b64encode(_little(found).tobytes()).decode()


def unpack(code: Code, text: str) -> array[float]:
    """``ValueError`` when it is none of ours."""
    found: array[float] = array(code)
    found.frombytes(b64decode(text, validate=True))
    return _little(found)


def _little(values: array[float]) -> array[float]:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values
