"""Python's reader of CSV takes no field of more than 131,072 characters unless it is told to; texts are longer."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

#: a row of JSON lines may be so long, and a report of rejected rows has it in one field, quotes doubled
LONGEST_ROW = 20_000_000


@contextmanager
def long_fields(longest: int = LONGEST_ROW) -> Iterator[None]:
    """While this is open, fields may have ``longest`` characters."""
    before = csv.field_size_limit(longest)
    try:
        yield
    finally:
        csv.field_size_limit(before)
