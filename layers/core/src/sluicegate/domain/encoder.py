"""From a record to the numbers that XGBoost sees: one definition, applied to a row in Python and to a table in DuckDB.

=========  =======================================================================================
number     the value; beyond ±3e38 it is held there, because XGBoost computes in 32 bits
boolean    0 or 1
category   one-hot with a last column for every value that was not seen; above the limit of distinct
           values hashed into buckets (MD5, so that Python and DuckDB agree), one-hot by bucket
date       days since 1970-01-01, month 1–12, weekday 0–6 from Monday, hour 0–23, all in UTC
=========  =======================================================================================

A missing value is an empty field (XGBoost's own "missing"), in a one-hot block all zeros. Infinities and NaN are
missing. For algorithms that know no missing value a block has a ``Filling``: a number stands for what is missing, a
further column says so (1) where the data had any, and values are scaled.

An encoding has at least two columns: SageMaker's server guesses the delimiter from the first line and fails without
one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from sluicegate.domain.dates import parse_date
from sluicegate.domain.names import digest
from sluicegate.domain.schema import BLANK, MISSING_MARKERS, Column, ColumnType, Value

ONE_HOT_LIMIT = 50
HASH_BUCKETS = 64
#: a longer text never gets a column of its own
LONGEST_CATEGORY = 256
LARGEST = 3e38

BlockKind = Literal["number", "boolean", "one_hot", "hashed", "date"]
_DATE_PARTS = ("days", "month", "weekday", "hour")
_MISSING = frozenset(MISSING_MARKERS)
_PADDING = "(constant)"


@dataclass(frozen=True)
class Filling:
    """What stands for a missing value of a number, boolean or date, and how its values are scaled: each becomes
    ``(value - mean) / deviation``. One item for each of the block's values (a date has four).
    """

    values: tuple[float, ...]
    scale: tuple[tuple[float, float], ...]
    #: whether a further column has 1 where the value is missing, else 0
    indicator: bool = False

    def scaled(self, values: Sequence[float]) -> str:
        """The fields of ``values``, without the indicator."""
        found = ((value - mean) / deviation for value, (mean, deviation) in zip(values, self.scale, strict=True))
        return ",".join(repr(max(-LARGEST, min(LARGEST, value))) for value in found)

    @cached_property
    def missing(self) -> str:
        """The fields of a missing value."""
        return self.scaled(self.values) + (",1" if self.indicator else "")

    def to_json(self) -> dict[str, Any]:
        return {"values": list(self.values), "scale": [list(pair) for pair in self.scale], "indicator": self.indicator}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Filling:
        scale = tuple((float(mean), float(deviation)) for mean, deviation in data["scale"])
        return cls(tuple(map(float, data["values"])), scale, bool(data["indicator"]))


@dataclass(frozen=True)
class Block:
    """The encoded columns of one column. ``categories`` only of one_hot, ``buckets`` only of hashed, ``filling`` only
    of number, boolean and date.
    """

    column: str
    kind: BlockKind
    categories: tuple[str, ...] = ()
    buckets: int = 0
    filling: Filling | None = None

    @property
    def source_type(self) -> ColumnType:
        return "category" if self.kind in ("one_hot", "hashed") else self.kind  # type: ignore[return-value]

    @property
    def feature_names(self) -> list[str]:
        if self.kind == "one_hot":
            return [*(f"{self.column}={category}" for category in self.categories), f"{self.column}=(other)"]
        if self.kind == "hashed":
            return [f"{self.column}#{bucket}" for bucket in range(self.buckets)]
        names = [f"{self.column}.{part}" for part in _DATE_PARTS] if self.kind == "date" else [self.column]
        return [*names, f"{self.column}=(missing)"] if self.filling is not None and self.filling.indicator else names

    @property
    def width(self) -> int:
        width = {"one_hot": len(self.categories) + 1, "hashed": self.buckets, "date": 4}.get(self.kind, 1)
        return width + (self.filling is not None and self.filling.indicator)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"column": self.column, "kind": self.kind}
        if self.kind == "one_hot":
            found["categories"] = list(self.categories)
        if self.kind == "hashed":
            found["buckets"] = self.buckets
        if self.filling is not None:
            found["filling"] = self.filling.to_json()
        return found


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
        fillings: Mapping[str, Filling] | None = None,
    ) -> Encoder:
        """An encoder for feature columns. A category column with ``categories`` is one-hot, without it hashed.

        ``fillings`` (by column, see ``data.fillings``) leave no field empty, for algorithms that need it so.
        """
        filled = fillings or {}
        return cls(tuple(replace(_block(column, buckets), filling=filled.get(column.name)) for column in columns))

    @cached_property
    def feature_names(self) -> list[str]:
        names = [name for block in self.blocks for name in block.feature_names]
        return [*names, _PADDING] if self._padded else names

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

    def sql(self, columns: Mapping[str, str]) -> list[str]:
        """DuckDB expressions for the same in bulk, one for each block; each gives the block's fields joined by commas.

        ``columns`` maps column names to expressions of their type (DOUBLE, BOOLEAN, VARCHAR, TIMESTAMP in UTC), with
        VARCHAR trimmed and missing markers already NULL, as ``data.ingest`` writes them. Write the result with quoting
        off: a joined block must not be quoted.
        """
        parts = [_block_sql(block, columns.get(block.column)) for block in self.blocks]
        return [*parts, "'0'"] if self._padded else parts

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


def _block(column: Column, buckets: int) -> Block:
    if column.type == "category":
        if column.categories is None:
            return Block(column.name, "hashed", buckets=buckets)
        kept = tuple(category for category in column.categories if len(category) <= LONGEST_CATEGORY)
        return Block(column.name, "one_hot", categories=kept)
    return Block(column.name, column.type)


def _unit(position: int, width: int) -> str:
    return ",".join("1" if place == position else "0" for place in range(width))


def _zeros(width: int) -> str:
    return ",".join("0" * width)


def _writer(block: Block) -> Callable[[Value], str]:
    if block.filling is not None:
        return _filled_writer(block.filling, _writer(replace(block, filling=None)))
    if block.kind == "number":
        return _write_number
    if block.kind == "boolean":
        return _write_boolean
    if block.kind == "date":
        return _write_date
    width, zeros = block.width, _zeros(block.width)
    units = [_unit(position, width) for position in range(width)]
    known = dict(zip(block.categories, units, strict=False))
    other = units[-1]
    one_hot, buckets = block.kind == "one_hot", block.buckets

    def write_category(value: Value) -> str:
        if value is None:
            return zeros
        text = str(value).strip(BLANK)
        if text in _MISSING:
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


def _write_number(value: Value) -> str:
    if value is None or isinstance(value, str):
        return ""
    number = float(value)
    if not math.isfinite(number):
        return ""
    return repr(max(-LARGEST, min(LARGEST, number)))


def _write_boolean(value: Value) -> str:
    return "" if value is None else "1" if value else "0"


def _write_date(value: Value) -> str:
    moment = parse_date(value.strip(BLANK)) if isinstance(value, str) else None
    if moment is None:
        return ",,,"
    return f"{moment.toordinal() - 719163},{moment.month},{moment.weekday()},{moment.hour}"


def text_sql(text: str) -> str:
    """``text`` as a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def date_parts_sql(source: str) -> list[str]:
    """Whole-number expressions of ``_DATE_PARTS``."""
    days = f"({source})::DATE - DATE '1970-01-01'"
    return [days, f"month({source})", f"isodow({source}) - 1", f"hour({source})"]


