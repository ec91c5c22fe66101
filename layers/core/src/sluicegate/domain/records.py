"""Records that a caller sends, checked and typed.

Only the standard library: this module is on the prediction path's cold start.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.domain.date_formats import date_format
from sluicegate.domain.dates import parse_date
from sluicegate.domain.errors import SluicegateError
from sluicegate.domain.flattening import SEPARATOR, Refused, above, flat, is_below, is_nested
from sluicegate.domain.schema import BLANK, MISSING_MARKERS, Column, Schema, Value

__all__ = [
    "FieldError",
    "InvalidRecords",
    "RecordLimits",
    "Records",
    "Value",
    "check_records",
    "logged_value",
    "parse_records",
    "read_records",
]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_MISSING = frozenset(MISSING_MARKERS)
_SHOWN = 60  # characters of a bad value that are shown back


@dataclass(frozen=True)
class RecordLimits:
    """What one request may hold."""

    records: int = 1_000
    bytes: int = 5 * 1024 * 1024
    #: an answer naming a hundred thousand mistakes helps nobody
    errors: int = 1_000


@dataclass(frozen=True)
class FieldError:
    """One mistake. ``record`` counts from 0; ``field`` is empty when the record or the body as a whole is wrong."""

    record: int | None
    field: str
    message: str

    def to_json(self) -> dict[str, Any]:
        return {"record": self.record, "field": self.field, "message": self.message}


class InvalidRecords(SluicegateError):
    """A request's records can't be used; ``errors`` has every mistake found (up to ``RecordLimits.errors``).

    ``status`` is the HTTP status that fits: 400, 413 (too large or too many) or 415 (content type).
    """

    def __init__(self, errors: Iterable[FieldError], status: int = 400) -> None:
        self.errors = tuple(errors)
        self.status = status
        super().__init__("; ".join(error.message for error in self.errors[:3]))


@dataclass(frozen=True)
class Records:
    """A request's records as they came, flat (see ``domain.flattening``), not yet checked against a schema.

    ``rows`` are JSON values, or lists of fields under ``header``. ``places`` are the records' places in the request
    (mistakes name them), where these are not all of its records.
    """

    rows: Sequence[Any]
    header: tuple[str, ...] | None = None
    places: Sequence[int] | None = None

    def only(self, places: Sequence[int]) -> Records:
        """Those at ``places`` of the request."""
        return Records([self.rows[place] for place in places], self.header, places)

    def plain(self, index: int) -> dict[str, Any]:
        """A record as {column: value}; of one that is none, {}."""
        row = self.rows[index]
        if self.header is not None:
            return dict(zip(self.header, row, strict=False))
        if not isinstance(row, dict):
            return {}
        return {name: value for name, value in row.items() if type(value) is not Refused}

    def place(self, index: int) -> int:
        return index if self.places is None else self.places[index]


def parse_records(
    body: bytes, content_type: str, schema: Schema, limits: RecordLimits | None = None
) -> list[dict[str, Value]]:
    """The records of a request's body, each with exactly the schema's columns (optional ones may be left out: None).

    ``application/json``: ``{"records": [{column: value}]}`` with strict types (null is a missing value); a column
    ``a.b`` may come as such or within an object ``a``, and null instead of the object is a missing value of each part.
    ``text/csv``: a header with the columns' names and a line for each record.
    The target, the id column and the schema's ignored columns may be there; they are dropped.
    Raises ``InvalidRecords`` with every mistake.
    """
    limits = limits or RecordLimits()
    return check_records(read_records(body, content_type, limits), schema, limits)


def read_records(body: bytes, content_type: str, limits: RecordLimits) -> Records:
    """What the body holds, whatever the columns. Raises ``InvalidRecords``."""
    if len(body) > limits.bytes:
        raise InvalidRecords(
            [FieldError(None, "", f"the body has {len(body):,} bytes; at most {limits.bytes:,} are accepted")], 413
        )
    media_type = content_type.split(";", 1)[0].strip().lower()
    if media_type in ("", "application/json"):
        return _read_json(body, limits)
    if media_type == "text/csv":
        return _read_csv(body, limits)
    message = f"content type {media_type[:_SHOWN]!r} is not accepted; send application/json or text/csv"
    raise InvalidRecords([FieldError(None, "", message)], 415)


def check_records(records: Records, schema: Schema, limits: RecordLimits) -> list[dict[str, Value]]:
    """The records typed by the schema's columns. Raises ``InvalidRecords`` with every mistake."""
    if records.header is not None:
        return _check_csv(records, records.header, schema, limits)
    return _check_json(records, schema, limits)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}"
        raise InvalidRecords([FieldError(None, "", message)]) from error


