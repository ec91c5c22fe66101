"""The part ``retrain`` of model.yaml: what starts a run, and how far back it looks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sluicegate.domain import schedule
from sluicegate.domain.durations import Duration, duration_seconds, within

#: a schedule that never comes after this has only past years
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _known_schedule(text: str) -> str:
    if schedule.parse(text).following(_SINCE) is None:
        raise schedule.BadSchedule("it never comes again: accepted is a schedule with a time to come")
    return text


class Window(_Part):
    """How much of the data counts: the newest days or the newest rows."""

    days: int | None = Field(default=None, ge=1, le=36_500, description="Data that came within so many days.")
    rows: int | None = Field(default=None, ge=1, description="So many of the rows that came last.")

    @model_validator(mode="after")
    def _one_measure(self) -> Window:
        if (self.days is None) == (self.rows is None):
            raise ValueError("accepted is either days or rows")
        return self


class Retrain(_Part):
    """What starts a run, and on how much of the data."""

    on: list[Literal["new_data", "schedule", "feedback", "drift"]] | None = Field(
        default=None,
        description="What starts a run; by default new data, and the schedule where there is one. feedback: labels "
        "that were sent for predictions become training data. drift: predictions have moved away from training.",
    )
    schedule: Annotated[str, AfterValidator(_known_schedule)] | None = Field(
        default=None, description="rate(7 days), or cron(minutes hours day-of-month month day-of-week year), in UTC."
    )
    quiet_period: Annotated[Duration, within(0, 900, "between 0s and 15m")] = Field(
        default="60s", description="How long no more data must come before a run starts."
    )
    min_new_rows: int = Field(default=1, ge=1, description="New accepted rows that make a run worth while.")
    window: Window | None = Field(default=None, description="Only the newest data; by default all.")

    @model_validator(mode="after")
    def _fits(self) -> Retrain:
        if self.on is not None and not self.on:
            raise ValueError("on: accepted is at least one of new_data, schedule, feedback and drift")
        if self.on is not None and "schedule" in self.on and self.schedule is None:
            raise ValueError("on has schedule: say when in retrain.schedule, such as rate(7 days)")
        if self.on is not None and "schedule" not in self.on and self.schedule is not None:
            raise ValueError("schedule has no effect while on doesn't name it: add schedule to on, or remove schedule")
        return self

    @property
    def quiet_seconds(self) -> int:
        return duration_seconds(self.quiet_period)

    @property
    def by_data(self) -> bool:
        """Whether new data start a run by themselves."""
        return self.on is None or "new_data" in self.on

    @property
    def by_feedback(self) -> bool:
        """Whether labels that were sent for predictions become data, and start a run."""
        return self.on is not None and "feedback" in self.on

    @property
    def by_drift(self) -> bool:
        """Whether a version that is found to have drifted starts a run on the data that came since."""
        return self.on is not None and "drift" in self.on

    def next_time(self, moment: datetime) -> datetime | None:
        """When the schedule comes next after ``moment``; None without one."""
        return None if self.schedule is None else schedule.parse(self.schedule).following(moment)

    def said_window(self) -> dict[str, Any] | None:
        return None if self.window is None else self.window.model_dump(exclude_none=True)
