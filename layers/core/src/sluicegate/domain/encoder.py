"""From a record to the numbers that XGBoost sees: one definition, applied to a row in Python and to a table in DuckDB.

=========  =======================================================================================
number     the value; beyond ±3e38 it is held there, because XGBoost computes in 32 bits
boolean    0 or 1
category   one-hot with a last column for every value that was not seen; above the limit of distinct
           values hashed into buckets (MD5, so that Python and DuckDB agree), one-hot by bucket
text       words and pairs of words, hashed into buckets (see ``domain.words``); mostly zeros
date       days since 1970-01-01, month 1–12, weekday 0–6 from Monday, hour 0–23, all in UTC
constant   0, at the end of a sparse encoding: every row has at least one entry and the full width
=========  =======================================================================================

A missing value is an empty field (XGBoost's own "missing"), in a one-hot block all zeros. Infinities and NaN are
missing. For algorithms that know no missing value a block has a ``Filling``: a number stands for what is missing, a
further column says so (1) where the data had any, and values are scaled.

An encoding has at least two columns: SageMaker's server guesses the delimiter from the first line and fails without
one.

A row goes out in one of four wires (`Wire`): csv, libsvm and recordio (see ``domain.recordio``) of the encoded numbers,
raw as the record itself. In libsvm a feature that is not there is missing to XGBoost, so that 0 is written, except in
one-hot and text blocks; indices count from 0, and a label 0 that nobody reads stands first, without which XGBoost's own
reader would take the first feature for it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal

from sluicegate.domain import recordio, words
from sluicegate.domain.blocks import (
    HASH_BUCKETS,
    LARGEST,
    LONGEST_CATEGORY,
    ONE_HOT_LIMIT,
    PADDING,
    Block,
    Filling,
    unit_fields,
    zero_fields,
)
from sluicegate.domain.dates import parse_date
from sluicegate.domain.names import digest
from sluicegate.domain.schema import BLANK, MISSING_MARKERS, Column, Value

__all__ = [
    "HASH_BUCKETS",
    "LARGEST",
    "LONGEST_CATEGORY",
    "ONE_HOT_LIMIT",
    "Block",
    "Encoder",
    "Filling",
    "Wire",
    "hash_bucket",
]

Wire = Literal["csv", "libsvm", "recordio", "raw"]
_MISSING = frozenset(MISSING_MARKERS)


@dataclass(frozen=True)
class Encoder:
    """The blocks in order. Immutable; ``fingerprint`` names it."""

    blocks: tuple[Block, ...]

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        *,
        buckets: int = HASH_BUCKETS,
        text_buckets: int = words.DENSE_BUCKETS,
        fillings: Mapping[str, Filling] | None = None,
    ) -> Encoder:
        """An encoder for feature columns. A category column with ``categories`` is one-hot, without it hashed.

        ``fillings`` (by column, see ``data.fillings``) leave no field empty, for algorithms that need it so.
        """
        filled = fillings or {}
        return cls(
            tuple(replace(_block(column, buckets, text_buckets), filling=filled.get(column.name)) for column in columns)
        )

    def sparse(self) -> Encoder:
        """The same for a sparse wire: with the constant at its end."""
        if self.blocks and self.blocks[-1].kind == "constant":
            return self
        return Encoder((*self.blocks, Block(PADDING, "constant")))

    @cached_property
    def feature_names(self) -> list[str]:
        names = [name for block in self.blocks for name in block.feature_names]
        return [*names, PADDING] if self._padded else names

    @cached_property
    def fingerprint(self) -> str:
        return digest(["encoder", json.dumps(self.to_json(), sort_keys=True, ensure_ascii=True)], 16)

    @property
    def _padded(self) -> bool:
        return sum(block.width for block in self.blocks) < 2

    def encode(self, values: Mapping[str, Value]) -> list[float | None]:
        """One number for each of ``feature_names``, None for missing. A column that ``values`` lacks is missing."""
        return [float(text) if text else None for text in self.encode_csv(values).split(",")]

    def encode_csv(self, values: Mapping[str, Value]) -> str:
        """The same as one CSV line without its end: an empty field is a missing value."""
        parts = [write(values.get(name)) for name, write in self._writers]
        if self._padded:
            parts.append("0")
        return ",".join(parts)

    def encode_sparse(self, values: Mapping[str, Value]) -> list[tuple[int, str]]:
        """The entries of a sparse row: (index of the feature, its value), ascending. What is not there is missing."""
        found: list[tuple[int, str]] = []
        for offset, block, (name, write) in zip(self.offsets, self.blocks, self._writers, strict=True):
            if block.kind == "text":
                text = _category(values.get(name))
                entries = words.entries(text, block.buckets) if text is not None else []
                found += [(offset + bucket, cell) for bucket, cell in entries]
                continue
            absent = "0" if block.is_indicator else ""
            for place, text in enumerate(write(values.get(name)).split(","), offset):
                if text and text != absent:
                    found.append((place, text))
        return found

    def encode_libsvm(self, values: Mapping[str, Value]) -> str:
        """One line of LIBSVM without its end."""
        return "0" + "".join(f" {place}:{text}" for place, text in self.encode_sparse(values))

    def encode_recordio(self, values: Mapping[str, Value]) -> bytes:
        """One framed record, dense unless the encoder is sparse; NaN for missing."""
        if not self.is_sparse:
            return recordio.dense_record([math.nan if cell is None else cell for cell in self.encode(values)])
        entries = self.encode_sparse(values)
        keys, cells = [place for place, _ in entries], [float(text) for _, text in entries]
        return recordio.sparse_record(keys, cells, len(self.feature_names))

    def encode_raw(self, values: Mapping[str, Value]) -> str:
        """The record as a line of JSON without its end: the encoder's columns as a data set's raw files have them, with
        dates in UTC to the second."""
        found = {block.column: _raw(block, values.get(block.column)) for block in self.blocks}
        return json.dumps(found, ensure_ascii=False)

    def encode_row(self, values: Mapping[str, Value], wire: Wire) -> bytes:
        """One row as it goes to an endpoint, with its end."""
        if wire == "recordio":
            return self.encode_recordio(values)
        encode = {"csv": self.encode_csv, "libsvm": self.encode_libsvm, "raw": self.encode_raw}[wire]
        return encode(values).encode("utf-8", "replace") + b"\n"

    @property
    def is_sparse(self) -> bool:
        return bool(self.blocks) and self.blocks[-1].kind == "constant"

    @cached_property
    def offsets(self) -> list[int]:
        """The index of each block's first feature."""
        ends = list(accumulate(block.width for block in self.blocks))
        return [0, *ends[:-1]] if ends else []

    def sql(self, columns: Mapping[str, str]) -> list[str]:
        """DuckDB expressions for the same in bulk, one for each block; each gives the block's fields joined by commas.

        ``columns`` maps column names to expressions of their type (DOUBLE, BOOLEAN, VARCHAR, TIMESTAMP in UTC), with
        VARCHAR trimmed and missing markers already NULL, as ``data.ingest`` writes them. Write the result with quoting
        off: a joined block must not be quoted.
        """
        from sluicegate.domain.encoder_sql import block_sql  # not on the prediction path

        parts = [block_sql(block, columns.get(block.column)) for block in self.blocks]
        return [*parts, "'0'"] if self._padded else parts

    def libsvm_sql(self, columns: Mapping[str, str]) -> list[str]:
        """The same for LIBSVM: each block's entries, each after a space, and no label."""
        from sluicegate.domain.encoder_sql import block_libsvm_sql

        return [
            block_libsvm_sql(block, offset, columns.get(block.column))
            for offset, block in zip(self.offsets, self.blocks, strict=True)
        ]

    def raw_sql(self, columns: Mapping[str, str]) -> dict[str, str]:
        """The same for raw rows: an expression for each column, by its name."""
        from sluicegate.domain.encoder_sql import raw_sql

        return {block.column: raw_sql(block, columns.get(block.column)) for block in self.blocks}

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, "blocks": [block.to_json() for block in self.blocks]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Encoder:
        if data.get("format") != 1:
            raise ValueError(f"unknown encoder format {data.get('format')!r}")
        return cls(
            tuple(
                Block(
                    block["column"],
                    block["kind"],
                    tuple(block.get("categories", ())),
                    int(block.get("buckets", 0)),
                    Filling.from_json(block["filling"]) if "filling" in block else None,
                )
                for block in data["blocks"]
            )
        )

    @cached_property
    def _writers(self) -> list[tuple[str, Callable[[Value], str]]]:
        return [(block.column, _writer(block)) for block in self.blocks]


