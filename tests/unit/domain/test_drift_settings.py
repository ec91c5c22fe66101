"""``drift`` of model.yaml, and which period a look means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings_drift import SETTLED, Drift
from sluicegate.domain.settings_reader import parse_settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drift: {every: 10m}", 'drift.every: given "10m": accepted is a duration between 1h and 90d'),
        ("drift: {window: 100d}", 'drift.window: given "100d": accepted is a duration between 1h and 90d'),
        ("drift: {minimum_rows: 5}", "drift.minimum_rows: given 5; accepted is at least 100"),
        ("drift: {false_alarms: 0}", "drift.false_alarms: given 0; accepted is above 0"),
        ("drift: {evry: 1d}", "did you mean every?"),
        ("{drift: {watch: false}, retrain: {on: [drift]}}", "drift.watch: given false; retrain.on has drift"),
        ("retrain: {on: []}", "accepted is at least one of new_data, schedule, feedback and drift"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as found:
        parse_settings(text)
    assert said in found.value.detail


def test_on_drift_alone_data_wait() -> None:
    retrain = parse_settings("retrain: {on: [drift]}").retrain
    assert (retrain.by_drift, retrain.by_data) == (True, False)
    assert not parse_settings("").retrain.by_drift


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["1h", "6h", "1d", "7d"]))
def test_a_period_is_over_and_the_newest_and_the_same_until_the_next(moment: datetime, every: str) -> None:
    now = moment.replace(tzinfo=UTC)
    drift = Drift(every=every, window="2d")
    since, until = drift.period(now)
    hours = {"1h": 1, "6h": 6, "1d": 24, "7d": 168}[every]
    assert until + SETTLED <= now < until + SETTLED + timedelta(hours=hours)
    assert until - since == timedelta(days=2)
    assert drift.period(until + SETTLED) == (since, until)
    assert drift.period(until + SETTLED + timedelta(hours=hours)) == (
        since + timedelta(hours=hours),
        until + timedelta(hours=hours),
    )
