"""Statistics by period, percentiles and metric math, from moto's values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from local_region.ports import AwsError
from local_region.stores.metric_reading import read_data, read_statistics

START = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)


def datum(seconds: float, value: float, dimensions: dict[str, str] | None = None, name: str = "m") -> Any:
    named = [SimpleNamespace(name=key, value=text) for key, text in (dimensions or {}).items()]
    at = (START + timedelta(seconds=seconds)).replace(tzinfo=None)  # moto's are naive
    return SimpleNamespace(namespace="N", name=name, unit="Count", dimensions=named, value=value, timestamp=at)


def asked(**more: Any) -> dict[str, Any]:
    end = START + timedelta(minutes=5)
    return {"Namespace": "N", "MetricName": "m", "StartTime": START, "EndTime": end, "Period": 60, **more}


def test_periods_begin_with_the_minute_of_the_start() -> None:
    data = [datum(0, 1), datum(29, 2), datum(31, 4), datum(299, 8), datum(300, 16), datum(-31, 32)]
    points = read_statistics(data, asked(Statistics=["Sum", "SampleCount"]))
    assert [(f"{point['Timestamp']:%H:%M:%S}", point["Sum"], point["SampleCount"]) for point in points] == [
        ("12:00:00", 3, 2),
        ("12:01:00", 4, 1),
        ("12:05:00", 8, 1),
    ]
    assert {point["Unit"] for point in points} == {"Count"}


def test_a_metric_is_its_exact_dimensions() -> None:
    data = [datum(0, 1), datum(0, 2, {"a": "x"}), datum(0, 4, {"a": "x", "b": "y"})]
    for dimensions, total in (([], 1), ([{"Name": "a", "Value": "x"}], 2)):
        (point,) = read_statistics(data, asked(Statistics=["Sum"], Dimensions=dimensions))
        assert point["Sum"] == total


def test_percentiles() -> None:
    data = [datum(0, value) for value in range(101)]
    (point,) = read_statistics(data, asked(Period=300, ExtendedStatistics=["p50", "p99.5"]))
    assert point["ExtendedStatistics"] == {"p50": 50, "p99.5": 99.5}


def test_what_statistics_refuse() -> None:
    for more, words in (
        ({}, "Must specify either"),
        ({"Statistics": ["Sum"], "EndTime": START}, "StartTime must be less"),
        ({"Statistics": ["Sum"], "EndTime": START + timedelta(days=2)}, "up to 2,880 datapoints"),
        ({"ExtendedStatistics": ["tm99"]}, "the statistic tm99"),
    ):
        with pytest.raises(AwsError, match=words):
            read_statistics([datum(0, 1)], asked(**more))


def query(name: str, metric: str, stat: str = "Sum") -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {"Metric": {"Namespace": "N", "MetricName": metric}, "Period": 60, "Stat": stat},
        "ReturnData": False,
    }


def data_of(*queries: dict[str, Any], scan_by: str = "TimestampAscending") -> list[dict[str, Any]]:
    data = [
        datum(0, 1, name="errors"),
        datum(0, 4, name="calls"),
        datum(60, 8, name="calls"),
        datum(60, 0, name="zero"),
    ]
    return read_data(data, queries, START, START + timedelta(minutes=5), scan_by)


def test_metric_math_is_of_the_times_that_all_have() -> None:
    parts = [query("e", "errors"), query("c", "calls"), query("z", "zero")]
    rate = {"Id": "rate", "Expression": "100 * share", "Label": "errors in percent"}
    share = {"Id": "share", "Expression": "e / c", "ReturnData": False}
    divided = {"Id": "none", "Expression": "c / z"}
    first, second = data_of(*parts, rate, share, divided)
    assert (first["label"], first["values"]) == ("errors in percent", [25])
    assert (second["id"], second["values"]) == ("none", [])


def test_newest_first() -> None:
    (only,) = data_of({**query("c", "calls", "p50"), "ReturnData": True}, scan_by="TimestampDescending")
    assert (only["label"], only["values"]) == ("calls", [8, 4])


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("SUM(METRICS())", "NotImplemented"),
        ("SELECT AVG(m) FROM N", "NotImplemented"),
        ("c ** 2", "NotImplemented"),
        ("x + 1", "ValidationError"),
        ("1 + 1", "ValidationError"),
        ("r + 1", "ValidationError"),
    ],
)
def test_expressions_that_are_refused(expression: str, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        data_of(query("c", "calls"), {"Id": "r", "Expression": expression})
    assert caught.value.code == code
