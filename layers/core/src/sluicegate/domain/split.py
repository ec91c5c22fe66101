"""Which split a row belongs to: for ever, however much data comes.

A row's key is its id, or else its own content without the target; a hash of the key chooses the split. The holdout lies
at the upper end of the hash's range and the validation split at the lower, so changing one share moves no row of the
other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from sluicegate.domain.dates import parse_date
from sluicegate.domain.schema import Column, Value

SplitName = Literal["train", "validation", "holdout"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "holdout")
#: the hash is reduced to this many buckets; shares are rounded to a millionth
BUCKETS = 1_000_000
_UNIT = "\x1f"


def thresholds(validation: float, holdout: float) -> tuple[int, int]:
    """Buckets below the first number are validation, from the second on holdout."""
    return round(validation * BUCKETS), BUCKETS - round(holdout * BUCKETS)


def bucket(key: str) -> int:
    """The last 64 bits (little endian) of the key's MD5, modulo ``BUCKETS``: DuckDB's ``md5_number_lower``."""
    digest = hashlib.md5(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little") % BUCKETS


def split_of(key: str, validation: float, holdout: float) -> SplitName:
    """The split of the row with this key; shares are of 1."""
    low, high = thresholds(validation, holdout)
    place = bucket(key)
    if place < low:
        return "validation"
    return "holdout" if place >= high else "train"


def split_sql(key: str, validation: float, holdout: float) -> str:
    """``split_of`` as a DuckDB expression: an index of ``SPLITS``. ``key`` is an expression."""
    low, high = thresholds(validation, holdout)
    place = f"(md5_number_lower({key}) % {BUCKETS})"
    return f"(CASE WHEN {place} < {low} THEN 1 WHEN {place} >= {high} THEN 2 ELSE 0 END)::UTINYINT"


def row_key(values: Mapping[str, Value], columns: Sequence[Column]) -> str:
    """A row's content as text: ``name=value`` of what is not missing, by name.

    A column that comes later is missing in earlier rows and so changes nothing for them. A value has the text that it
    would have as a category: a column whose type is changed later moves no row that a version has learned from.
    """
    parts = []
    for column in sorted(columns, key=lambda column: column.name):
        value = values.get(column.name)
        if value is not None:
            parts.append(f"{column.name}={_value_text(column, value)}")
    return _UNIT.join(parts)


def _value_text(column: Column, value: Value) -> str:
    if column.type == "number" and isinstance(value, (int, float)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    if column.type == "boolean":
        return "true" if value else "false"
    if column.type == "date" and isinstance(value, str):
        moment = parse_date(value)
        if moment is not None:
            text = moment.replace(tzinfo=None).isoformat(" ")
            return text.removesuffix(" 00:00:00") if not moment.microsecond else text.rstrip("0")
    return str(value)


def row_key_sql(columns: Sequence[Column], quoted: Mapping[str, str]) -> str:
    """``row_key`` as a DuckDB expression over typed columns; ``quoted`` maps each name to its SQL expression."""
    parts = []
    for column in sorted(columns, key=lambda column: column.name):
        expression = quoted[column.name]
        prefix = "'" + column.name.replace("'", "''") + "='"
        if column.type == "number":
            whole = f"{expression} = trunc({expression}) AND abs({expression}) < 1e15"
            text = f"(CASE WHEN {whole} THEN {expression}::BIGINT::VARCHAR ELSE {expression}::VARCHAR END)"
        elif column.type == "date":
            day = f"{expression}::DATE"
            text = f"(CASE WHEN {expression} = {day} THEN {day}::VARCHAR ELSE {expression}::VARCHAR END)"
        else:
            text = f"{expression}::VARCHAR"
        parts.append(f"{prefix} || {text}")
    return f"concat_ws(chr(31), {', '.join(parts)})" if parts else "''"
