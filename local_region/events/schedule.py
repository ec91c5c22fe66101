"""When ``rate(…)`` and ``cron(…)`` rules fire. Pure; all times are aware and UTC.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

_RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|minutes|hour|hours|day|days)\s*\)")
_CRON = re.compile(r"cron\(\s*(.+?)\s*\)")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
_DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
#: years after which a cron expression that matched nothing never will (29 February on a given weekday takes 40)
_YEARS = 60


class BadSchedule(ValueError):
    """The expression is not one that EventBridge accepts; the text says what is wrong."""


def _numbers(text: str, low: int, high: int, names: dict[str, int], what: str) -> frozenset[int]:
    """The values that a field such as ``1,3-5,10/2,*`` stands for."""

    def number(part: str) -> int:
        value = names.get(part.upper())
        if value is None:
            if not part.isdigit():
                raise BadSchedule(f"{part!r} is no {what}")
            value = int(part)
        if not low <= value <= high:
            raise BadSchedule(f"{what} must be {low} to {high}, not {part}")
        return value

    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and (not step.isdigit() or int(step) == 0):
            raise BadSchedule(f"{part!r}: the step must be a whole number above 0")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        elif dash:
            start, end = number(first), number(last)
        else:
            start = number(first)
            end = high if slash else start
        values = [*range(start, end + 1)]
        if start > end:  # FRI-MON
            values = [*range(start, high + 1), *range(low, end + 1)]
        found |= set(values[:: int(step) if slash else 1])
    return frozenset(found)


def _weekday(moment: datetime) -> int:
    return moment.isoweekday() % 7 + 1  # SUN is 1


def _day_of_month(text: str) -> Callable[[datetime], bool]:
    def last(moment: datetime) -> int:
        return calendar.monthrange(moment.year, moment.month)[1]

    if text == "L":
        return lambda moment: moment.day == last(moment)
    if text.endswith("W") and text[:-1].isdigit():
        wanted = int(text[:-1])

        def nearest(moment: datetime) -> bool:
            day = min(wanted, last(moment))
            weekday = moment.replace(day=day).isoweekday()
            if weekday == 6:
                day = day - 1 if day > 1 else day + 2
            elif weekday == 7:
                day = day + 1 if day < last(moment) else day - 2
            return moment.day == day

        return nearest
    days = _numbers(text, 1, 31, {}, "day of month")
    return lambda moment: moment.day in days


def _day_of_week(text: str) -> Callable[[datetime], bool]:
    if "#" in text:
        day, _, nth = text.partition("#")
        wanted, count = _numbers(day, 1, 7, _DAYS, "day of week"), _numbers(nth, 1, 5, {}, "week")
        return lambda moment: _weekday(moment) in wanted and (moment.day - 1) // 7 + 1 in count
    if text.endswith("L"):
        wanted = _numbers(text[:-1] or "7", 1, 7, _DAYS, "day of week")
        return lambda m: _weekday(m) in wanted and m.day + 7 > calendar.monthrange(m.year, m.month)[1]
    days = _numbers(text, 1, 7, _DAYS, "day of week")
    return lambda moment: _weekday(moment) in days


@dataclass(frozen=True)
class Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    day: Callable[[datetime], bool]

    def after(self, moment: datetime) -> datetime | None:
        """The first time after ``moment``; None when there is none."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        end = min(2199, moment.year + _YEARS)
        while day.year <= end:
            if day.month not in self.months or day.year not in self.years:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self.day(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        found = day.replace(hour=hour, minute=minute)
                        if found > moment:
                            return found
            day += timedelta(days=1)
        return None


@dataclass(frozen=True)
class Rate:
    every: timedelta

    def after(self, moment: datetime) -> datetime:
        """One period later: the caller passes the rule's creation or its last firing."""
        return moment + self.every


def parse(expression: str) -> Cron | Rate:
    """``BadSchedule`` says what EventBridge would not accept."""
    if match := _RATE.fullmatch(expression):
        count, unit = int(match[1]), match[2]
        if count < 1 or (count == 1) == unit.endswith("s"):
            raise BadSchedule("a rate is 'rate(1 minute)' or 'rate(5 minutes)': the unit is singular for 1 only")
        return Rate(timedelta(**{f"{unit.rstrip('s')}s": count}))
    match_cron = _CRON.fullmatch(expression)
    fields = match_cron[1].split() if match_cron else []
    if len(fields) != 6:
        raise BadSchedule("it must be rate(value unit) or cron(minutes hours day-of-month month day-of-week year)")
    minute, hour, month_day, month, week_day, year = fields
    if (month_day == "?") == (week_day == "?"):
        raise BadSchedule("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        _numbers(minute, 0, 59, {}, "minute"),
        _numbers(hour, 0, 23, {}, "hour"),
        _numbers(month, 1, 12, _MONTHS, "month"),
        _numbers(year, 1970, 2199, {}, "year"),
        _day_of_week(week_day) if month_day == "?" else _day_of_month(month_day),
    )
