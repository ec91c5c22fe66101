"""recordio-protobuf, the built-ins' own format: records of ``aialgs.data.Record`` one after another.

Frame: the magic number 0xced7230a and the record's length, both as 32-bit little-endian numbers, then the record,
padded with zeros to a multiple of four bytes. The message's definition:
https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html. Here it is read without a protobuf library: a file of
dense records of one width, which is what clients write, is one numpy view.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from local_region.containers.common.errors import UserError

MAGIC = 0xCED7230A
_HEAD = struct.Struct("<II")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: field of Value → (name of its tensor, type of its values)
_TENSORS = {2: ("float32", "<f4"), 3: ("float64", "<f8"), 7: ("int32", "")}
Array = npt.NDArray[Any]


@dataclass
class Records:
    """``features`` is rows × columns of float32, dense or scipy CSR; ``labels`` one float32 a row, or None."""

    features: Any
    labels: Array | None


@dataclass
class _Tensor:
    kind: str
    values: Array
    keys: bytes | None  # packed varints
    shape: tuple[int, ...]
    at: int  # offset of packed float32 values in the buffer, or -1


def read(buffer: bytes, name: str, only_float32: bool = False) -> Records:
    """All records of ``buffer``. ``UserError`` names the record that can't be used."""
    frames = list(_frames(buffer, name))
    if not frames:
        return Records(np.empty((0, 0), np.float32), None)
    reader = _Reader(buffer, name, only_float32)
    return reader.alike(frames) or reader.each(frames)


