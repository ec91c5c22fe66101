"""Rows as RecordIO-wrapped protobuf, the format of SageMaker's built-in algorithms, with the standard library alone.

A file is a row of frames: ``<II`` magic 0xced7230a and length, the message, zeros up to a multiple of four (dmlc-core,
``recordio.h``). The message is ``aialgs.data.Record``: maps ``features`` (field 1) and ``label`` (field 2) from a name,
always ``values``, to a ``Value`` whose ``float32_tensor`` (field 2) has ``values`` (1), and of a sparse row ``keys``
(2) and ``shape`` (3), all packed ("Common Data Formats for Training", Amazon SageMaker developer guide).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache

MAGIC = 0xCED7230A
_FEATURES, _LABEL = b"\x0a", b"\x12"  # fields 1 and 2 of Record, length-delimited
_NAME = b"\x0a\x06values"  # the key of a map's entry
_VALUE, _TENSOR = b"\x12", b"\x12"  # an entry's value; the float32_tensor of a Value
_VALUES, _KEYS, _SHAPE = b"\x0a", b"\x12", b"\x1a"


def dense_record(values: Sequence[float], label: float | None = None) -> bytes:
    """One framed row. NaN stands for a missing value."""
    head, middle, tail = dense_template(len(values), label is not None)
    floats = struct.pack(f"<{len(values)}f", *values)
    return head + floats + (b"" if label is None else middle + struct.pack("<f", label)) + tail


@lru_cache(maxsize=8)
def dense_template(width: int, labelled: bool) -> tuple[bytes, bytes, bytes]:
    """What stands before a dense row's ``width`` floats, between them and the label's float, and behind: all rows of a
    data set have the same."""
    head = _map_head(_FEATURES, _VALUES + _varint(4 * width), 4 * width)
    middle = _map_head(_LABEL, _VALUES + _varint(4), 4) if labelled else b""
    length = len(head) + 4 * width + (len(middle) + 4 if labelled else 0)
    return struct.pack("<II", MAGIC, length) + head, middle, b"\0" * (-length % 4)


def sparse_record(keys: Sequence[int], values: Sequence[float], width: int, label: float | None = None) -> bytes:
    """One framed row of ``width`` features of which only those at ``keys`` (ascending) are not 0."""
    floats = struct.pack(f"<{len(values)}f", *values)
    places = b"".join(map(_varint, keys))
    shape = _varint(width)
    tensor = (
        _VALUES + _varint(len(floats)) + floats + _KEYS + _varint(len(places)) + places
        + _SHAPE + _varint(len(shape)) + shape
    )  # fmt: skip
    payload = _map_head(_FEATURES, tensor, 0)
    if label is not None:
        payload += _map_head(_LABEL, _VALUES + _varint(4), 4) + struct.pack("<f", label)
    return struct.pack("<II", MAGIC, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def frames(data: bytes) -> Iterator[bytes]:
    """The framed rows at the start of ``data``, whole ones only. ``ValueError`` when it isn't in this format.

    >>> row = dense_record([1.0, 2.0])
    >>> list(frames(row + row + row[:9])) == [row, row]
    True
    """
    at = 0
    while at + 8 <= len(data):
        magic, length = struct.unpack_from("<II", data, at)
        if magic != MAGIC:
            raise ValueError(f"no frame at byte {at}")
        end = at + 8 + length + -length % 4
        if end > len(data):
            return
        yield data[at:end]
        at = end


def _map_head(field: bytes, start: bytes, following: int) -> bytes:
    """A map's entry up to and with ``start`` of its tensor, of which ``following`` bytes come behind."""
    inner = len(start) + following
    value = _TENSOR + _varint(inner)
    entry = _NAME + _VALUE + _varint(len(value) + inner) + value
    return field + _varint(len(entry) + inner) + entry + start


@lru_cache(maxsize=1 << 17)
def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
