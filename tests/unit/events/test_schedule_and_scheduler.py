"""When rules fire: expressions, and a scheduler whose clock the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local_region.events.schedule import BadSchedule, parse
from local_region.events.scheduler import Scheduler

NOW = datetime(2026, 11, 22, 10, 30, 15, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("rate(1 minute)", datetime(2026, 11, 22, 10, 31, 15)),
        ("rate(5 hours)", datetime(2026, 11, 22, 15, 30, 15)),
        ("rate(7 days)", datetime(2026, 11, 29, 10, 30, 15)),
        ("cron(0 10 * * ? *)", datetime(2026, 11, 23, 10, 0)),
        ("cron(31 10 * * ? *)", datetime(2026, 11, 22, 10, 31)),
        ("cron(0/15 * * * ? *)", datetime(2026, 11, 22, 10, 45)),
        ("cron(0 8 1 * ? *)", datetime(2026, 12, 1, 8, 0)),
        ("cron(0 18 ? * MON-FRI *)", datetime(2026, 11, 23, 18, 0)),
        ("cron(0 9 ? * 2#1 *)", datetime(2026, 12, 7, 9, 0)),
        ("cron(0 9 ? * 6L *)", datetime(2026, 11, 27, 9, 0)),
        ("cron(0 0 L * ? *)", datetime(2026, 11, 30, 0, 0)),
        ("cron(0 0 15W AUG ? *)", datetime(2027, 8, 16, 0, 0)),
        ("cron(0 0 29 2 ? *)", datetime(2028, 2, 29, 0, 0)),
        ("cron(5,35 14 ? JAN,JUL FRI 2027-2028)", datetime(2027, 1, 1, 14, 5)),
    ],
)
def test_the_next_time(expression: str, following: datetime) -> None:
    assert parse(expression).after(NOW) == following.replace(tzinfo=UTC)


def test_a_past_year_never_comes() -> None:
    assert parse("cron(0 0 1 1 ? 2020)").after(NOW) is None


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "cron(0 10 * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 ? * FOO *)",
        "cron(0/0 10 * * ? *)",
        "at(2026-11-22T10:00:00)",
    ],
)
def test_expressions_that_are_refused(expression: str) -> None:
    with pytest.raises(BadSchedule):
        parse(expression)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def test_rules_fire_by_the_regions_clock() -> None:
    clock, fired = Clock(), list[tuple[str, datetime]]()
    rules = [("often", "rate(1 minute)", True), ("off", "rate(1 minute)", False)]
    scheduler = Scheduler(clock, lambda: rules, lambda name, moment: fired.append((name, moment)))
    assert scheduler.step() == 60
    clock.sleep(59)
    assert scheduler.step() == pytest.approx(1)
    assert fired == []
    clock.sleep(1)
    scheduler.step()
    assert fired == [("often", NOW + timedelta(seconds=60))]
    clock.sleep(180)  # the clock was moved ahead: each missed time fires, at its own time
    scheduler.step()
    assert [moment - NOW for _, moment in fired] == [timedelta(minutes=n) for n in (1, 2, 3, 4)]


def test_a_changed_rule_starts_anew_and_a_deleted_one_is_forgotten() -> None:
    clock, fired = Clock(), list[str]()
    rules = [("rule", "rate(1 minute)", True)]
    scheduler = Scheduler(clock, lambda: rules, lambda name, moment: fired.append(name))
    scheduler.step()
    rules[0] = ("rule", "rate(1 hour)", True)
    clock.sleep(120)
    scheduler.step()
    assert fired == []
    rules.clear()
    clock.sleep(7200)
    assert scheduler.step() == 60
    assert fired == []


def test_what_is_due_next_is_an_enabled_rules_and_catching_up_fires_it_at_its_time() -> None:
    clock, fired = Clock(), list[tuple[str, datetime]]()
    rules = [("off", "rate(1 minute)", False), ("hourly", "rate(1 hour)", True)]
    scheduler = Scheduler(clock, lambda: rules, lambda name, moment: fired.append((name, moment)))
    assert scheduler.next_due() == NOW + timedelta(hours=1)
    clock.sleep(3605)
    scheduler.catch_up()
    assert fired == [("hourly", NOW + timedelta(hours=1))]
    assert scheduler.next_due() == NOW + timedelta(hours=2)
    rules.pop()
    assert scheduler.next_due() is None
