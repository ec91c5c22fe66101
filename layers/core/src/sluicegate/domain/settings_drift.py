"""The part ``drift`` of ``model.yaml``: how often predictions are compared with training, and what counts as drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sluicegate.domain.drift import Thresholds
from sluicegate.domain.durations import Duration, duration_seconds, within

_Name = Annotated[str, Field(min_length=1, max_length=300)]
_LongTime = within(3600, 90 * 86400, "between 1h and 90d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: how long the log is given to reach the bucket before a period is looked at
SETTLED = timedelta(minutes=10)


class Drift(BaseModel):
    """Whether what comes in, what goes out, and how good it is still are as in training."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    watch: bool = Field(default=True, description="Whether it is looked at.")
    every: Annotated[Duration, _LongTime] = Field(default="1d", description="How often.")
    window: Annotated[Duration, _LongTime] = Field(
        default="1d", description="How much of the newest predictions, and of the newest feedback, is compared."
    )
    minimum_rows: int = Field(
        default=500, ge=100, le=1_000_000, description="Predictions below which nothing is compared."
    )
    minimum_outcomes: int = Field(
        default=100, ge=30, le=1_000_000, description="Labels below which quality is not compared."
    )
    psi: float = Field(
        default=0.2,
        ge=0.01,
        le=10,
        description="Population stability index that a column must reach to count as drift.",
    )
    false_alarms: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="Share of false discoveries among the columns found; a column's test must agree with its PSI.",
    )
    exclude: list[_Name] = Field(default=[], description="Columns that may move without being drift.")

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.psi, self.false_alarms, self.minimum_rows)

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """The newest period that is over: from, and until when. The same for all looks until the next one is over."""
        step = timedelta(seconds=duration_seconds(self.every))
        until = _EPOCH + (now - SETTLED - _EPOCH) // step * step
        return until - timedelta(seconds=duration_seconds(self.window)), until
