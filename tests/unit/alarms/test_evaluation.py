"""States from values, with the tables of CloudWatch's guide on missing data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.alarms.evaluation import OPERATORS, STATISTICS, Rule, Sample, evaluate, may_breach, statistic

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def rule(missing: str = "missing", periods: int = 3, to_alarm: int = 3, **changed: object) -> Rule:
    settings = {"statistic": "Sum", "period": 60, "comparison": "GreaterThanThreshold", "threshold": 0.0, **changed}
    return Rule(periods=periods, to_alarm=to_alarm, missing=missing, **settings)  # type: ignore[arg-type]


def single(at: datetime, value: float) -> Sample:
    return Sample(at, 1, value, value, value)


def samples(pattern: str) -> list[Sample]:
    """``"0 - X"``: oldest period first; ``0`` is fine, ``X`` breaches, ``-`` is missing."""
    marks = pattern.split()
    values = {"0": 0.0, "X": 1.0}
    return [
        single(NOW - timedelta(seconds=60 * (len(marks) - place) - 30), values[mark])
        for place, mark in enumerate(marks)
        if mark != "-"
    ]


# The user guide's first table: 3 of 3, five periods looked at. None: the state stays.
THREE_OF_THREE = [
    ("0 - X - X", ("OK", "OK", "OK", "OK")),
    ("- - - - 0", ("OK", "OK", "OK", "OK")),
    ("- - - - -", ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
    ("0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("- - X - -", ("ALARM", None, "ALARM", "OK")),
]
# And the second: 2 of 3.
TWO_OF_THREE = [
    ("0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0 - X - -", ("OK", "OK", "ALARM", "OK")),
    ("- - - - 0", ("OK", "OK", "ALARM", "OK")),
    ("- - - X -", ("ALARM", None, "ALARM", "OK")),
]
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


@pytest.mark.parametrize(("pattern", "states"), THREE_OF_THREE)
def test_three_of_three(pattern: str, states: tuple[str | None, ...]) -> None:
    assert tuple(evaluate(rule(way), samples(pattern), NOW).state for way in TREATMENTS) == states


@pytest.mark.parametrize(("pattern", "states"), TWO_OF_THREE)
def test_two_of_three(pattern: str, states: tuple[str | None, ...]) -> None:
    found = tuple(evaluate(rule(way, to_alarm=2), samples(pattern), NOW).state for way in TREATMENTS)
    assert found == states


@pytest.mark.parametrize(
    ("comparison", "values"),
    [
        ("GreaterThanThreshold", {1.0: "OK", 2.0: "OK", 3.0: "ALARM"}),
        ("GreaterThanOrEqualToThreshold", {1.0: "OK", 2.0: "ALARM", 3.0: "ALARM"}),
        ("LessThanThreshold", {1.0: "ALARM", 2.0: "OK", 3.0: "OK"}),
        ("LessThanOrEqualToThreshold", {1.0: "ALARM", 2.0: "ALARM", 3.0: "OK"}),
    ],
)
def test_comparisons(comparison: str, values: dict[float, str]) -> None:
    asked = rule(periods=1, to_alarm=1, comparison=comparison, threshold=2.0)
    assert {value: evaluate(asked, [single(NOW, value)], NOW).state for value in values} == values


def test_statistics_of_single_and_summed_values() -> None:
    given = [single(NOW, 4.0), Sample(NOW, 3, 6.0, 1.0, 3.0)]
    assert statistic("Sum", given) == 10
    assert statistic("SampleCount", given) == 4
    assert statistic("Average", given) == 2.5
    assert (statistic("Minimum", given), statistic("Maximum", given)) == (1, 4)
    assert statistic("p50", [single(NOW, value) for value in (1.0, 2.0, 3.0, 10.0)]) == 2.5
    assert statistic("p99", given[1:]) is None
    assert statistic("Sum", []) is None


def test_a_value_leaves_when_its_period_is_over() -> None:
    asked = rule("notBreaching", periods=1, to_alarm=1)
    old = [single(NOW - timedelta(seconds=asked.window().total_seconds() + 1), 5.0)]
    assert evaluate(asked, old, NOW).state == "OK"
    assert evaluate(asked, [*old, single(NOW - timedelta(seconds=59), 5.0)], NOW).state == "ALARM"


def test_reasons_are_cloudwatchs() -> None:
    one = rule(periods=1, to_alarm=1)
    assert evaluate(one, [single(NOW, 5.0)], NOW).reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (22/11/26 11:59:00)] was greater than the threshold "
        "(0.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert evaluate(one, [single(NOW, 0.0)], NOW).reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (22/11/26 11:59:00)] was not greater than the "
        "threshold (0.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert evaluate(one, [], NOW).reason == "Insufficient Data: 1 datapoint was unknown."
    assert evaluate(rule("notBreaching", 1, 1), [], NOW).reason == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[NonBreaching]."
    )


@given(
    statistic=st.sampled_from(sorted(STATISTICS)),
    comparison=st.sampled_from(sorted(OPERATORS)),
    threshold=st.integers(-5, 5),
    values=st.lists(st.tuples(st.integers(0, 900), st.integers(-4, 4)), max_size=8),
)
def test_what_may_not_breach_never_does(
    statistic: str, comparison: str, threshold: int, values: list[tuple[int, int]]
) -> None:
    rule = Rule(statistic, 60, 3, 1, comparison, threshold, "notBreaching")
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    samples = [Sample(now - timedelta(seconds=age), 1, value, value, value) for age, value in values]
    if not may_breach(rule, samples):
        for minute in range(25):
            assert evaluate(rule, samples, now + timedelta(minutes=minute)).state == "OK"
