"""The state of a metric alarm from the values of its metric. Pure.

Follows the CloudWatch user guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data". The
periods are counted back from now, as CloudWatch's own windows slide along with its evaluations.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

OPERATORS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
STATISTICS = frozenset({"SampleCount", "Average", "Sum", "Minimum", "Maximum"})
#: periods looked at beyond the alarm's own, so that late values fill gaps (the guide's example looks at 5 for 3)
_EXTRA_PERIODS = 2
_TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}


@dataclass(frozen=True)
class Sample:
    """One value of a metric (``count`` is 1), or several summed up."""

    at: datetime
    count: float
    total: float
    low: float
    high: float


@dataclass(frozen=True)
class Rule:
    """An alarm's terms: ``period`` in seconds, ``statistic`` one of ``STATISTICS`` or a percentile (``p99``)."""

    statistic: str
    period: int
    periods: int
    to_alarm: int
    comparison: str
    threshold: float
    missing: str = "missing"

    def window(self) -> timedelta:
        """How far back an evaluation looks."""
        return timedelta(seconds=self.period * (self.periods + _EXTRA_PERIODS))


@dataclass(frozen=True)
class Datapoint:
    """``at`` is the start of its period."""

    at: datetime
    value: float
    count: float


@dataclass(frozen=True)
class Verdict:
    """``state`` is None when the alarm keeps the one it has. ``recent`` are the values looked at, oldest first."""

    state: State | None
    reason: str
    recent: tuple[Datapoint, ...]


def datapoints(rule: Rule, samples: Sequence[Sample], now: datetime) -> list[Datapoint]:
    """The statistic of each period that has values, the newest period first."""
    found = []
    length = timedelta(seconds=rule.period)
    for index in range(rule.periods + _EXTRA_PERIODS):
        end = now - index * length
        inside = [sample for sample in samples if end - length < sample.at <= end]
        value = statistic(rule.statistic, inside)
        if value is not None:
            found.append(Datapoint(end - length, value, sum(sample.count for sample in inside)))
    return found


def statistic(name: str, samples: Sequence[Sample]) -> float | None:
    """None when there are no values (a percentile also when all of them are summed up)."""
    count = sum(sample.count for sample in samples)
    if not count:
        return None
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return sum(sample.total for sample in samples)
        case "Average":
            return sum(sample.total for sample in samples) / count
        case "Minimum":
            return min(sample.low for sample in samples)
        case "Maximum":
            return max(sample.high for sample in samples)
    return _percentile(float(name.removeprefix("p")), samples)


def _percentile(percent: float, samples: Sequence[Sample]) -> float | None:
    """By linear interpolation between single values; CloudWatch's own percentiles are approximate."""
    values = sorted(sample.total for sample in samples if sample.count == 1)
    if not values:
        return None
    place = (len(values) - 1) * percent / 100
    below, above = values[math.floor(place)], values[math.ceil(place)]
    return below + (above - below) * (place - math.floor(place))


def evaluate(rule: Rule, samples: Sequence[Sample], now: datetime) -> Verdict:
    """The state that the alarm should be in."""
    recent = datapoints(rule, samples, now)[: rule.periods]  # of those that exist the newest ones count
    lacking = rule.periods - len(recent)
    breaching = [point for point in recent if _breaches(rule, point.value)]
    shown = tuple(reversed(recent))
    bad = len(breaching) + (lacking if rule.missing == "breaching" else 0)
    if not recent and rule.missing == "missing":
        return Verdict("INSUFFICIENT_DATA", _unknown(lacking), shown)
    if not recent and rule.missing == "ignore":
        return Verdict(None, "", shown)
    if bad >= rule.to_alarm:
        return Verdict("ALARM", _crossed(rule, recent, breaching, lacking, "ALARM"), shown)
    if lacking and recent and len(breaching) == len(recent):
        if rule.missing == "ignore":
            return Verdict(None, "", shown)
        # The guide: the oldest breaching value is as old as "datapoints to alarm", all since are breaching or missing
        old_enough = now - timedelta(seconds=rule.period * rule.to_alarm) >= recent[-1].at
        if rule.missing == "missing" and old_enough:
            return Verdict("ALARM", _crossed(rule, recent, breaching, lacking, "ALARM"), shown)
    return Verdict("OK", _crossed(rule, recent, breaching, lacking, "OK"), shown)


def may_breach(rule: Rule, samples: Sequence[Sample]) -> bool:
    """Whether some of ``samples``, however they fall into periods, could make a value that breaches. False is sure."""
    if not samples:
        return False
    match rule.statistic:
        case "SampleCount":
            high, low = sum(sample.count for sample in samples), min(sample.count for sample in samples)
        case "Sum":
            high = max(sum(max(sample.total, 0) for sample in samples), max(sample.total for sample in samples))
            low = min(sum(min(sample.total, 0) for sample in samples), min(sample.total for sample in samples))
        case _:
            high, low = max(sample.high for sample in samples), min(sample.low for sample in samples)
    return _breaches(rule, high) or _breaches(rule, low)


def _breaches(rule: Rule, value: float) -> bool:
    return OPERATORS[rule.comparison][0](value, rule.threshold)


def _unknown(count: int) -> str:
    return f"Insufficient Data: {count} datapoint{' was' if count == 1 else 's were'} unknown."


def _crossed(rule: Rule, recent: list[Datapoint], breaching: list[Datapoint], lacking: int, state: State) -> str:
    """Worded as CloudWatch does."""
    treated = ""
    if lacking and rule.missing in _TREATED:
        plural = " was" if lacking == 1 else "s were"
        treated = f"{lacking} missing datapoint{plural} treated as [{_TREATED[rule.missing]}]"
    if not recent:
        return f"Threshold Crossed: no datapoints were received for {_counted(lacking, 'period')} and {treated}."
    meant = breaching if state == "ALARM" else [point for point in recent if point not in breaching]
    meant = meant or recent
    values = ", ".join(f"{float(point.value)} ({point.at:%d/%m/%y %H:%M:%S})" for point in meant)
    verb = "was" if len(meant) == 1 else "were"
    words = OPERATORS[rule.comparison][1]
    negation = "not " if state == "OK" and meant != breaching else ""
    needed = rule.to_alarm if state == "ALARM" else rule.periods - rule.to_alarm + 1
    step = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(meant)} out of the last {rule.periods} datapoints [{values}] "
        f"{verb} {negation}{words} the threshold ({rule.threshold}){f' and {treated}' if treated else ''} "
        f"(minimum {_counted(needed, 'datapoint')} for {step} transition)."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
