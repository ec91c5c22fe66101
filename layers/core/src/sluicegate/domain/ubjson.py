"""Reads UBJSON, the format that XGBoost writes models in (numpy, since its arrays are most of a model).

Source of the format: https://ubjson.org, draft 12: a marker byte, then the value; numbers are big-endian; a container
may say ``$`` type and ``#`` count before its content. What a model never has (high-precision numbers) is refused.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_SIZES = {marker: struct.calcsize(code) for marker, code in _NUMBERS.items()}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_DEEPEST = 64


class NotUbjson(ValueError):
    """The bytes are no UBJSON, or are cut short."""


def loads(data: bytes) -> Any:
    """The document; an array of one type of number is a numpy array."""
    reader = _Reader(data)
    try:
        return reader.value(reader.marker(), 0)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise NotUbjson(str(error) or "cut short") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise NotUbjson("cut short")
        found = self._data[self._at : self._at + count]
        self._at += count
        return found

    def marker(self) -> bytes:
        found = self._take(1)
        while found == b"N":  # no operation
            found = self._take(1)
        return found

    def _peek(self) -> bytes:
        return self._data[self._at : self._at + 1]

    def _number(self, marker: bytes) -> Any:
        if marker not in _NUMBERS:
            raise NotUbjson(f"marker {marker!r} where a number has to be")
        return struct.unpack(_NUMBERS[marker], self._take(_SIZES[marker]))[0]

    def _length(self) -> int:
        return int(self._number(self.marker()))

    def _text(self) -> str:
        return self._take(self._length()).decode()

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise NotUbjson("nested too deeply")
        if marker in _NUMBERS:
            return self._number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self._text()
        if marker == b"C":
            return self._take(1).decode()
        if marker == b"[":
            return self._array(depth)
        if marker == b"{":
            return self._object(depth)
        raise NotUbjson(f"unknown marker {marker!r}")

    def _head(self) -> tuple[bytes | None, int | None]:
        kind = count = None
        if self._peek() == b"$":
            self._take(1)
            kind = self._take(1)
        if self._peek() == b"#":
            self._take(1)
            count = self._length()
        elif kind is not None:
            raise NotUbjson("a type without a count")
        return kind, count

    def _array(self, depth: int) -> Any:
        kind, count = self._head()
        if kind in _NUMBERS and kind is not None and count is not None:
            return np.frombuffer(self._take(count * _SIZES[kind]), dtype=np.dtype(_NUMBERS[kind]))
        found: list[Any] = []
        while count is None or len(found) < count:
            marker = kind or self.marker()
            if marker == b"]" and count is None:
                break
            found.append(self.value(marker, depth + 1))
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._head()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self._peek() == b"}":
                self._take(1)
                break
            name = self._text()
            found[name] = self.value(kind or self.marker(), depth + 1)
        return found
