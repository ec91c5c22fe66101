"""What the region remembers of logs, events and metrics has an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from local_region.front.recent import RecentEvents
from local_region.ports import Json, RegionConfig
from local_region.stores import metrics
from local_region.stores.logs import MotoLogs
from local_region.stores.metrics import MotoMetrics

#: an account of its own: moto's backends belong to the process
ACCOUNT = "210987654322"


class Clock:
    """A second later each time."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC) - timedelta(hours=1)

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def config(tmp_path: Path) -> RegionConfig:
    for backends in (logs_backends, cloudwatch_backends):
        backends[ACCOUNT]["us-east-1"].reset()
    return RegionConfig("127.0.0.1", 1, tmp_path, account_id=ACCOUNT)


def messages(group: str) -> list[str]:
    streams: Any = logs_backends[ACCOUNT]["us-east-1"].groups[group].streams
    events = [event for stream in streams.values() for event in stream.events]
    return [event.message for event in sorted(events, key=lambda event: event.timestamp)]


def test_a_group_keeps_the_newest_events_of_all_its_streams(config: RegionConfig) -> None:
    logs = MotoLogs(config, Clock(), kept=100)
    for number in range(1000):
        logs.write("g", f"s{number // 50}", [str(number)])
        assert len(messages("g")) <= 112
    kept = [int(message) for message in messages("g")]
    assert kept == list(range(kept[0], 1000))
    assert len(kept) >= 89
    streams = logs_backends[ACCOUNT]["us-east-1"].groups["g"].streams
    assert "s0" not in streams
    assert sum(stream.stored_bytes for stream in streams.values()) == sum(len(text) for text in messages("g"))


def test_one_group_does_not_cost_another_its_events(config: RegionConfig) -> None:
    logs = MotoLogs(config, Clock(), kept=100)
    logs.write("quiet", "s", ["once"])
    for number in range(500):
        logs.write("loud", "s", [str(number)])
    assert messages("quiet") == ["once"]


def test_one_huge_write_is_cut_as_well(config: RegionConfig) -> None:
    logs = MotoLogs(config, Clock(), kept=100)
    logs.write("g", "s", ["old"] * 90)
    logs.write("g", "s", ["new"] * 95)
    assert set(messages("g")) == {"new"}


def test_the_last_thousand_events_are_kept() -> None:
    events = RecentEvents(Clock())
    empty: Json = {}
    for _ in range(1500):
        events.note("s", "d", empty, [])
    assert [events.after(0)[0]["number"], events.after(0)[-1]["number"]] == [501, 1500]


def test_cloudwatch_forgets_the_oldest_values(config: RegionConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_KEPT", 10)
    store = MotoMetrics(config, Clock())
    for value in range(30):
        store.put("N", "n", value, "Count", {})
    store.flush()
    kept: Any = cloudwatch_backends[ACCOUNT]["us-east-1"].metric_data
    assert [datum.value for datum in kept] == list(range(20, 30))


def test_alarms_see_each_value_once_wherever_it_is(config: RegionConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting, handed over, summed up, put by a client, with a time of its own."""
    monkeypatch.setattr(metrics, "_SINGLE_VALUES", 40)
    clock = Clock()
    store = MotoMetrics(config, clock)
    key = metrics.MetricKey("AWS/L", "n", (("F", "f"),))
    other = metrics.MetricKey("Mine", "m", ())
    begin = clock.time

    def seen(since: datetime = begin) -> float:
        return sum(sample.total for sample in store.samples({key: since, other: since})[key])

    backend: Any = cloudwatch_backends[ACCOUNT]["us-east-1"]
    for number in range(1, 301):
        store.put("AWS/L", "n", 1, "Count", {"F": "f"})
        store.put("AWS/L", "n", 1, "Count", {"F": "g"})
        if number % 50 == 0:
            assert seen() == number
        if number == 120:
            store.flush()
            assert seen() == number
    old = (begin + timedelta(seconds=1)).replace(tzinfo=None)
    backend.put_metric_data("Mine", [{"MetricName": "m", "Value": 5.0, "Timestamp": clock.time.replace(tzinfo=None)}])
    backend.put_metric_data("Mine", [{"MetricName": "m", "Value": 7.0, "Timestamp": old}])
    found = store.samples({other: begin})[other]
    assert [sample.total for sample in found] == [7.0, 5.0]
    assert [s.total for s in store.samples({other: begin + timedelta(minutes=1)})[other]] == [5.0]
    in_bytes = other._replace(unit="Bytes")
    assert store.samples({in_bytes: begin})[in_bytes] == []
    backend.reset()
    assert store.samples({other: begin})[other] == []
