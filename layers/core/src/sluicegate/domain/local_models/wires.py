"""Encoded records read back, to the 32-bit numbers that a container makes of them.

Formats: see ``domain.encoder`` and ``domain.recordio``. What is not there is NaN in CSV and LIBSVM, 0 in a sparse
record of RecordIO.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluicegate.domain.encoder import Wire


def reader(wire: Wire, width: int) -> Callable[[bytes], list[float]]:
    """From a record's bytes to ``width`` numbers. Raises ``ValueError``, also for a wire that isn't encoded."""
    if wire == "csv":
        return lambda record: _csv(record, width)
    if wire == "libsvm":
        return lambda record: _libsvm(record, width)
    if wire == "recordio":
        return lambda record: _recordio(record, width)
    raise ValueError(f"rows of {wire} are not numbers")


def _csv(record: bytes, width: int) -> list[float]:
    cells = array("f", [float(cell) if cell else math.nan for cell in record.rstrip(b"\r\n").split(b",")])
    if len(cells) != width:
        raise ValueError(f"a record of {len(cells)} features, the model has {width}")
    return cells.tolist()


def _libsvm(record: bytes, width: int) -> list[float]:
    cells = array("f", (math.nan,)) * width
    for token in record.split():
        place, colon, value = token.partition(b":")
        if colon:
            index = int(place)
            if not 0 <= index < width:
                raise ValueError(f"a record with a feature {index}, the model has {width}")
            cells[index] = float(value)
    return cells.tolist()


def _recordio(record: bytes, width: int) -> list[float]:
    """One framed record as ``domain.recordio`` writes it: the tensor of its features."""
    _, length = struct.unpack_from("<II", record)
    parts: dict[int, bytes] = {}
    tensor = record[8 : 8 + length]
    for field in (1, 2, 2):  # features of Record, the map entry's value, its float32_tensor
        tensor = next(content for number, content in _fields(tensor) if number == field)
    parts |= dict(_fields(tensor))
    values = array("f", [*struct.unpack(f"<{len(parts[1]) // 4}f", parts[1])])
    if 2 not in parts:
        if len(values) != width:
            raise ValueError(f"a record of {len(values)} features, the model has {width}")
        return values.tolist()
    cells = [0.0] * width
    for place, value in zip(_varints(parts[2]), values, strict=True):
        if place >= width:
            raise ValueError(f"a record with a feature {place}, the model has {width}")
        cells[place] = value
    return cells


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message."""
    at = 0
    while at < len(message):
        number, at = message[at] >> 3, at + 1
        length, at = _varint(message, at)
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at, value = at + 1, value | (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varints(message: bytes) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value
