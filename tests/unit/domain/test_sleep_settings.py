"""``idle_shutdown`` and ``keep_awake``: what they accept, and when a window holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.domain.settings_sleep import KeepAwake, kept_awake


def test_both_are_off_by_default() -> None:
    settings = parse_settings("")
    assert settings.idle_shutdown is None
    assert settings.keep_awake == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("idle_shutdown: 5m", "idle_shutdown: given '5m'|between 15m and 30d"),
        ("idle_shutdown: soon", "such as 60s or 5m"),
        ("keep_awake: [{from: 8, to: '10:00'}]", "keep_awake"),
        ("keep_awake: [{from: '25:00', to: '10:00'}]", "keep_awake"),
        ("keep_awake: [{from: '08:00'}]", "keep_awake"),
        ("keep_awake: [{from: '08:00', to: '08:00'}]", "some length"),
        ("keep_awake: [{from: '08:00', to: '10:00', days: [holiday]}]", "keep_awake"),
        ("keep_awake: [{from: '08:00', to: '10:00', days: []}]", "keep_awake"),
        ("keep_awake: [{from: '08:00', to: '10:00', timezone: Europe/Berlin}]", "such as \\+02:00"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_settings(text)


def test_a_window_of_the_week_holds_in_its_own_time() -> None:
    settings = parse_settings("keep_awake: [{from: '08:00', to: '18:00', days: [mon, fri], timezone: '+02:00'}]")
    inside = [datetime(2026, 11, 27, 6, 0, tzinfo=UTC), datetime(2026, 11, 27, 15, 59, tzinfo=UTC)]
    outside = [datetime(2026, 11, 27, 5, 59, tzinfo=UTC), datetime(2026, 11, 27, 16, 0, tzinfo=UTC)]
    outside.append(datetime(2026, 11, 26, 12, 0, tzinfo=UTC))
    assert all(kept_awake(settings.keep_awake, moment) for moment in inside)
    assert not any(kept_awake(settings.keep_awake, moment) for moment in outside)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    (window,) = parse_settings("keep_awake: [{from: '22:00', to: '06:00', days: [fri]}]").keep_awake
    assert window.holds(datetime(2026, 11, 27, 23, 0, tzinfo=UTC))
    assert window.holds(datetime(2026, 11, 28, 5, 59, tzinfo=UTC)), "saturday morning"
    assert not window.holds(datetime(2026, 11, 27, 5, 0, tzinfo=UTC)), "friday morning"
    assert not window.holds(datetime(2026, 11, 28, 6, 0, tzinfo=UTC))


@given(st.integers(0, 7 * 24 * 60 - 1), st.integers(0, 1439), st.integers(0, 1439))
def test_a_window_and_its_complement_share_no_minute_and_leave_none(minute: int, begin: int, end: int) -> None:
    moment = datetime(2026, 11, 23 + minute // 1440, minute % 1440 // 60, minute % 60, tzinfo=UTC)
    if begin == end:
        return

    def said(value: int) -> str:
        return f"{value // 60:02d}:{value % 60:02d}"

    window = KeepAwake.model_validate({"from": said(begin), "to": said(end)})
    other = KeepAwake.model_validate({"from": said(end), "to": said(begin)})
    assert window.holds(moment) is not other.holds(moment)
