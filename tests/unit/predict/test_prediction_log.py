"""What of a request ends in the prediction log, and that its lines fit where they go."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain import log_lines
from sluicegate.domain.records import Records
from sluicegate.services.dispatch import Routing
from sluicegate.services.predict import Served, Trace
from sluicegate.services.prediction_log import lines, sampled
from tests.unit.predict.test_predictor import FakeLane

CLOUDWATCH = 256 * 1024


def trace_of(records: list[Any], **routing: Any) -> Trace:
    served = Served(
        FakeLane(1),
        "champion",
        "0123abcd",
        tuple(range(len(records))),
        [{"prediction": n, "inference_id": f"id-{n}", "version": 1} for n in range(len(records))],
        1,
        0.0123,
    )
    return Trace(
        Routing((FakeLane(1),), (), **routing), Records(records), [f"s{n}" for n in range(len(records))], [served]
    )


def read(trace: Trace) -> list[dict[str, Any]]:
    found = [log_lines.read(line) for line in lines(trace, "churn", "r-1", 7)]
    assert all(found)
    return [one for one in found if one is not None]


def test_a_line_says_who_answered_what() -> None:
    [line] = read(trace_of([{"age": 3}, {"age": None}]))
    assert line.pop("content") == {
        "ids": ["id-0", "id-1"],
        "subjects": ["s0", "s1"],
        "records": [{"age": 3}, {"age": None}],
        "predictions": [{"prediction": 0}, {"prediction": 1}],
    }
    assert line == {
        "log": "prediction",
        "model": "churn",
        "at": 7,
        "request": "r-1",
        "part": 0,
        "count": 2,
        "version": 1,
        "slot": "champion",
        "endpoint": "e",
        "variant": "v1",
        "served_by": "endpoint",
        "cause": "0123abcd",
        "latency_ms": 12.3,
    }


def test_each_line_counts_its_records_by_bucket() -> None:
    trace = trace_of([{"x": 1}, {"x": 2}, {"x": 3}])
    trace.buckets = [7, None, 7]
    [line] = read(trace)
    assert line["buckets"] == {"7": 2}
    trace = trace_of([{"x": random.Random(seed).randbytes(150_000).hex()} for seed in range(3)])
    trace.buckets = [7, 60, None]
    assert [line["buckets"] for line in read(trace)] == [{"7": 1}, {"60": 1}, {}]
    # what counts in no experiment has no part in its buckets; neither has what nobody shares
    trace.served = [replace(trace.served[0], cause=None)]
    assert all("buckets" not in line for line in read(trace))


@settings(max_examples=25)
@given(st.lists(st.integers(1, 120_000), min_size=1, max_size=12), st.integers())
def test_lines_fit_and_lose_nothing_that_fits(sizes: list[int], seed: int) -> None:
    chance = random.Random(seed)
    records = [{"x": chance.randbytes(size // 2).hex()} for size in sizes]
    trace = trace_of(records)
    written = lines(trace, "churn", "r-1", 7)
    assert all(len(line.encode()) < CLOUDWATCH and "\n" not in line for line in written)
    found = read(trace)
    assert [one for line in found for one in line["content"].get("records", ())] == records
    assert [line["part"] for line in found] == list(range(len(found)))
    assert sum(line["count"] for line in found) == len(records)
    assert ["latency_ms" in line for line in found] == [True] + [False] * (len(found) - 1)


def test_a_record_that_no_line_takes_is_counted_and_left_out() -> None:
    huge = random.Random(1).randbytes(400_000).hex()
    found = read(trace_of([{"x": huge}, {"x": "small"}]))
    assert [(line["count"], line["content"].get("records")) for line in found] == [(1, None), (1, [{"x": "small"}])]


@pytest.mark.parametrize("routing", [{"log_sample": 0.0}, {"log_records": False}])
def test_without_records_predictions_are_still_counted(routing: dict[str, Any]) -> None:
    [line] = read(trace_of([{"age": 3}] * 1000, **routing))
    assert (line["count"], line["content"], line["latency_ms"]) == (1000, {}, 12.3)


def test_a_failure_and_a_stand_in_are_told() -> None:
    trace = trace_of([{"age": 3}])
    trace.served = [
        replace(trace.served[0], predictions=[], error="ModelFailed"),
        replace(trace.served[0], assigned="challenger"),
    ]
    failed, stood_in = read(trace)
    assert (failed["error"], failed["content"], "latency_ms" in failed) == ("ModelFailed", {}, False)
    assert (stood_in["slot"], stood_in["assigned"]) == ("champion", "challenger")


def test_a_request_that_reached_no_lane_leaves_nothing() -> None:
    assert lines(Trace(), "churn", "r", 7) == []
    assert lines(replace(trace_of([{}]), served=[]), "churn", "r", 7) == []


def test_numbers_that_json_does_not_have_break_no_line() -> None:
    [line] = read(trace_of([{"ignored": [float("nan"), {"deep": float("-inf")}], "s": "\ud800"}]))
    assert line["content"]["records"] == [{"ignored": [None, {"deep": None}], "s": "\ud800"}]


@given(st.floats(0, 1))
def test_a_sample_is_its_share_and_grows_with_it(share: float) -> None:
    taken = {name for name in map(str, range(400)) if sampled(name, share)}
    assert abs(len(taken) - 400 * share) <= 6 * (400 * share * (1 - share)) ** 0.5 + 1
    assert taken <= {name for name in map(str, range(400)) if sampled(name, min(1.0, share + 0.1))}


@given(st.text() | st.binary().map(repr))
def test_any_other_line_is_none_of_ours(text: str) -> None:
    assert log_lines.read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"log":"x","z":"!"}',
        '{"log":"x","z":"aGk="}',
        '{"log":"x","z":5}',
        '{"log":"x","content":[]}',
        '{"log":"x"',
        '{"log":' + "[" * 100_000,
    ],
)
def test_a_damaged_line_is_none_of_ours(text: str) -> None:
    assert log_lines.read(text) is None


def test_what_inflates_without_end_is_not_read() -> None:
    bomb = log_lines.packed({"a": "b" * (log_lines.LARGEST_CONTENT + 1)})
    assert bomb is not None
    assert log_lines.read(log_lines.line("x", {"n": 1}, bomb)) is None
    assert json.loads(log_lines.line("x", {"n": 1}, bomb))["n"] == 1
