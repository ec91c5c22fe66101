"""The parts of an encoder: what each column becomes (see ``domain.encoder``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sluicegate.domain.schema import ColumnType

ONE_HOT_LIMIT = 50
HASH_BUCKETS = 64
#: a longer text never gets a column of its own
LONGEST_CATEGORY = 256
LARGEST = 3e38

BlockKind = Literal["number", "boolean", "one_hot", "hashed", "date", "text", "constant"]
_DATE_PARTS = ("days", "month", "weekday", "hour")
PADDING = "(constant)"


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
    """The encoded columns of one column. ``categories`` only of one_hot, ``buckets`` only of hashed and text,
    ``filling`` only of number, boolean and date.
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
    def is_indicator(self) -> bool:
        """Mostly zeros by construction: a sparse row leaves them out."""
        return self.kind in ("one_hot", "hashed", "text")

    @property
    def feature_names(self) -> list[str]:
        if self.kind == "one_hot":
            return [*(f"{self.column}={category}" for category in self.categories), f"{self.column}=(other)"]
        if self.kind in ("hashed", "text"):
            return [f"{self.column}#{bucket}" for bucket in range(self.buckets)]
        names = [f"{self.column}.{part}" for part in _DATE_PARTS] if self.kind == "date" else [self.column]
        return [*names, f"{self.column}=(missing)"] if self.filling is not None and self.filling.indicator else names

    @property
    def width(self) -> int:
        width = {"one_hot": len(self.categories) + 1, "hashed": self.buckets, "text": self.buckets, "date": 4}.get(
            self.kind, 1
        )
        return width + (self.filling is not None and self.filling.indicator)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"column": self.column, "kind": self.kind}
        if self.kind == "one_hot":
            found["categories"] = list(self.categories)
        if self.kind in ("hashed", "text"):
            found["buckets"] = self.buckets
        if self.filling is not None:
            found["filling"] = self.filling.to_json()
        return found


def unit_fields(position: int, width: int) -> str:
    """A one-hot block's fields with a one at ``position``."""
    return ",".join("1" if place == position else "0" for place in range(width))


def zero_fields(width: int) -> str:
    """The fields of a one-hot block that is missing."""
    return ",".join("0" * width)