def _filled_sql(filling: Filling, present: str, values: Sequence[str]) -> str:
    """``values`` scaled where ``present`` is true, else what stands for a missing value."""
    fields = []
    for value, (mean, deviation) in zip(values, filling.scale, strict=True):
        # a bare 0.1 would be a DECIMAL to DuckDB
        scaled = f"({value} - {text_sql(repr(mean))}::DOUBLE) / {text_sql(repr(deviation))}::DOUBLE"
        fields.append(f"greatest(least({scaled}, {LARGEST}), -{LARGEST})::VARCHAR")
    joined = " || ',' || ".join(fields) + (" || ',0'" if filling.indicator else "")
    return f"CASE WHEN {present} THEN {joined} ELSE {text_sql(filling.missing)} END"


def _block_sql(block: Block, source: str | None) -> str:
    if block.filling is not None:
        if source is None:
            return text_sql(block.filling.missing)
        if block.kind == "number":
            held = f"greatest(least({source}, {LARGEST}), -{LARGEST})"
            return _filled_sql(block.filling, f"isfinite({source})", [held])
        if block.kind == "boolean":
            return _filled_sql(block.filling, f"{source} IS NOT NULL", [f"({source})::INTEGER::DOUBLE"])
        parts = [f"({part})::DOUBLE" for part in date_parts_sql(source)]
        return _filled_sql(block.filling, f"{source} IS NOT NULL", parts)
    if source is None:  # the data no longer has this column
        return text_sql(_zeros(block.width) if block.kind in ("one_hot", "hashed") else "," * (block.width - 1))
    if block.kind == "number":
        return f"CASE WHEN isfinite({source}) THEN greatest(least({source}, {LARGEST}), -{LARGEST}) END"
    if block.kind == "boolean":
        return f"CASE WHEN {source} THEN '1' WHEN NOT {source} THEN '0' END"
    if block.kind == "date":
        parts = [f"({part})::VARCHAR" for part in date_parts_sql(source)]
        joined = " || ',' || ".join(parts)
        return f"CASE WHEN {source} IS NULL THEN ',,,' ELSE {joined} END"
    width = block.width
    units = [_unit(position, width) for position in range(width)]
    zeros = text_sql(_zeros(width))
    if block.kind == "hashed":
        choices = ", ".join(text_sql(unit) for unit in units)
        picked = f"([{choices}])[(md5_number_lower({source}) % {block.buckets})::INTEGER + 1]"
        return f"CASE WHEN {source} IS NULL THEN {zeros} ELSE {picked} END"
    cases = " ".join(
        f"WHEN {text_sql(category)} THEN {text_sql(unit)}"
        for category, unit in zip(block.categories, units, strict=False)
    )
    picked = f"CASE {source} {cases} ELSE {text_sql(units[-1])} END" if cases else text_sql(units[-1])
    return f"CASE WHEN {source} IS NULL THEN {zeros} ELSE {picked} END"
