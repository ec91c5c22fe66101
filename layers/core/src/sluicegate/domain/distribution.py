"""How the values of a column, or of predictions, are spread: counts in bins that the training rows set.

Cheap to import and pure: what counts live values has neither numpy nor DuckDB.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sluicegate.domain.schema import Value

#: bins of about as many training rows each
BINS = 10
#: categories with a count of their own
MOST_VALUES = 30


@dataclass(frozen=True)
class Distribution:
    """Of numbers: ``counts`` has one more than ``edges``; bin i holds what is above edge i - 1 and at most edge i.

    Of categories: ``counts`` has one more than ``values``, the last for every other value. ``missing`` counts apart.
    """

    kind: Literal["number", "category"]
    edges: tuple[float, ...]
    values: tuple[str, ...]
    counts: tuple[int, ...]
    missing: int = 0

    def __post_init__(self) -> None:
        cuts = self.edges if self.kind == "number" else self.values
        if len(self.counts) != len(cuts) + 1:
            raise ValueError(f"{len(self.counts)} counts for {len(cuts)} edges or values")

    @classmethod
    def of_numbers(cls, numbers: Iterable[float | None], bins: int = BINS) -> Distribution:
        """Bins between quantiles of the numbers themselves; equal numbers never fall into two."""
        given = list(numbers)
        known = sorted(number for number in given if number is not None and math.isfinite(number))
        edges = sorted({known[len(known) * place // bins] for place in range(1, bins)}) if known else []
        # above the greatest number there is nothing
        edges = [edge for edge in edges if edge < known[-1]]
        return cls("number", tuple(edges), (), (0,) * (len(edges) + 1)).counting(given)

    @classmethod
    def of_categories(cls, counts: Mapping[str, int], missing: int = 0) -> Distribution:
        """The most frequent ones by name, the rest as one."""
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = ordered[:MOST_VALUES]
        rest = sum(count for _, count in ordered[MOST_VALUES:])
        return cls("category", (), tuple(name for name, _ in kept), (*(count for _, count in kept), rest), missing)

    @property
    def rows(self) -> int:
        return sum(self.counts) + self.missing

    @property
    def names(self) -> tuple[str, ...]:
        """What each count is of, in words; the last is of what is missing.

        >>> Distribution("number", (1.0, 2.5), (), (4, 3, 2)).names
        ('at most 1', 'above 1 and at most 2.5', 'above 2.5', 'missing')
        """
        if self.kind == "category":
            return (*(repr(value[:40]) for value in self.values), "other values", "missing")
        found = []
        for place in range(len(self.counts)):
            low = f"above {self.edges[place - 1]:.6g}" if place else ""
            high = f"at most {self.edges[place]:.6g}" if place < len(self.edges) else ""
            found.append(" and ".join(part for part in (low, high) if part) or "any number")
        return (*found, "missing")

    @property
    def shares(self) -> tuple[float, ...]:
        """Of all rows, in the order of ``names``; all 0 without a row."""
        rows = max(self.rows, 1)
        return tuple(count / rows for count in (*self.counts, self.missing))

    def counting(self, values: Iterable[Value]) -> Distribution:
        """The same bins with the counts of ``values``. A value that is no number counts as missing among numbers."""
        counts = [0] * len(self.counts)
        missing = 0
        if self.kind == "number":
            for value in values:
                if value is None or isinstance(value, str) or not math.isfinite(value):
                    missing += 1
                else:
                    counts[bisect_left(self.edges, value)] += 1
        else:
            index = {name: place for place, name in enumerate(self.values)}
            for name, count in Counter(values).items():
                if name is None:
                    missing += count
                else:
                    counts[index.get(as_text(name), len(self.values))] += count
        return replace(self, counts=tuple(counts), missing=missing)

    def __add__(self, other: Distribution) -> Distribution:
        """Both together. Raises ``ValueError`` unless their bins are the same."""
        if (self.kind, self.edges, self.values) != (other.kind, other.edges, other.values):
            raise ValueError("distributions over different bins don't add up")
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        return replace(self, counts=counts, missing=self.missing + other.missing)

    def to_json(self) -> dict[str, Any]:
        cuts: dict[str, Any] = {"edges": list(self.edges)} if self.kind == "number" else {"values": list(self.values)}
        return cuts | {"counts": list(self.counts), "missing": self.missing}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Distribution:
        counts, missing = tuple(int(count) for count in data["counts"]), int(data["missing"])
        if "edges" in data:
            return cls("number", tuple(float(edge) for edge in data["edges"]), (), counts, missing)
        return cls("category", (), tuple(data["values"]), counts, missing)


def as_text(value: float | bool | str) -> str:
    """A value as the data set names it: a whole number without a point, a boolean in lower case.

    >>> as_text(3.0), as_text(True), as_text("plan a")
    ('3', 'true', 'plan a')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def of_profile(profile: Mapping[str, Any], names: Sequence[str] | None = None) -> dict[str, Distribution]:
    """The distributions that a data set's profile has, by column: none in one from before they were kept."""
    return {
        column["name"]: Distribution.from_json(column["distribution"])
        for column in profile.get("columns") or ()
        if column.get("distribution") and (names is None or column["name"] in names)
    }
