"""The region's clock, and the journey through what is due."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_region.clock import RegionClock, span
from local_region.timeline import Moving, Timekeeper, Timeline

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("+90s", 90), ("15m", 900), ("+3h", 10_800), ("+7d", 604_800), (" +1d12h ", 129_600)]
)
def test_a_span(text: str, seconds: int) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "3", "h", "-3h", "+3 h", "3w", "+0s", "+367d", "+9999999999d", "1.5h"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match=r"for example|goes forward"):
        span(text)


def test_the_clock_never_runs_back_and_remembers(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    clock = RegionClock(path)
    assert clock.ahead == timedelta()
    clock.move_ahead(3 * HOUR)
    clock.move_ahead(HOUR)
    clock.move_to(datetime.now(UTC))
    assert clock.ahead == 3 * HOUR
    assert abs(clock.now() - datetime.now(UTC) - 3 * HOUR) < timedelta(seconds=5)
    assert RegionClock(path).ahead == 3 * HOUR
    clock.move_ahead(4 * HOUR)  # a moment later: written down when it has arrived
    clock.keep()
    assert RegionClock(path).ahead == 4 * HOUR


@pytest.mark.parametrize("content", ["", "[]", '{"ahead_seconds": "x"}', '{"ahead_seconds": -5}'])
def test_a_file_that_says_nothing_is_no_offset(tmp_path: Path, content: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(content)
    assert RegionClock(path).ahead == timedelta()


def test_a_sleeper_wakes_when_the_clock_has_passed_by() -> None:
    clock, woken = RegionClock(), threading.Event()

    def sleep() -> None:
        clock.sleep(3600)
        woken.set()

    threading.Thread(target=sleep, daemon=True).start()
    clock.move_ahead(2 * HOUR)
    assert woken.wait(10)


class Every:
    """Acts every ``span`` from the start on. ``then`` is told each instant, as late as ``catch_up`` runs."""

    def __init__(self, clock: RegionClock, span: timedelta, then: Callable[[datetime], None]) -> None:
        self._clock, self._span, self._then = clock, span, then
        self._due = clock.now() + span
        self.left: list[str] = []

    def next_due(self, until: datetime) -> datetime | None:
        del until
        return self._due

    def catch_up(self) -> None:
        while self._due <= self._clock.now():
            self._then(self._due)
            self._due += self._span

    def busy(self) -> Iterable[str]:
        """Each look takes one thing off what is left to do."""
        return [self.left.pop()] if self.left else []


def test_instants_come_in_order_and_each_waits_for_the_one_before() -> None:
    clock = RegionClock()
    begin = clock.now()
    passed: list[tuple[str, int, int]] = []

    def note(name: str) -> Callable[[datetime], None]:
        def then(at: datetime) -> None:
            passed.append((name, round((at - begin) / timedelta(minutes=1)), len(slow.left)))
            if name == "slow":
                slow.left = ["a delivery", "a function"]

        return then

    slow, quick = Every(clock, HOUR, note("slow")), Every(clock, timedelta(minutes=25), note("quick"))
    keepers: list[Timekeeper] = [quick, slow]
    timeline = Timeline(clock, lambda: keepers)
    state = timeline.advance(2 * HOUR + timedelta(seconds=1))
    expected = [("quick", 25), ("quick", 50), ("slow", 60), ("quick", 75), ("quick", 100), ("slow", 120)]
    assert sorted((name, at) for name, at, _ in passed) == sorted(expected)
    assert [at for _, at, _ in passed] == sorted(at for _, at in expected)
    assert all(left == 0 for _, _, left in passed), "what an instant caused is done before the next"
    assert (state["moving"], state["instants"], state["unsettled"]) == (False, 6, [])
    assert clock.ahead == 2 * HOUR + timedelta(seconds=1)  # to the point, however long the way took


class Stuck:
    """Never done, and always due a minute ago."""

    def __init__(self, clock: RegionClock) -> None:
        self._clock = clock

    def next_due(self, until: datetime) -> datetime | None:
        del until
        return self._clock.now() - timedelta(minutes=1)

    def catch_up(self) -> None: ...

    def busy(self) -> Iterable[str]:
        return ["training job endless"]


def test_what_is_not_done_in_time_is_named_and_left_behind() -> None:
    clock = RegionClock()
    keepers: list[Timekeeper] = [Stuck(clock)]
    state = Timeline(clock, lambda: keepers).advance(HOUR, patience=0)
    assert clock.ahead == HOUR
    assert state["unsettled"]
    assert all("training job endless" in text for text in state["unsettled"])


def test_one_journey_at_a_time() -> None:
    clock, entered, go_on = RegionClock(), threading.Event(), threading.Event()

    class Waits(Every):
        def catch_up(self) -> None:
            entered.set()
            assert go_on.wait(10)

    keepers: list[Timekeeper] = [Waits(clock, HOUR, lambda at: None)]
    timeline = Timeline(clock, lambda: keepers)
    timeline.begin(timedelta(minutes=1))
    assert entered.wait(10)
    with pytest.raises(Moving):
        timeline.begin(HOUR)
    go_on.set()


def test_what_is_new_is_looked_at_before_the_clock_leaves() -> None:
    clock, looks = RegionClock(), list[datetime]()

    class Looks(Every):
        def catch_up(self) -> None:
            looks.append(clock.now())

    begin = clock.now()
    keepers: list[Timekeeper] = [Looks(clock, 10 * HOUR, lambda at: None)]
    Timeline(clock, lambda: keepers).advance(HOUR)
    assert looks[0] - begin < timedelta(minutes=1)
    assert looks[-1] - begin >= HOUR
