"""Numbers as files write them: ``1,234.5``, ``1.234,5``, ``1'234.50``, ``$12.00``, ``45%``.

How a column of a file does it is found from its values. A format is a pattern that RE2 and Python read alike, and what
is taken out of a value that fits, so that a file rewritten in Python and a batch read by DuckDB have the same numbers.
A value that doesn't follow its column's format is no number: ``3.14`` beside ``1.234,5`` would be another one than was
meant. Only the standard library.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Decimal = Literal[".", ","]

#: what a value of any format looks like (RE2)
LOOKS_LIKE = (
    r"[+-]?(?:\p{Sc}[ \x{a0}\x{202f}]?[+-]?)?[0-9.,][0-9.,'\x{2019} \x{a0}\x{202f}]*(?:[eE][+-]?[0-9]+)?"
    r"[ \x{a0}\x{202f}]?[%\p{Sc}]?"
)
_GROUPS = {",": ",", ".": ".", "'": "'\u2019", " ": " \u00a0\u202f"}
_NO_BREAK = _GROUPS[" "][1:]
_FORMS: tuple[tuple[Decimal, str], ...] = ((".", ","), (".", "'"), (".", " "), (",", "."), (",", "'"), (",", " "))
_SPACE = "[ \u00a0\u202f]?"
_NOT_FINITE = ("inf", "infinity", "nan")
#: below this share of its values a column's own evidence may be mistakes, and the file's other columns count first
_EVIDENCE = 0.01


@dataclass(frozen=True)
class NumberFormat:
    """``decimal`` stands before the fraction, ``groups`` (a key of ``_GROUPS``) between groups of three digits, which
    may be left out. ``unit`` is a percent sign, which every value then has, or a currency's, which may be left out."""

    decimal: Decimal
    groups: str
    unit: str = ""

    @cached_property
    def pattern(self) -> str:
        """Of whole values. Its three groups, one after the other, are the number with its sign."""
        decimal, unit = re.escape(self.decimal), re.escape(self.unit)
        digits = rf"(?:[1-9][0-9]{{0,2}}(?:[{self.between}][0-9]{{3}})+|[0-9]+)(?:{decimal}[0-9]*)?|{decimal}[0-9]+"
        number = rf"((?:{digits})(?:[eE][+-]?[0-9]+)?)"
        if self.unit == "%":
            return rf"([+-]?)(){number}{_SPACE}%"
        if self.unit:
            return rf"(?:([+-]?)(?:{unit}{_SPACE})?|{unit}{_SPACE}([+-])){number}(?:{_SPACE}{unit})?"
        return rf"([+-]?)(){number}"

    @property
    def between(self) -> str:
        """The characters that may stand between groups."""
        return _GROUPS[self.groups]

    @property
    def example(self) -> str:
        """A number as this format writes it.

        >>> NumberFormat(",", ".").example, NumberFormat(".", ",", "$").example, NumberFormat(".", "'", "%").example
        ('1.234,5', '$1,234.5', "1'234.5%")
        """
        number = f"1{self.groups}234{self.decimal}5"
        return number + self.unit if self.unit in ("", "%") else self.unit + number

    @property
    def said(self) -> str:
        """What a value of it is called."""
        return f"a number such as {self.example}"

    def plain(self, text: str) -> str | None:
        """The number as programs write it; None when ``text`` is none in this format.

        >>> NumberFormat(",", ".").plain("-1.234,5"), NumberFormat(".", ",").plain("0,443")
        ('-1234.5', None)
        """
        match = self._compiled.fullmatch(text)
        if match is None:
            return text if text.casefold().lstrip("+-") in _NOT_FINITE else None
        number = match[3]
        for character in self.between:
            number = number.replace(character, "")
        return f"{match[1] or ''}{match[2] or ''}{number.replace(self.decimal, '.')}"

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


@dataclass(frozen=True)
class Candidates:
    """The formats of a column's values with a decimal point and with a decimal comma; ``1,234`` alone may be of either.
    ``lead``: how much larger the share of the values is that the one with a point has. ``example``: a value that is
    not written as programs do.
    """

    point: NumberFormat | None
    comma: NumberFormat | None
    lead: float
    example: str

    @property
    def says(self) -> Decimal | None:
        """The decimal sign as this column alone tells it."""
        if self.comma is None:
            return "."
        if self.point is None:
            return ","
        return None if abs(self.lead) < _EVIDENCE else "." if self.lead > 0 else ","

    def choose(self, elsewhere: Decimal | None, usual: Decimal) -> NumberFormat:
        """The format, when the file's other columns have the decimal sign ``elsewhere`` (None: nothing says so);
        ``usual`` is what files of this kind mostly have."""
        few: Decimal | None = None if self.lead == 0 else "." if self.lead > 0 else ","
        chosen = self.comma if (self.says or elsewhere or few or usual) == "," else self.point
        assert chosen is not None  # says tells the other sign where there is only one
        return chosen


def candidates(values: Mapping[str, int], share: float) -> Candidates | None:
    """What formats at least this ``share`` of the values have (text → how often it is there); None without any.

    >>> candidates({"1,234": 9, "0,5": 1}, 0.95).says, candidates({"1,234": 9}, 0.95).says
    (',', None)
    """
    total, unit = sum(values.values()), _unit(values)
    best: dict[Decimal, tuple[int, NumberFormat]] = {}
    for decimal, groups in _FORMS:
        if groups == " " and not unit and not _certainly_numbers(values, decimal):
            continue
        form = NumberFormat(decimal, groups, unit)
        fits = sum(count for text, count in values.items() if form.plain(text) is not None)
        if fits >= share * total and fits > best.get(decimal, (0, form))[0]:
            best[decimal] = fits, form
    if not best:
        return None
    point, comma = best.get("."), best.get(",")
    lead = ((point[0] if point else 0) - (comma[0] if comma else 0)) / total
    forms = [found[1] for found in (comma, point) if found]
    marked = [text for text in values if any(form.plain(text) not in (None, text) for form in forms)]
    example = max(marked, key=lambda text: (len(text), text), default="")
    return Candidates(point[1] if point else None, comma[1] if comma else None, lead, example)


def _certainly_numbers(values: Mapping[str, int], decimal: Decimal) -> bool:
    """Digits in groups of three with plain spaces between them may be telephone numbers."""
    return any(decimal in text or any(space in text for space in _NO_BREAK) for text in values)


def _unit(values: Mapping[str, int]) -> str:
    """The percent or currency sign that the most values have, or none."""
    found: dict[str, int] = {}
    for text, count in values.items():
        for sign in {sign for sign in text if sign == "%" or unicodedata.category(sign) == "Sc"}:
            found[sign] = found.get(sign, 0) + count
    return max(found, key=lambda sign: (found[sign], sign)) if found else ""