def hash_bucket(text: str, buckets: int) -> int:
    """The last 64 bits (little endian) of the MD5 of ``text``, modulo ``buckets``: DuckDB's ``md5_number_lower``."""
    found = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(found[8:], "little") % buckets


def _block(column: Column, buckets: int, text_buckets: int) -> Block:
    if column.type == "text":
        return Block(column.name, "text", buckets=text_buckets)
    if column.type == "category":
        if column.categories is None:
            return Block(column.name, "hashed", buckets=buckets)
        kept = tuple(category for category in column.categories if len(category) <= LONGEST_CATEGORY)
        return Block(column.name, "one_hot", categories=kept)
    return Block(column.name, column.type)


def _writer(block: Block) -> Callable[[Value], str]:
    if block.filling is not None:
        return _filled_writer(block.filling, _writer(replace(block, filling=None)))
    if block.kind == "constant":
        return lambda _: "0"
    if block.kind in ("number", "boolean", "date"):
        return {"number": _write_number, "boolean": _write_boolean, "date": _write_date}[block.kind]
    if block.kind == "text":
        return _text_writer(block.buckets)
    width, zeros = block.width, zero_fields(block.width)
    units = [unit_fields(position, width) for position in range(width)]
    known = dict(zip(block.categories, units, strict=False))
    other = units[-1]
    one_hot, buckets = block.kind == "one_hot", block.buckets

    def write_category(value: Value) -> str:
        text = _category(value)
        if text is None:
            return zeros
        return known.get(text, other) if one_hot else units[hash_bucket(text, buckets)]

    return write_category


