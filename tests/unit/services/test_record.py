"""From the prediction log to the bucket, the sums and the shadow: what comes twice, in whatever cut, counts once."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.errors import NotFound, Transient
from sluicegate.domain.experiment.tally import Bucket, Tally
from sluicegate.domain.log_lines import FEEDBACK, PREDICTION, line, packed
from sluicegate.domain.records import Records
from sluicegate.services.dispatch import Lane, Routing
from sluicegate.services.predict import Served, Trace, VariantRefused
from sluicegate.services.prediction_log import lines
from sluicegate.services.record import Record
from sluicegate.services.shadow import DIFFERENCE, Shadow, compared
from tests.support.fakes import START, Crash, FakeStorage, World
from tests.support.tallies import FakeTallies
from tests.unit.predict.test_predictor import FakeLane

AT = 1_767_323_045_000
HOUR = "2026-01-02T03"
CAUSE = "0123abcd"


@dataclass
class Stage:
    """The writer among fakes; ``routing`` is what it finds, ``shadow_answers`` what the shadow says."""

    routing: Routing | None = None
    world: World = field(default_factory=World)
    failure: Exception | None = None
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.storage, self.tallies = FakeStorage(self.world), FakeTallies(self.world)
        self.record = Record(self.storage, self.tallies, Shadow(self, self, lambda: 0.0))

    def read(self, model: str, *, fresh: bool = False) -> Routing | None:
        return self.routing

    def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
        self.asked.append(body)
        if self.failure:
            raise self.failure
        return b"".join(entry.rsplit()[-1] + b"\n" for entry in body.splitlines())

    def batch(self, *messages: str) -> dict[str, int]:
        return self.record.batch(messages, START)

    def rows(self, prefix: str) -> list[Any]:
        found = [gzip.decompress(self.storage._content(one.key)) for one in self.storage.list(prefix)]
        return [json.loads(row) for content in found for row in content.splitlines()]

    def tally(self, scope: str, lane: str = "champion") -> Tally:
        return self.tallies.read("churn", scope).get(lane, {}).get(HOUR, Tally())


def logged(request: str, values: list[int], cause: str | None = None, **served: Any) -> list[str]:
    """What predict would log of a request whose records say ``values`` and whose answers are the same."""
    lane = FakeLane(served.pop("version", 3), slot=served.pop("slot", "champion"))
    places = tuple(range(len(values)))
    answers = [{"prediction": float(value), "inference_id": f"{request}-{value}"} for value in values]
    one = Served(lane, served.pop("assigned", lane.slot), cause, places, answers, 1, 0.02, **served)
    sent = Records([{"x": value} for value in values])
    trace = Trace(Routing((lane,), ()), sent, ["s"] * len(values), [one], [value % 64 for value in values])
    return lines(trace, "churn", request, AT)


def test_a_row_a_prediction_under_its_hour() -> None:
    stage = Stage()
    assert stage.batch(*logged("r1", [1, 2], CAUSE), "START RequestId: x") == {"prediction": 2, "feedback": 0}
    [found] = stage.storage.list("prediction-log/")
    assert found.key.startswith("prediction-log/churn/dt=2026-01-02/hour=03/")
    assert stage.rows("prediction-log/")[1] == {
        "inference_id": "r1-2",
        "model": "churn",
        "version": 3,
        "slot": "champion",
        "cause": CAUSE,
        "endpoint": "e",
        "variant": "v3",
        "served_by": "endpoint",
        "latency_ms": 20.0,
        "at": "2026-01-02T03:04:05.000Z",
        "subject": "s",
        "record": {"x": 2},
        "prediction": 2.0,
    }
    assert (stage.tally(CAUSE).exposures, stage.tally(CAUSE).latency.count) == (2, 1)


def test_a_line_that_was_cut_on_its_way_is_told_and_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    whole = logged("r1", [1])[0]
    assert stage.batch(whole[:-20], whole) == {"prediction": 1, "feedback": 0}
    assert "1 lines of the log can't be read" in caplog.text


def test_an_error_is_an_exposure_without_an_answer() -> None:
    stage = Stage()
    stage.batch(*logged("r1", [1, 2], CAUSE, error="ModelFailed"))
    assert stage.rows("prediction-log/")[0]["error"] == "ModelFailed"
    assert (stage.tally(CAUSE).exposures, stage.tally(CAUSE).errors, stage.tally(CAUSE).latency.count) == (2, 2, 0)
    assert stage.tally(CAUSE).buckets == {1: Bucket(1, errors=1), 2: Bucket(1, errors=1)}


def test_what_the_champion_answered_for_another_is_the_others_error() -> None:
    stage = Stage()
    stage.batch(*logged("r1", [1], CAUSE, assigned="challenger"))
    assert stage.tally(CAUSE) == Tally()
    assert stage.tally(CAUSE, "challenger").buckets == {1: Bucket(1, errors=1)}
    assert (stage.tally(CAUSE, "challenger").exposures, stage.tally(CAUSE, "challenger").errors) == (1, 1)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
def test_lines_that_come_again_in_any_cut_count_once(order: list[int], data: st.DataObject) -> None:
    """While an experiment runs; what CloudWatch Logs delivers twice may come in other company."""
    stage = Stage()
    every = [logged(f"r{number}", [number, number + 10], CAUSE)[0] for number in range(6)]
    cuts = [[every[number] for number in order], every]
    for messages in cuts:
        place = 0
        while place < len(messages):
            size = data.draw(st.integers(1, 6))
            stage.batch(*messages[place : place + size])
            place += size
    assert stage.tally(CAUSE).exposures == 12
    # a request's one latency is with its first record
    first = dict.fromkeys(range(6), Bucket(1, timed=1, log_sum=2.996))
    assert stage.tally(CAUSE).buckets == first | dict.fromkeys(range(10, 16), Bucket(1))
    assert len({row["inference_id"] for row in stage.rows("prediction-log/")}) == 12


def test_a_batch_that_comes_again_as_it_was_leaves_one_object_and_outside_experiments_no_sums() -> None:
    stage = Stage()
    messages = [*logged("r1", [1]), *logged("r2", [2])]
    for _ in range(3):
        stage.batch(*messages)
        stage.batch(*reversed(messages))
    assert len(list(stage.storage.list("prediction-log/"))) == 1
    assert stage.tallies.sums == {} == stage.tallies.said


@pytest.mark.parametrize("after", range(1, 9))
def test_a_crash_after_any_effect_and_the_batch_again_have_one_outcome(after: int) -> None:
    shadow = Routing((FakeLane(3),), (), cause=CAUSE, shadow=FakeLane(4, slot="shadow"), shadow_sample=1.0)
    messages = [*logged("r1", [1, 2], CAUSE), *logged("r2", [3]), told("f1")]
    whole, broken = Stage(shadow), Stage(shadow)
    whole.batch(*messages)
    broken.world.crash_after = after
    try:
        broken.batch(*messages)
    except Crash:
        broken.batch(*messages)
    else:
        assert after > len(whole.world.effects)
    assert broken.storage.objects == whole.storage.objects
    assert broken.tallies.sums == whole.tallies.sums


def told(request: str) -> str:
    items = {"items": [{"inference_id": "r1-1", "label": "yes", "at": "2026-01-05T00:00:00.000Z"}]}
    head = {"model": "churn", "at": AT + 3 * 86_400_000, "request": request, "part": 0}
    return line(FEEDBACK, head, packed(items) or "")


def test_feedback_lies_under_the_day_it_came() -> None:
    stage = Stage()
    assert stage.batch(told("f1"), told("f1")) == {"prediction": 0, "feedback": 1}
    [found] = stage.storage.list("feedback/")
    assert found.key.startswith("feedback/churn/dt=2026-01-05/")
    assert [row["label"] for row in stage.rows("feedback/")] == ["yes"]


def shadowed(**more: Any) -> Stage:
    lane = FakeLane(4, endpoint="e4", slot="shadow")
    return Stage(Routing((FakeLane(3),), (), **{"cause": CAUSE, "shadow": lane, "shadow_sample": 1.0, **more}))


def test_a_shadow_sees_copies_and_its_answers_are_compared() -> None:
    stage = shadowed()
    stage.batch(*logged("r1", [1, 2], CAUSE))
    assert stage.asked == [b"4 1\n4 2\n"]
    rows = [row for row in stage.rows("prediction-log/") if "shadow" in row]
    assert [(row["inference_id"], row["shadow"]["prediction"], row["shadow"]["agrees"]) for row in rows] == [
        ("r1-1", 1.0, True),
        ("r1-2", 2.0, True),
    ]
    seen, apart = stage.tally(CAUSE, "shadow"), stage.tally(CAUSE, DIFFERENCE)
    assert (seen.exposures, seen.outcomes, seen.total, seen.latency.count) == (2, 2, 2.0, 1)
    assert (apart.outcomes, apart.total) == (2, 0.0)


@pytest.mark.parametrize("failure", [VariantRefused("x"), Transient("x"), NotFound("x")])
def test_a_shadow_that_fails_is_counted_and_nobody_elses_trouble(failure: Exception) -> None:
    stage = shadowed()
    stage.failure = failure
    assert stage.batch(*logged("r1", [1, 2], CAUSE))["prediction"] == 2
    assert (stage.tally(CAUSE, "shadow").errors, stage.tally(CAUSE).exposures) == (2, 2)


@pytest.mark.parametrize("routing", [{"shadow_sample": 0.0}, {"shadow": None}, {"cause": None}])
def test_without_a_sample_or_a_shadow_nobody_is_asked(routing: dict[str, Any]) -> None:
    stage = shadowed(**routing)
    stage.batch(*logged("r1", [1, 2], CAUSE))
    assert stage.asked == []


def test_a_testers_request_is_not_copied() -> None:
    stage = shadowed()
    stage.batch(*logged("r1", [1]), *logged("r2", [2], "ffff0000"))
    assert stage.asked == []


def test_what_was_not_kept_cannot_be_shown() -> None:
    stage = shadowed()
    head = {"model": "churn", "at": AT, "request": "r", "part": 0, "count": 5, "version": 3, "slot": "champion"}
    stage.batch(line(PREDICTION, {**head, "cause": None}))
    stage.batch(line(PREDICTION, {**head, "request": "r2", "cause": CAUSE}))
    assert stage.asked == []
    assert stage.tally(CAUSE).exposures == 5
    assert stage.rows("prediction-log/") == []


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (
            {"prediction": "a", "probabilities": {"a": 0.9}},
            {"prediction": "c", "probabilities": {"c": 1.0}},
            (False, 1.0),
        ),
        ({"prediction": 1.0}, {"prediction": 1.0 + 1e-9}, (True, pytest.approx(1e-9))),
        ({"prediction": 100.0}, {"prediction": 101.0}, (True, 1.0)),
        ({"prediction": 100.0}, {"prediction": 101.1}, (False, pytest.approx(1.1))),
        ({"prediction": 0.0}, {"prediction": 0.0}, (True, 0.0)),
        ({"prediction": 100}, {"prediction": 101}, (False, 1)),
        ({"prediction": [1.0, 2.0]}, {"prediction": [1.0, 2.0]}, (True, None)),
        ({"prediction": "a"}, {"prediction": 1.0}, (False, None)),
    ],
)
def test_agreement(one: dict[str, Any], other: dict[str, Any], found: tuple[bool, Any]) -> None:
    assert compared(one, other) == found
