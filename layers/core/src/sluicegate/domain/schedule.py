"""``retrain.schedule``: ``rate(…)`` and ``cron(…)`` as EventBridge writes them, in UTC.

Source: "Creating an Amazon EventBridge rule that runs on a schedule", Amazon EventBridge User Guide.

>>> from datetime import UTC
>>> parse("rate(7 days)").following(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)).isoformat()
'2026-01-09T03:04:00+00:00'
>>> parse("cron(30 2 ? * MON *)").following(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)).isoformat()
'2026-01-05T02:30:00+00:00'
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

#: the schedules are looked at this often (template.yaml: WakeModelsFunction)
SHORTEST = timedelta(minutes=5)
_RATE = re.compile(r"rate\(([0-9]{1,6}) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\(([^()]*)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
#: 29 February on a given day of the week comes back after at most 40 years
_HORIZON = timedelta(days=41 * 366)
_LAST_YEAR = 2199


class BadSchedule(ValueError):
    """No schedule, or one that never comes; the message says what is accepted."""


class Schedule(Protocol):
    def following(self, moment: datetime) -> datetime | None:
        """The first time after ``moment``; None when it never comes again."""


@dataclass(frozen=True)
class Rate:
    every: timedelta

    def following(self, moment: datetime) -> datetime:
        return moment + self.every


@dataclass(frozen=True)
class Cron:
    """``month_day`` and ``week_day`` are the fields' text; one of them is ``?``."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_day: str
    months: frozenset[int]
    week_day: str
    years: frozenset[int]

    def following(self, moment: datetime) -> datetime | None:
        day, end = moment.date(), moment.date() + _HORIZON
        while day <= end and day.year <= _LAST_YEAR:
            if day.month not in self.months or day.year not in self.years:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._fires(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        found = datetime.combine(day, time(hour, minute), moment.tzinfo)
                        if found > moment:
                            return found
            day += timedelta(days=1)
        return None

    def _fires(self, day: date) -> bool:
        length = monthrange(day.year, day.month)[1]
        if self.week_day == "?":
            if self.month_day == "L":
                return day.day == length
            if self.month_day.endswith("W"):
                return day == _nearest_weekday(day.replace(day=min(int(self.month_day[:-1]), length)))
            return day.day in _values(self.month_day, 1, 31, (), "day of the month")
        number = day.isoweekday() % 7 + 1  # 1 is Sunday
        if "#" in self.week_day:
            wanted, _, week = self.week_day.partition("#")
            return number == _value(wanted, 1, 7, _DAYS, "day of the week") and (day.day + 6) // 7 == int(week)
        if self.week_day.endswith("L"):
            wanted = self.week_day[:-1] or "7"
            return number == _value(wanted, 1, 7, _DAYS, "day of the week") and day.day + 7 > length
        return number in _values(self.week_day, 1, 7, _DAYS, "day of the week")


def _nearest_weekday(day: date) -> date:
    """Monday to Friday nearest to ``day``, within its month."""
    steps = {6: (-1, 2), 7: (1, -2)}.get(day.isoweekday())
    if steps is None:
        return day
    near, far = (day + timedelta(days=step) for step in steps)
    return near if near.month == day.month else far


def parse(text: str) -> Rate | Cron:
    """Raises ``BadSchedule``."""
    if found := _RATE.fullmatch(text):
        return _rate(int(found[1]), found[2], plural=bool(found[3]))
    if found := _CRON.fullmatch(text):
        return _cron(found[1].split())
    raise BadSchedule("accepted is rate(…), such as rate(7 days), or cron(…), such as cron(0 3 ? * MON *)")


def _rate(count: int, unit: str, plural: bool) -> Rate:
    if count < 1:
        raise BadSchedule("a rate is of 1 or more: rate(1 day), rate(7 days)")
    if plural == (count == 1):
        raise BadSchedule("in a rate the unit is singular for 1 and plural from 2 on: rate(1 day), rate(7 days)")
    every = timedelta(**{f"{unit}s": count})
    if not SHORTEST <= every <= timedelta(days=366):
        raise BadSchedule("accepted is a rate from 5 minutes to 366 days")
    return Rate(every)


def _cron(fields: list[str]) -> Cron:
    if len(fields) != 6:
        raise BadSchedule(
            f"cron has six fields (minutes hours day-of-month month day-of-week year), here are {len(fields)}"
        )
    minutes, hours, month_day, months, week_day, years = (field.upper() for field in fields)
    if (month_day == "?") == (week_day == "?"):
        raise BadSchedule("in cron exactly one of day-of-month and day-of-week is ?")
    _check_days(month_day, week_day)
    return Cron(
        tuple(sorted(_values(minutes, 0, 59, (), "minute"))),
        tuple(sorted(_values(hours, 0, 23, (), "hour"))),
        month_day,
        _values(months, 1, 12, _MONTHS, "month"),
        week_day,
        _values(years, 1970, _LAST_YEAR, (), "year"),
    )


def _check_days(month_day: str, week_day: str) -> None:
    if week_day == "?":
        if month_day.endswith("W") and month_day != "W":
            _value(month_day[:-1], 1, 31, (), "day of the month")
        elif month_day != "L":
            _values(month_day, 1, 31, (), "day of the month")
    elif "#" in week_day:
        day, _, week = week_day.partition("#")
        _value(day, 1, 7, _DAYS, "day of the week")
        _value(week, 1, 5, (), "week of the month")
    elif week_day.endswith("L"):
        _value(week_day[:-1] or "7", 1, 7, _DAYS, "day of the week")
    else:
        _values(week_day, 1, 7, _DAYS, "day of the week")


def _value(text: str, low: int, high: int, named: tuple[str, ...], what: str) -> int:
    if text in named:
        return named.index(text) + 1
    if not (text.isascii() and text.isdigit()) or not low <= int(text[:6]) <= high:
        names = f", or {named[0]} to {named[-1]}" if named else ""
        raise BadSchedule(f"{text[:20]!r} is no {what}: accepted is {low} to {high}{names}")
    return int(text)


def _values(text: str, low: int, high: int, named: tuple[str, ...], what: str) -> frozenset[int]:
    """What a list such as ``1,3-5,10/2`` or ``*`` stands for; a span may go round the end (``FRI-MON``)."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isascii() and step.isdigit() and int(step[:6]) > 0):
            raise BadSchedule(f"{part[:20]!r}: the step after / is a whole number from 1 on")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _value(first, low, high, named, what)
            end = _value(last, low, high, named, what) if dash else (high if slash else start)
        values = [*range(start, end + 1)] if start <= end else [*range(start, high + 1), *range(low, end + 1)]
        found.update(values[:: int(step) if slash else 1])
    return frozenset(found)