def _frames(buffer: bytes, name: str) -> Iterator[tuple[int, int]]:
    at, end, number = 0, len(buffer), 0
    while at < end:
        number += 1
        if end - at < _HEAD.size:
            raise UserError(f"{name} record {number}: the file ends within a record.")
        magic, length = _HEAD.unpack_from(buffer, at)
        if magic != MAGIC:
            raise UserError(f"{name} record {number}: it does not start with RecordIO's magic number.")
        if length >> 29:
            raise UserError(f"{name} record {number}: records in several parts are not supported.")
        start = at + _HEAD.size
        if start + length > end:
            raise UserError(f"{name} record {number}: the file ends within a record.")
        yield start, start + length
        at = start + (length + 3) // 4 * 4


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _fields(buffer: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, start, end) of each field; of a varint, ``start`` is where it stands."""
    while at < end:
        key, at = _varint(buffer, at)
        wire = key & 7
        if wire == _BYTES:
            length, at = _varint(buffer, at)
            stop = at + length
        elif wire == _VARINT:
            stop = _varint(buffer, at)[1]
        elif wire in (_FIXED64, _FIXED32):
            stop = at + (8 if wire == _FIXED64 else 4)
        else:
            raise ValueError(f"wire type {wire}")
        if stop > end:
            raise ValueError("a field that is longer than its message")
        yield key >> 3, wire, at, stop
        at = stop


def unpack_varints(data: bytes) -> npt.NDArray[np.uint64]:
    """The numbers of packed varints, all at once."""
    if not data:
        return np.empty(0, np.uint64)
    raw = np.frombuffer(data, np.uint8)
    stops = np.flatnonzero(raw < 128)
    if not len(stops) or stops[-1] != len(raw) - 1:
        raise ValueError("a number that is cut short")
    starts = np.concatenate([[0], stops[:-1] + 1])
    places = np.arange(len(raw)) - np.repeat(starts, stops - starts + 1)
    if places.max() > 9:
        raise ValueError("a number of more than 64 bits")
    parts = (raw & 127).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.asarray(np.add.reduceat(parts, starts), np.uint64)


class _Reader:
    def __init__(self, buffer: bytes, name: str, only_float32: bool) -> None:
        self._buffer, self._name, self._only_float32 = buffer, name, only_float32

    def _error(self, number: int, what: str) -> UserError:
        return UserError(f"{self._name} record {number}: {what}")

    def _record(self, number: int, start: int, end: int) -> tuple[_Tensor, _Tensor | None]:
        try:
            maps: dict[int, dict[str, _Tensor]] = {1: {}, 2: {}}
            for field, wire, at, stop in _fields(self._buffer, start, end):
                if field in maps and wire == _BYTES:
                    key, tensor = self._entry(at, stop)
                    maps[field][key] = tensor
        except (ValueError, IndexError) as error:
            raise self._error(number, f"it is no Record message ({error}).") from None
        features, labels = maps[1], maps[2]
        if "values" not in features or len(features) != 1:
            raise self._error(number, f"features must have the one key 'values', not {sorted(features)}.")
        for tensor in (*features.values(), *labels.values()):
            if self._only_float32 and tensor.kind != "float32":
                raise self._error(number, f"only Float32 tensors are supported, this one is {tensor.kind}.")
        return features["values"], labels.get("values")

    def _entry(self, at: int, end: int) -> tuple[str, _Tensor]:
        """An entry of ``map<string, Value>``."""
        key, tensor = "", None
        for field, _wire, start, stop in _fields(self._buffer, at, end):
            if field == 1:
                key = self._buffer[start:stop].decode()
            elif field == 2:
                for number, _, inner, last in _fields(self._buffer, start, stop):
                    if number not in _TENSORS:
                        raise ValueError(f"the value of '{key}' is no tensor of numbers")
                    tensor = self._tensor(inner, last, *_TENSORS[number])
        if tensor is None:
            tensor = _Tensor("float32", np.empty(0, np.float32), None, (), -1)
        return key, tensor

    def _tensor(self, at: int, end: int, kind: str, dtype: str) -> _Tensor:
        values: list[Array] = []
        keys, shape, packed = b"", b"", -1
        for field, wire, start, stop in _fields(self._buffer, at, end):
            chunk = self._buffer[start:stop]
            if field == 1 and dtype:
                values.append(np.frombuffer(chunk, dtype))
                packed = start if wire == _BYTES and kind == "float32" and len(values) == 1 else -1
            elif field == 1:
                values.append(unpack_varints(chunk).astype(np.int64).astype(np.int32))
            elif field == 2:
                keys += chunk
            elif field == 3:
                shape += chunk
        joined = np.concatenate(values).astype(np.float32) if values else np.empty(0, np.float32)
        sizes = tuple(int(size) for size in unpack_varints(shape))
        return _Tensor(kind, joined, keys or None, sizes, packed)

    def alike(self, frames: Sequence[tuple[int, int]]) -> Records | None:
        """Dense records that differ only in their numbers, as one view of the buffer; else None."""
        start, end = frames[0]
        features, label = self._record(1, start, end)
        if features.keys or features.at < 0 or (label and (label.keys or label.at < 0 or len(label.values) != 1)):
            return None
        stride = _HEAD.size + (end - start + 3) // 4 * 4
        if len(self._buffer) != stride * len(frames) or any(b - a != end - start for a, b in frames):
            return None
        table = np.frombuffer(self._buffer, np.uint8).reshape(len(frames), stride)
        fixed = np.ones(stride, bool)
        width = len(features.values)
        spans = [(features.at, width)] + ([(label.at, 1)] if label else [])
        for at, count in spans:
            fixed[at : at + 4 * count] = False
        if not np.all(table[:, fixed] == table[0, fixed]):
            return None
        columns = [np.ascontiguousarray(table[:, at : at + 4 * count]).view("<f4") for at, count in spans]
        return Records(columns[0], columns[1][:, 0] if label else None)

    def each(self, frames: Sequence[tuple[int, int]]) -> Records:
        """Records of any kind, one by one: CSR when one of them is sparse."""
        tensors, labels = [], []
        for number, (start, end) in enumerate(frames, 1):
            features, label = self._record(number, start, end)
            tensors.append(features)
            if label is not None and len(label.values) != 1:
                raise self._error(number, f"a label is one number, this one has {len(label.values)}.")
            labels.append(float(label.values[0]) if label is not None else None)
        if any(label is None for label in labels) and any(label is not None for label in labels):
            raise self._error(labels.index(None) + 1, "it has no label, others have one.")
        known = None if labels[0] is None else np.array(labels, np.float32)
        if any(tensor.keys for tensor in tensors):
            return Records(self._sparse(tensors), known)
        widths = [len(tensor.values) for tensor in tensors]
        for number, width in enumerate(widths, 1):
            if width != widths[0]:
                raise self._error(number, f"{width} features where the first record has {widths[0]}.")
        return Records(np.stack([tensor.values for tensor in tensors]), known)

    def _sparse(self, tensors: Sequence[_Tensor]) -> Any:
        from scipy.sparse import csr_matrix

        columns, ends, width = [], [0], 0
        for number, tensor in enumerate(tensors, 1):
            try:
                keys = unpack_varints(tensor.keys) if tensor.keys else np.arange(len(tensor.values))
            except ValueError as error:
                raise self._error(number, f"its keys can't be read ({error}).") from None
            if len(keys) != len(tensor.values):
                raise self._error(number, f"{len(keys)} keys for {len(tensor.values)} values.")
            own = tensor.shape[-1] if tensor.shape else 0
            high = int(keys.max()) + 1 if len(keys) else 0
            if own and high > own:
                raise self._error(number, f"key {high - 1} is outside of the shape {list(tensor.shape)}.")
            columns.append(keys.astype(np.int64))
            ends.append(ends[-1] + len(keys))
            width = max(width, own, high)
        values = np.concatenate([tensor.values for tensor in tensors])
        matrix = csr_matrix((values, np.concatenate(columns), ends), shape=(len(tensors), width), dtype=np.float32)
        matrix.sum_duplicates()
        return matrix


# -- writing ---------------------------------------------------------------------------------------------------------


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _value(numbers: Any, keys: Any = None, shape: int | None = None) -> bytes:
    tensor = _field(1, np.asarray(numbers, "<f4").tobytes())
    if keys is not None:
        tensor += _field(2, b"".join(_number(int(key)) for key in keys))
    if shape is not None:
        tensor += _field(3, _number(shape))
    return _field(2, tensor)


def _entry(key: str, value: bytes) -> bytes:
    return _field(1, key.encode()) + _field(2, value)


def frame(record: bytes) -> bytes:
    return _HEAD.pack(MAGIC, len(record)) + record + b"\0" * (-len(record) % 4)


def encode_answer(values: Mapping[str, Any]) -> bytes:
    """One row's answer: a record whose ``label`` has a float32 tensor for each name."""
    return frame(b"".join(_field(2, _entry(name, _value(np.atleast_1d(value)))) for name, value in values.items()))


def encode_features(numbers: Any, label: float | None = None, keys: Any = None, width: int | None = None) -> bytes:
    """One row of data, dense, or sparse with ``keys`` and ``width``."""
    record = _field(1, _entry("values", _value(numbers, keys, width)))
    if label is not None:
        record += _field(2, _entry("values", _value([label])))
    return frame(record)
