"""When an endpoint is shut down because nobody calls it: ``idle_shutdown`` and ``keep_awake`` of model.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sluicegate.domain.durations import Duration, within

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_OFFSET = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")

#: shorter would let an endpoint of instances start more often than it pays
IdleShutdown = Annotated[Duration, within(900, 30 * 86400, "between 15m and 30d")]


def _zone(text: str) -> str:
    zone(text)
    return text


def zone(text: str) -> timezone:
    """``UTC`` or an offset. ``ValueError`` for names of places: their rules change, and a function doesn't have them.

    >>> zone("+02:00").utcoffset(None)
    datetime.timedelta(seconds=7200)
    """
    if text == "UTC":
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[2]) > 14:
        raise ValueError("accepted is UTC or an offset from it, such as +02:00")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


class KeepAwake(BaseModel):
    """A time of the day in which the endpoint stays, called or not."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    begin: str = Field(alias="from", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="From, such as 08:00.")
    to: str = Field(
        pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        description="Until then, such as 18:00; before from: on the next day.",
    )
    days: list[Day] = Field(
        default=list(DAYS), min_length=1, description="The days on which it begins; by default all."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="UTC or an offset from it, such as +02:00."
    )

    @model_validator(mode="after")
    def _some_time(self) -> KeepAwake:
        if self.begin == self.to:
            raise ValueError("from and to are the same: accepted is a time of some length, such as 00:00 to 24:00")
        return self

    def holds(self, moment: datetime) -> bool:
        """Whether ``moment`` (aware) lies in it."""
        local = moment.astimezone(zone(self.timezone))
        begin, end, now = _minutes(self.begin), _minutes(self.to), local.hour * 60 + local.minute
        today, yesterday = DAYS[local.weekday()] in self.days, DAYS[local.weekday() - 1] in self.days
        if begin < end:
            return today and begin <= now < end
        return (today and now >= begin) or (yesterday and now < end)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def kept_awake(windows: Iterable[KeepAwake], moment: datetime) -> bool:
    return any(window.holds(moment) for window in windows)
