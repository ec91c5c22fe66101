"""Target tracking by invocations an instance and minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.alarms.evaluation import Sample
from local_region.autoscaling.tracking import Bounds, Tracking, wanted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BOUNDS = Bounds(1, 5)


def minutes(*counts: int | None) -> list[Sample]:
    """Invocations of the last minutes, the newest last; None for a minute without a value."""
    found = []
    for age, count in enumerate(reversed(counts)):
        if count is not None:
            found.append(Sample(NOW - age * MINUTE - timedelta(seconds=30), count, count, 1, 1))
    return found


@pytest.mark.parametrize(
    ("count", "seen", "expected"),
    [
        (1, minutes(50, 50, 50), 3),  # 50 a minute at 20 each
        (1, minutes(50, 50), 1),  # two minutes are no three
        (1, minutes(50, 5, 50), 1),
        (2, minutes(50, 50, 50), 3),
        (3, minutes(50, 50, 50), 3),
        (1, minutes(21, 21, 21), 2),
        (1, minutes(20, 20, 20), 1),  # at the target is not above it
        (1, minutes(900, 900, 900), 5),  # as far as the bounds let it
        (4, minutes(*[10] * 15), 1),
        (4, minutes(*[10] * 14, 80), 4),  # one minute speaks against it
        (4, minutes(*[10] * 14, 45), 3),  # as many as the busiest minute needs
        (4, minutes(*[30] * 15), 2),
        (2, minutes(*[37] * 15), 2),  # 18.5 each is no tenth below 20
        (2, minutes(*[35] * 15), 2),  # one alone would be too few
        (4, minutes(10), 4),  # one value alone is too young
        (4, [], 4),  # without values nothing is known
    ],
)
def test_what_a_variant_should_have(count: int, seen: list[Sample], expected: int) -> None:
    assert wanted(Tracking(20), BOUNDS, count, seen, NOW) == expected


def test_bounds_come_first() -> None:
    assert wanted(Tracking(20), Bounds(2, 4), 1, [], NOW) == 2
    assert wanted(Tracking(20), Bounds(2, 4), 7, minutes(900, 900, 900), NOW) == 4


def test_each_way_waits_for_its_cooldown() -> None:
    busy, quiet = minutes(50, 50, 50), minutes(*[10] * 15)
    tracking = Tracking(20, out_cooldown=60, in_cooldown=300)
    assert wanted(tracking, BOUNDS, 1, busy, NOW, last_out=NOW - timedelta(seconds=59)) == 1
    assert wanted(tracking, BOUNDS, 1, busy, NOW, last_out=NOW - timedelta(seconds=60)) == 3
    assert wanted(tracking, BOUNDS, 1, busy, NOW, last_in=NOW) == 3  # out never waits for an in
    assert wanted(tracking, BOUNDS, 4, quiet, NOW, last_in=NOW - timedelta(seconds=299)) == 4
    assert wanted(tracking, BOUNDS, 4, quiet, NOW, last_out=NOW - timedelta(seconds=299)) == 4
    assert wanted(tracking, BOUNDS, 4, quiet, NOW, last_out=NOW - timedelta(seconds=300)) == 1


def test_it_may_be_told_never_to_scale_in() -> None:
    assert wanted(Tracking(20, scales_in=False), BOUNDS, 4, minutes(*[10] * 15), NOW) == 4


@given(
    target=st.floats(0.1, 1000),
    count=st.integers(1, 9),
    counts=st.lists(st.one_of(st.none(), st.integers(0, 5000)), max_size=20),
    low=st.integers(1, 4),
    more=st.integers(0, 4),
)
def test_it_stays_within_the_bounds(target: float, count: int, counts: list[int | None], low: int, more: int) -> None:
    goal = wanted(Tracking(target), Bounds(low, low + more), count, minutes(*counts), NOW)
    assert low <= goal <= low + more
