"""One reading of dates, the same for a row in Python and for a table in DuckDB."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

#: ISO 8601 as people write it, as RE2 and Python read it.
DATE_PATTERN = (
    r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"
    r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_PARTS = re.compile(
    r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})"
    r"(?:[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?:(Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)


def parse_date(text: str) -> datetime | None:
    """The moment that ``text`` names, in UTC (a date without a zone is taken as UTC), or None.

    >>> parse_date("2026-01-31T12:00:00+02:00")
    datetime.datetime(2026, 1, 31, 10, 0, tzinfo=datetime.timezone.utc)
    >>> parse_date("31.1.2026") is None
    True
    """
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    year, _, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")[:6]),
            tzinfo=_zone(zone),
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or in UTC outside the years 1 to 9999
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