def _filled_writer(filling: Filling, write: Callable[[Value], str]) -> Callable[[Value], str]:
    missing, present = filling.missing, ",0" if filling.indicator else ""

    def write_filled(value: Value) -> str:
        text = write(value)
        if text.startswith(",") or not text:
            return missing
        return filling.scaled([float(part) for part in text.split(",")]) + present

    return write_filled


def _text_writer(buckets: int) -> Callable[[Value], str]:
    zeros = zero_fields(buckets)

    def write_text(value: Value) -> str:
        text = _category(value)
        return zeros if text is None else words.fields(text, buckets)

    return write_text


def _category(value: Value) -> str | None:
    if value is None:
        return None
    text = str(value).strip(BLANK)
    return None if text in _MISSING else text


def _number(value: Value) -> float | None:
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return max(-LARGEST, min(LARGEST, number)) if math.isfinite(number) else None


def _write_number(value: Value) -> str:
    number = _number(value)
    return "" if number is None else repr(number)


def _write_boolean(value: Value) -> str:
    return "" if value is None else "1" if value else "0"


def _moment(value: Value) -> datetime | None:
    return parse_date(value.strip(BLANK)) if isinstance(value, str) else None


def _write_date(value: Value) -> str:
    moment = _moment(value)
    if moment is None:
        return ",,,"
    return f"{moment.toordinal() - 719163},{moment.month},{moment.weekday()},{moment.hour}"


def _raw(block: Block, value: Value) -> Value:
    if block.kind == "number":
        return _number(value)
    if block.kind == "boolean":
        return None if value is None else bool(value)
    if block.kind == "date":
        moment = _moment(value)
        return None if moment is None else f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    return _category(value)
