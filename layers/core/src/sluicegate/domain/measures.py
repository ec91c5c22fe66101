"""The results of measuring, without numpy: read by whoever shows or judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: metrics for which a smaller value is the better one
LOWER_IS_BETTER = frozenset({"logloss", "rmse", "mae", "mean_distance", "reconstruction_error", "flagged_share"})


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Estimate:
        return cls(float(data["value"]), float(data["low"]), float(data["high"]))


@dataclass(frozen=True)
class Comparison:
    """Challenger against champion over the same rows: positive is better, whatever the metric's direction."""

    difference: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return {"difference": self.difference, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        return cls(float(data["difference"]), float(data["low"]), float(data["high"]))
