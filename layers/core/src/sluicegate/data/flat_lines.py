"""``domain.flattening`` as a function of DuckDB: the very same code runs for a request and for a file's lines."""

from __future__ import annotations

import json
import math
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from sluicegate.domain.flattening import Refused, flat

FLAT_LINE = "flat_line"
#: the key of the object that stands for a value which is refused
REFUSED = "refused"


def register(connection: duckdb.DuckDBPyConnection) -> None:
    connection.create_function(FLAT_LINE, flat_line, ["VARCHAR"], "VARCHAR", null_handling=FunctionNullHandling.SPECIAL)


def flat_line(text: str | None) -> str | None:
    """A JSON object as one without objects and lists, but for ``{"refused": reason}``. None when it is none, or nested
    so deep that Python's reader gives up.

    >>> flat_line('{"a": {"b": 1.50}, "c": ["x", "y"], "d": [1], "e": 1e999}')[:45]
    '{"a.b":1.5,"c":"x y","d":{"refused": "a list '
    """
    if text is None:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    return "{" + ",".join(f"{json.dumps(name)}:{_written(value)}" for name, value in flat(record).items()) + "}"


def _written(value: Any) -> str:
    if isinstance(value, Refused):
        return json.dumps({REFUSED: value.reason})
    if isinstance(value, float) and not math.isfinite(value):  # what JSON wrote was a number that is too large
        return "1e999" if value > 0 else "-1e999"
    return json.dumps(value)
