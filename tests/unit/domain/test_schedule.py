"""The application's schedules: refused precisely, and read as EventBridge (the region's) reads them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.events import schedule as of_region
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.schedule import BadSchedule, parse
from sluicegate.domain.settings_reader import parse_settings

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weekly", "accepted is rate"),
        ("rate(7 day)", "singular for 1"),
        ("rate(1 days)", "singular for 1"),
        ("rate(0 days)", "a rate is of 1 or more"),
        ("rate(1 minute)", "5 minutes to 366 days"),
        ("rate(400 days)", "5 minutes to 366 days"),
        ("cron(0 10 * * *)", "six fields"),
        ("cron(0 10 * * * *)", "exactly one"),
        ("cron(61 10 * * ? *)", "'61' is no minute"),
        ("cron(0 10 ? * FUNDAY *)", "'FUNDAY' is no day of the week: accepted is 1 to 7, or SUN to SAT"),
        ("cron(0/0 10 * * ? *)", "step"),
        ("cron(0 10 ? * 2#6 *)", "week of the month"),
        ("cron(0 10 1 1 ? 2020)", "never comes again"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_path(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(f"retrain: {{schedule: {text!r}}}")
    assert caught.value.detail.startswith("retrain.schedule: given ")
    assert words in caught.value.detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("on: []", "at least one of new_data, schedule, feedback and drift"),
        ("on: [schedule]", "say when in retrain.schedule"),
        ("{on: [new_data], schedule: rate(1 day)}", "schedule has no effect"),
        ("on: [weekly]", "retrain.on[0]: given"),
        ("window: {days: 3, rows: 5}", "either days or rows"),
        ("window: {}", "either days or rows"),
        ("window: {days: 0}", "retrain.window.days: given 0; accepted is at least 1"),
        ("window: {weeks: 1}", "retrain.window.weeks: unknown key"),
    ],
)
def test_what_is_wrong_with_retrain_is_said(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(f"retrain: {text}" if text.startswith("{") else f"retrain: {{{text}}}")
    assert words in caught.value.detail


def number(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    span = st.tuples(one, one).map("-".join)
    step = st.tuples(st.one_of(one, span, st.just("*")), st.integers(1, 9).map(str)).map("/".join)
    return st.lists(st.one_of(one, span, step, st.just("*")), min_size=1, max_size=3).map(",".join)


month_days = st.one_of(number(1, 31), st.just("L"), st.integers(1, 31).map(lambda day: f"{day}W"))
nth = st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}")
week_days = st.one_of(number(1, 7), nth, st.just("L"), st.integers(1, 7).map(lambda day: f"{day}L"))
days = st.one_of(month_days.map(lambda day: (day, "?")), week_days.map(lambda day: ("?", day)))


@given(number(0, 59), number(0, 23), days, number(1, 12), st.datetimes(datetime(2026, 1, 1), datetime(2035, 1, 1)))
def test_both_read_a_cron_expression_alike(
    minutes: str, hours: str, day: tuple[str, str], months: str, moment: datetime
) -> None:
    text = f"cron({minutes} {hours} {day[0]} {months} {day[1]} *)"
    at = moment.replace(tzinfo=UTC)
    assert parse(text).following(at) == of_region.parse(text).after(at), text


def test_a_rate_counts_from_where_it_is_asked() -> None:
    assert parse("rate(7 days)").following(NOW) == datetime(2026, 11, 29, 10, 30, tzinfo=UTC)
    with pytest.raises(BadSchedule):
        parse("rate(7  days)")