def _whole(message: str, status: int = 400) -> InvalidRecords:
    return InvalidRecords([FieldError(None, "", message)], status)


def _check_count(count: int, limits: RecordLimits) -> None:
    if count == 0:
        raise _whole("there are no records; send at least one")
    if count > limits.records:
        raise _whole(f"there are {count:,} records; at most {limits.records:,} are accepted in one request", 413)


def _read_json(body: bytes, limits: RecordLimits) -> Records:
    text = _text(body)
    if not text.strip():
        raise _whole('the body is empty; send {"records": [{…}]}')
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise _whole(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply; an integer of thousands of digits
        raise _whole(f"not usable JSON: {str(error)[:_SHOWN]}") from error
    if not isinstance(document, dict) or "records" not in document:
        without = ' without "records"' if isinstance(document, dict) else ""
        raise _whole(f'expected an object {{"records": [{{…}}]}}, got {_given(document)}{without}')
    if extra := sorted(set(document) - {"records"}):
        raise _whole(f'unknown key {extra[0][:_SHOWN]!r} beside "records"')
    records = document["records"]
    if not isinstance(records, list):
        raise _whole(f'"records" must be a list of objects, got {_given(records)}')
    _check_count(len(records), limits)
    return Records([flat(one) if isinstance(one, dict) and is_nested(one) else one for one in records])


def _check_json(records: Records, schema: Schema, limits: RecordLimits) -> list[dict[str, Value]]:
    columns, extra_names = _expected(schema)
    errors: list[FieldError] = []
    parsed: list[dict[str, Value]] = []
    for number, record in enumerate(records.rows):
        index = records.place(number)
        if len(errors) >= limits.errors:
            break
        if not isinstance(record, dict):
            errors.append(FieldError(index, "", f"a record must be an object {{column: value}}, got {_given(record)}"))
            continue
        row: dict[str, Value] = {}
        for name, column in columns.items():
            if name not in record:
                if column.optional or (SEPARATOR in name and _is_null_above(name, record)):
                    row[name] = None
                    continue
                errors.append(FieldError(index, name, "missing; send null if the value is unknown"))
                continue
            value = record[name]
            converted = _typed(column, value)
            if isinstance(converted, _Wrong):
                errors.append(FieldError(index, name, converted.message))
            else:
                row[name] = converted
        errors.extend(
            FieldError(index, name[:_SHOWN], _unknown(name, columns))
            for name, value in record.items()
            if name not in columns
            and name not in extra_names
            and not is_below(name, extra_names)
            and not (value is None and _has_parts(name, (*columns, *extra_names)))
        )
        parsed.append(row)
    if errors:
        raise InvalidRecords(errors[: limits.errors])
    return parsed


def _is_null_above(name: str, record: Mapping[str, Any]) -> bool:
    """Whether null stands where an object with the field ``name`` would."""
    return any(path in record and record[path] is None for path in above(name))


def _has_parts(name: str, names: Iterable[str]) -> bool:
    return any(known.startswith(name + SEPARATOR) for known in names)


def _read_csv(body: bytes, limits: RecordLimits) -> Records:
    reader = csv.reader(io.StringIO(_text(body), newline=""), strict=True)
    rows: list[list[str]] = []
    count = 0
    try:
        header = tuple(name.strip(BLANK) for name in next(reader, []))
        if not any(header):
            raise _whole("the body is empty; send a header with the columns' names and a line for each record")
        for fields in reader:
            if fields:
                count += 1
                if count <= limits.records:  # further ones are counted only
                    rows.append(fields)
    except csv.Error as error:
        raise _whole(f"not CSV: {error} (line {reader.line_num})") from error
    if count:  # without any, the header is looked at first
        _check_count(count, limits)
    return Records(rows, header)


def _check_csv(records: Records, header: Sequence[str], schema: Schema, limits: RecordLimits) -> list[dict[str, Value]]:
    columns, extra_names = _expected(schema)
    _check_header(header, columns, extra_names)
    _check_count(len(records.rows), limits)
    left_out = [name for name in columns if name not in header]
    used = [(position, name, columns[name]) for position, name in enumerate(header) if name in columns]
    errors: list[FieldError] = []
    parsed: list[dict[str, Value]] = []
    for number, fields in enumerate(records.rows):
        if len(errors) >= limits.errors:
            break
        index = records.place(number)
        if len(fields) != len(header):
            errors.append(FieldError(index, "", f"{len(fields)} fields, but the header has {len(header)}"))
            continue
        row: dict[str, Value] = dict.fromkeys(left_out)
        parsed.append(row)
        for position, name, column in used:
            converted = _from_text(column, fields[position])
            if isinstance(converted, _Wrong):
                errors.append(FieldError(index, name, converted.message))
            else:
                row[name] = converted
    if errors:
        raise InvalidRecords(errors[: limits.errors])
    return parsed


def _check_header(header: Sequence[str], columns: Mapping[str, Column], extra_names: frozenset[str]) -> None:
    for separator in (";", "\t", "|"):
        if len(columns) > 1 and len(header) == 1 and separator in header[0] and header[0] not in columns:
            raise _whole(f"the fields of CSV are separated by commas here; the header has {separator!r}")
    errors = [
        FieldError(None, name, "missing from the header")
        for name, column in columns.items()
        if name not in header and not column.optional
    ]
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            errors.append(FieldError(None, name, "twice in the header"))
        if name not in columns and name not in extra_names:
            errors.append(FieldError(None, name[:_SHOWN], _unknown(name, columns)))
    if errors:
        raise InvalidRecords(errors)


def _expected(schema: Schema) -> tuple[dict[str, Column], frozenset[str]]:
    own = {schema.target, schema.id_column}
    columns = {column.name: column for column in schema.columns if column.name not in own}
    return columns, frozenset(name for name in (*own, *schema.ignored) if name)


def _unknown(name: str, columns: Mapping[str, Column]) -> str:
    import difflib  # only when there is a mistake

    folded = {known.casefold(): known for known in columns}
    close = difflib.get_close_matches(name[:200].casefold(), folded, n=1)
    return f"unknown field; did you mean {folded[close[0]]!r}?" if close else "unknown field"


@dataclass(frozen=True)
class _Wrong:
    message: str


def _given(value: Any) -> str:
    kinds = {bool: "the boolean", int: "the number", float: "the number", str: "the string", list: "a list"}
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    shown = json.dumps(value, ensure_ascii=False)
    return f"{kinds[type(value)]} {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"


def _typed(column: Column, value: Any) -> Value | _Wrong:
    if value is None:
        return None
    if type(value) is Refused:
        return _Wrong(value.reason)
    if column.type == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return _Wrong(f"expected a number, got {_given(value)}")
        try:
            number = float(value)
        except OverflowError:
            return _Wrong("expected a number of at most 1.8e308, got a larger integer")
        if not math.isfinite(number):
            return _Wrong(f"expected a finite number, got {value}; send null if the value is unknown")
        return number
    if column.type == "boolean":
        return value if isinstance(value, bool) else _Wrong(f"expected true or false, got {_given(value)}")
    if column.type == "date" and column.format is not None and type(value) in (int, float):
        value = str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
    if not isinstance(value, str):
        kind = "a string" if column.type in ("category", "text") else "a date as a string, such as 2026-01-31T12:00:00Z"
        return _Wrong(f"expected {kind}, got {_given(value)}")
    return _date(column, value) if column.type == "date" else value


def logged_value(column: Column, value: Any, from_csv: bool) -> Value:
    """A field of a record that was answered, as its model read it. Raises ``ValueError`` for what no request could have
    held.

    >>> logged_value(Column("age", "number"), "41", True), logged_value(Column("plan", "category"), " NA ", True)
    (41.0, None)
    """
    found = _from_text(column, value) if from_csv and isinstance(value, str) else _typed(column, value)
    if isinstance(found, _Wrong):
        raise ValueError(found.message)
    return found


def _date(column: Column, text: str) -> Value | _Wrong:
    stripped = text.strip(BLANK)
    if stripped in _MISSING:
        return None
    if column.format is not None:
        stripped = date_format(column.format).iso(stripped)
    if parse_date(stripped) is None:
        if column.format is not None:
            return _Wrong(f"expected {date_format(column.format).said}, got {_given(text)}")
        return _Wrong(f"expected an ISO 8601 date such as 2026-01-31 or 2026-01-31T12:00:00Z, got {_given(text)}")
    return stripped


def _from_text(column: Column, text: str) -> Value | _Wrong:
    stripped = text.strip(BLANK)
    if stripped in _MISSING:
        return None
    if column.type in ("category", "text"):
        return stripped
    if column.type == "date":
        return _date(column, stripped)
    if column.type == "number":
        if stripped.casefold().lstrip("+-") in ("inf", "infinity", "nan"):
            return None
        if not _NUMBER.fullmatch(stripped):
            return _Wrong(f"expected a number, got {_given(text)}")
        number = float(stripped)
        return number if math.isfinite(number) else None
    folded = stripped.casefold()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    return _Wrong(f"expected true or false, got {_given(text)}")
