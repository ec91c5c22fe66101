"""Dates that are not written as ISO 8601: ``31/12/2025``, ``12/31/2025 2:05 PM``, ``3 Nov 2026``, seconds since 1970.

Which of them a column holds is declared (``features.dates`` in model.yaml), never guessed. A format is turned into
patterns and what to write in their place, so that a value becomes the same moment as ISO 8601 for a row in Python and
for a table in DuckDB; ``domain.dates`` reads that. Directives are those of C's ``strftime``:

==========  ===============================================================================
%d %m       day, month; one digit or two, two where no separator stands beside them
%b %B       month by its English name, short or whole, in any case: Nov, Sept., november
%Y %y       year of four digits; of two: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 (POSIX, ``strptime``)
%H %M %S    hour from 0 to 23, minute, second
%f          a fraction of a second, up to nine digits
%I %p       hour from 1 to 12, AM or PM
%z          Z or an offset such as +02:00
==========  ===============================================================================

``epoch_seconds`` and ``epoch_milliseconds`` count from 1970-01-01 UTC. A value in ISO 8601 is read whatever the format,
and one without a zone is UTC. Only the standard library: this module is on the prediction path's cold start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product

from sluicegate.domain.dates import parse_date

EPOCHS = {"epoch_seconds": 1_000, "epoch_milliseconds": 1}  # milliseconds in a unit
#: the first and the last moment that ``domain.dates`` has, in milliseconds
EPOCH_BOUNDS = (-62_135_596_800_000, 253_402_300_799_999)
EPOCH_PATTERN = r"([+-]?[0-9]{1,15})(?:\.[0-9]*)?"
LONGEST = 60
_ACCEPTED = "%Y %y %m %b %B %d %H %I %M %S %f %p %z, epoch_seconds and epoch_milliseconds"
# an hour of 24 and an offset of a day are times to DuckDB and none to Python
_ZONE = r"(Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"
#: a pattern, and what is written for it: None for its own group
_Choice = tuple[str, str | None]
_NO_DIGITS = ("%p", "%z", "%b", "%B")
_PM: list[_Choice] = [(f"0?{hour}" if hour < 10 else str(hour), str(hour % 12 + 12)) for hour in range(1, 13)]
_AM: list[_Choice] = [("12", "00"), ("(0?[1-9]|1[01])", None)]
_MONTHS: tuple[str, ...] = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_EXAMPLE = datetime(2026, 1, 31, 14, 5, 9)


@dataclass(frozen=True)
class DateFormat:
    """``rewrites``: a pattern of whole values, as RE2 and Python read it, and its ISO 8601, with ``\\1`` for a group.
    The first pattern that fits counts. Of an epoch there are none; ``unit`` says its milliseconds."""

    text: str
    rewrites: tuple[tuple[str, str], ...] = ()
    unit: int = 0

    @property
    def said(self) -> str:
        """What a value of it is called."""
        return f"a date such as {self.example} ({self.text}) or 2026-01-31"

    @property
    def example(self) -> str:
        """A value as this format writes it.

        >>> date_format("%d/%m/%Y %I:%M %p").example, date_format("epoch_seconds").example
        ('31/01/2026 02:05 PM', '1769868309')
        """
        if self.unit:
            return str(int(_EXAMPLE.replace(tzinfo=UTC).timestamp()) * 1_000 // self.unit)
        return _EXAMPLE.strftime(self.text.replace("%z", "Z").replace("%f", "000"))

    def iso(self, text: str) -> str:
        """The moment that ``text`` says as ISO 8601; ``text`` itself when it says none in this format.

        >>> date_format("%d/%m/%Y").iso("3/12/2025"), date_format("%d/%m/%Y").iso("31/02/2025")
        ('2025-12-3', '31/02/2025')
        """
        if self.unit:
            return self._since_1970(text)
        for pattern, written in self._patterns:
            if match := pattern.fullmatch(text):
                found = match.expand(written)
                return text if parse_date(found) is None else found
        return text

    def _since_1970(self, text: str) -> str:
        match = _EPOCH.fullmatch(text)
        if match is None:
            return text
        moment = int(match[1]) * self.unit
        if not EPOCH_BOUNDS[0] <= moment <= EPOCH_BOUNDS[1]:
            return text
        # whole days and seconds apart: a timedelta of many milliseconds is exact, a float of them is not
        return (datetime(1970, 1, 1) + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds")

    @property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        return _compiled(self)


@lru_cache(maxsize=256)
def _compiled(found: DateFormat) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), written) for pattern, written in found.rewrites]


_EPOCH = re.compile(EPOCH_PATTERN)


@lru_cache(maxsize=256)
def date_format(text: str) -> DateFormat:
    """What ``text`` declares. Raises ``ValueError`` with what is wrong with it.

    >>> date_format("%d.%m.%Y").rewrites
    (('([0-9]{1,2})\\\\.([0-9]{1,2})\\\\.([0-9]{4})', '\\\\3-\\\\2-\\\\1'),)
    >>> date_format("%d %j %Y")
    Traceback (most recent call last):
    ValueError: %j is none of %Y %y %m %b %B %d %H %I %M %S %f %p %z, epoch_seconds and epoch_milliseconds
    """
    if text in EPOCHS:
        return DateFormat(text, unit=EPOCHS[text])
    pieces = list(_pieces(text))
    _check([piece for piece in pieces if piece.startswith("%")])
    choices = [list(_choices(pieces, place)) for place in range(len(pieces))]
    halves: list[list[_Choice]] = [_PM, _AM] if "%p" in pieces else [[]]
    rewrites = []
    for half, hours in enumerate(halves):
        ways = [hours if piece == "%I" else choices[at] for at, piece in enumerate(pieces)]
        for chosen in product(*ways):
            rewrites.append(_rewrite(pieces, chosen, "[Pp]" if half == 0 else "[Aa]"))
    return DateFormat(text, tuple(rewrites))


def _pieces(text: str) -> Iterator[str]:
    """Directives, and the characters between them."""
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} characters; at most {LONGEST} are accepted")
    if not text.isprintable():
        raise ValueError("has characters that can't be printed")
    for piece in re.findall(r"%.?|[^%]", text):
        if piece.startswith("%") and piece not in _ACCEPTED.split(",")[0].split():
            raise ValueError(f"{piece} is none of {_ACCEPTED}")
        yield piece


def _check(directives: Sequence[str]) -> None:
    twice = [one for one in directives if directives.count(one) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is there twice")
    has = set(directives)
    if not has:
        raise ValueError(f'no format of a date; accepted are {_ACCEPTED}, such as "%d/%m/%Y"')
    for wanted, others in (("%d", {"%d"}), ("%m", {"%m", "%b", "%B"})):
        if not has & others:
            raise ValueError(f"{wanted} is missing: a date has a day, a month and a year")
    if len(has & {"%m", "%b", "%B"}) > 1:
        raise ValueError("the month is %m (a number), %b or %B (a name), one of them")
    if len(has & {"%Y", "%y"}) != 1:
        raise ValueError("the year is %Y (of four digits) or %y (of two), one of them")
    if len(has & {"%H", "%I"}) > 1 or ("%I" in has) != ("%p" in has):
        raise ValueError("the hour is %H, or %I with %p")
    hour = has & {"%H", "%I"}
    for later, sooner in (("%M", hour), ("%S", has & {"%M"}), ("%f", has & {"%S"}), ("%z", has & {"%M"})):
        if later in has and not sooner:
            raise ValueError(f"{later} needs {'an hour' if later == '%M' else '%S' if later == '%f' else '%M'}")
    if hour and "%M" not in has:
        raise ValueError("an hour needs %M")


def _choices(pieces: Sequence[str], place: int) -> Iterator[_Choice]:
    """The patterns of a piece."""
    piece = pieces[place]
    beside = [pieces[at] for at in (place - 1, place + 1) if 0 <= at < len(pieces)]
    width = "{2}" if any(other.startswith("%") and other not in _NO_DIGITS for other in beside) else "{1,2}"
    if piece == "%y":
        yield "(69|[7-9][0-9])", "19"
        yield "([0-5][0-9]|6[0-8])", "20"
    elif piece in ("%d", "%m"):
        yield f"([0-9]{width})", None
    elif piece in ("%b", "%B"):
        for number, name in enumerate(_MONTHS, start=1):
            yield _named(name), f"{number:02d}"
    elif piece == "%H":
        yield f"({'[01][0-9]' if width == '{2}' else '[01]?[0-9]'}|2[0-3])", None
    elif piece == "%p":
        yield "", None
    else:
        known = {"%Y": "([0-9]{4})", "%M": "([0-9]{2})", "%S": "([0-9]{2})", "%f": "([0-9]{1,9})", "%z": _ZONE}
        yield known.get(piece, re.escape(piece)), None


def _named(month: str) -> str:
    """A pattern of the month's name: its first three letters, with a point or the others.

    >>> _named("May"), _named("June")
    ('[Mm][Aa][Yy]\\\\.?', '[Jj][Uu][Nn](?:[Ee]|\\\\.)?')
    """
    letters = [f"[{letter.upper()}{letter.lower()}]" for letter in month]
    short, rest = "".join(letters[:3]), "".join(letters[3:])
    if not rest:
        return rf"{short}\.?"
    fourth = rf"|{letters[3]}\.?" if month == "September" else ""
    return rf"{short}(?:{rest}|\.{fourth})?"


def _rewrite(pieces: Sequence[str], chosen: Sequence[_Choice], half: str) -> tuple[str, str]:
    pattern, group = "", 0
    written: dict[str, str] = {}
    for piece, (part, said) in zip(pieces, chosen, strict=True):
        pattern += rf"{half}\.?[Mm]\.?" if piece == "%p" else part
        own = ""
        if piece.startswith("%") and part.startswith("("):
            group += 1
            own = f"\\{group}"
        written[piece] = f"{said}{own}" if piece == "%y" else said or own
    month = next(written[one] for one in ("%m", "%b", "%B") if one in written)
    iso = f"{written.get('%Y') or written.get('%y')}-{month}-{written['%d']}"
    hour = written.get("%H") or written.get("%I")
    if hour:
        iso += f"T{hour}:{written['%M']}"
        iso += f":{written['%S']}" if "%S" in written else ""
        iso += f".{written['%f']}" if "%f" in written else ""
        iso += written.get("%z", "")
    return pattern, iso


_DAYS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%d{0}%m{0}%y", "%m{0}%d{0}%y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_CANDIDATES = (
    *(day.format(separator) + time for separator in "/.-" for day in _DAYS for time in _TIMES),
    *(f"%Y.%m.%d{time}" for time in _TIMES),
    *(day + time for day in ("%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y") for time in _TIMES[:5]),
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "epoch_seconds",
    "epoch_milliseconds",
)
#: what a value looks like that may be one of the candidates; numbers only where the years are likely
LOOKS_LIKE = (
    r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}([ T].*)?|(19|20)[0-9]{2}[01][0-9][0-3][0-9]([0-9]{6})?|"
    r"1[0-9]{9}([0-9]{3})?|[0-9]{1,2}[ -][A-Za-z]{3,9}\.?[ -][0-9]{2,4}( .*)?|"
    r"[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}( .*)?"
)
_TRIED = 20


def likely(values: Sequence[str], share: float) -> list[str]:
    """The formats in which at least this share of the values are dates; two where nothing says whether the day or the
    month is first. For telling people, not for reading.

    >>> likely(["31/12/2025", "01/02/2025"], 1.0), likely(["01/02/2025", "02/03/2025"], 1.0)
    (['%d/%m/%Y'], ['%d/%m/%Y', '%m/%d/%Y'])
    """
    found = []
    for text in _CANDIDATES:
        candidate = date_format(text)
        if not any(_reads(candidate, value) for value in values[:_TRIED]):
            continue
        if sum(_reads(candidate, value) for value in values) >= share * len(values):
            found.append(text)
    return found


def _reads(candidate: DateFormat, value: str) -> bool:
    if candidate.unit and len(value) != len(candidate.example):
        return False
    return candidate.iso(value) != value
