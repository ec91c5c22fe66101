"""Feedback from the request to the upload of training data: counted once, joined once, whatever comes twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.errors import Transient
from sluicegate.domain.experiment.tally import Bucket
from sluicegate.domain.inference_id import issue
from sluicegate.domain.records import Records
from sluicegate.domain.schema import Column, Schema
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.http.feedback import handle
from sluicegate.ports import Change
from sluicegate.services.collect import Collect, _record
from sluicegate.services.dispatch import Routing
from sluicegate.services.feedback import Feedback
from sluicegate.services.predict import Served, Trace
from sluicegate.services.prediction_log import lines
from sluicegate.services.record import Record
from sluicegate.services.shadow import Shadow
from tests.contract.http.samples import lane as lane_document
from tests.contract.http.samples import proxy_event, routing
from tests.support.fakes import START, Crash, FakeRegistry, FakeStorage, World
from tests.support.tallies import FakeTallies
from tests.unit.predict.test_predictor import FakeLane

KEY = b"0123456789abcdef"
PREDICTED = START - timedelta(days=1)
PREDICTED_MS = int(PREDICTED.timestamp() * 1000)
COLUMNS = {
    "columns": [
        {"name": "id", "type": "number"},
        {"name": "tenure", "type": "number"},
        {"name": "autopay", "type": "boolean"},
        {"name": "churned", "type": "category", "categories": ["no", "yes"]},
    ],
    "target": "churned",
}


@dataclass
class Stage:
    """All of feedback's way among fakes, on one model with an experiment."""

    settings: str = "retrain: {on: [feedback]}"
    world: World = field(default_factory=World)
    kept: list[str] = field(default_factory=list)
    now: datetime = START

    def __post_init__(self) -> None:
        self.registry, self.storage = FakeRegistry(self.world), FakeStorage(self.world)
        self.tallies = FakeTallies(self.world)
        self.feedback = Feedback(self.storage, self.tallies, lambda: KEY, self.kept.append)
        self.record = Record(self.storage, self.tallies, Shadow(self, self))  # type: ignore[arg-type]
        self.collect = Collect(self.registry, self.storage, self.tallies)
        self.storage.put("routing/churn.json", routing([lane_document(3)]))
        item = {"model": "churn", "settings": self.settings, "columns": COLUMNS, "target": "churned"}
        self.registry.commit([Change("model", "churn", "", set=item)])
        self.world.effects.clear()

    def read(self, model: str, *, fresh: bool = False) -> None:
        """No routing for a shadow."""

    def predict(self, records: list[dict[str, Any]], request: str = "r1", csv: bool = False) -> list[str]:
        """A request that the challenger answered, and its log on its way."""
        lane = FakeLane(3, slot="challenger")
        ids = [
            issue(
                KEY,
                "churn",
                3,
                "e",
                "v3",
                PREDICTED_MS,
                number + hash(request),
                slot="challenger",
                cause="0123abcd",
                bucket=7,
            )
            for number in range(len(records))
        ]
        answers = [{"prediction": "no", "inference_id": one} for one in ids]
        one = Served(lane, "challenger", "0123abcd", tuple(range(len(records))), answers, 1, 0.01)
        rows = [list(record.values()) for record in records] if csv else records
        sent = Records(rows, tuple(records[0]) if csv else None)
        self.record.batch(
            lines(
                Trace(Routing((lane,), ()), sent, ["s"] * len(rows), [one], [7] * len(rows)),
                "churn",
                request,
                PREDICTED_MS,
            ),
            PREDICTED,
        )
        return ids

    def send(self, body: Any, model: str = "churn") -> tuple[int, Any]:
        event = proxy_event("POST", "/models/{model}/feedback", {"model": model}, body=json.dumps(body))
        event["requestContext"]["requestTimeEpoch"] = int(self.now.timestamp() * 1000)
        event["requestContext"]["requestId"] = f"f{len(self.kept)}"
        found = handle(event, self.feedback, lambda _line: None)
        return found["statusCode"], json.loads(found["body"])

    def deliver(self) -> list[str]:
        """The log's lines go to the bucket, the bucket's events to the collector. What it says of each object."""
        self.record.batch(self.kept, self.now)
        return [self.collect.object_created(one.key, self.now) for one in self.storage.list("feedback/")]

    def uploads(self) -> list[Any]:
        found = [self.storage._content(one.key) for one in self.storage.list("data/churn/feedback/")]
        return [json.loads(row) for content in found for row in content.splitlines()]


RECORD = {"id": 7, "tenure": 3, "autopay": None, "visitor": "v"}


def test_a_label_becomes_a_row_of_training_data() -> None:
    stage = Stage()
    [one] = stage.predict([RECORD])
    status, body = stage.send({"inference_id": one, "label": "yes"})
    assert (status, body) == (
        200,
        {
            "model": "churn",
            "inference_id": one,
            "accepted": True,
            "version": 3,
            "lane": "challenger",
            "predicted_at": "2026-01-01T03:04:05.000Z",
        },
    )
    assert stage.deliver() == ["collected"]
    assert stage.uploads() == [{"id": 7, "tenure": 3, "autopay": None, "churned": "yes"}]
    [key] = [one.key for one in stage.storage.list("data/")]
    assert key.startswith("data/churn/feedback/dt=2026-01-02/")
    seen = stage.tallies.read("churn", "0123abcd")["challenger"]["2026-01-01T03"]
    assert (seen.outcomes, seen.total, seen.exposures) == (1, 1.0, 1)
    # prediction and outcome meet in their subject's bucket
    assert seen.buckets == {7: Bucket(exposures=1, outcomes=1, total=1.0, timed=1, log_sum=2.303)}
    assert {place.scope for _, place in stage.tallies.sums} == {"0123abcd"}


def test_a_csvs_texts_are_typed_by_the_columns() -> None:
    stage = Stage()
    [one] = stage.predict([{"tenure": "3", "autopay": "yes", "id": ""}], csv=True)
    stage.send({"inference_id": one, "label": "no"})
    assert stage.deliver() == ["collected"]
    assert stage.uploads() == [{"tenure": 3.0, "autopay": True, "id": None, "churned": "no"}]


def test_a_csvs_dates_are_read_in_their_declared_format() -> None:
    schema = Schema((Column("since", "date"), Column("churned", "category")), "churned")
    declared = parse_settings('features: {dates: {since: "%d/%m/%Y"}}')
    prediction = {"inference_id": "a", "csv": True, "record": {"since": "31/12/2025"}}
    assert _record(prediction, schema, declared) == {"since": "2025-12-31", "churned": None}


def test_each_id_counts_once_and_a_list_says_what_became_of_each() -> None:
    stage = Stage()
    first, second = stage.predict([RECORD, RECORD])
    assert stage.send({"inference_id": first, "label": "yes"})[0] == 200
    status, body = stage.send({"inference_id": first, "label": "yes"})
    assert (status, body["title"]) == (409, "Counted already")
    assert body["errors"][0]["reason"] == "doubled"
    items = [
        {"inference_id": second, "label": "no"},
        {"inference_id": first, "label": "no"},
        {"inference_id": second, "label": "no"},
        5,
    ]
    status, body = stage.send({"feedback": items})
    assert (status, body["accepted"]) == (200, 1)
    assert [one.get("reason") for one in body["results"]] == [None, "doubled", "doubled", "malformed"]
    assert "said something else" in body["results"][1]["message"]
    assert stage.tallies.read("churn", "0123abcd")["challenger"]["2026-01-01T03"].outcomes == 2
    stage.deliver()
    assert [row["churned"] for row in stage.uploads()] == ["yes", "no"]
    before = dict(stage.storage.objects)
    stage.deliver()
    assert stage.storage.objects == before


def test_a_reward_counts_and_makes_no_training_data() -> None:
    stage = Stage()
    document = json.loads(stage.storage.objects["routing/churn.json"])
    document["feedback"] = {"window_seconds": 604800, "kind": "reward", "minimum": 0, "maximum": 10}
    stage.storage.put("routing/churn.json", json.dumps(document).encode())
    [one] = stage.predict([RECORD])
    assert stage.send({"inference_id": one, "reward": 2.5})[0] == 200
    assert stage.send({"inference_id": one, "reward": 11})[0] == 400
    assert stage.tallies.read("churn", "0123abcd")["challenger"]["2026-01-01T03"].squares == 6.25
    assert stage.deliver() == ["nothing"]
    assert stage.uploads() == []


@pytest.mark.parametrize("after", range(1, 8))
def test_a_crash_after_any_effect_and_the_rest_again_have_one_outcome(after: int) -> None:
    whole, broken = Stage(), Stage()
    for stage in (whole, broken):
        [one] = stage.predict([RECORD])
        stage.world.effects.clear()
        stage.world.crash_after = after if stage is broken else None
        for _ in range(2):
            try:
                stage.send({"inference_id": one, "label": "yes"})
                stage.deliver()
            except Crash:
                continue
    assert broken.uploads() == whole.uploads()
    assert broken.tallies.sums == whole.tallies.sums
    # the label's line may have been written twice, into two objects: one of them has the row
    assert len(list(broken.storage.list("data/"))) == 1


def test_labels_wait_for_predictions_that_are_on_their_way() -> None:
    stage = Stage()
    stage.now = PREDICTED + timedelta(minutes=1)
    [one] = stage.predict([RECORD])
    logged = {key: stage.storage.objects.pop(key) for key in list(stage.storage.objects) if "prediction-log" in key}
    stage.send({"inference_id": one, "label": "yes"})
    with pytest.raises(Transient, match="not in the prediction log yet"):
        stage.deliver()
    stage.storage.objects |= logged
    assert stage.deliver() == ["collected"]


def test_labels_of_predictions_that_were_not_kept_are_counted_and_no_more() -> None:
    stage = Stage()
    [one] = stage.predict([RECORD])
    for key in [key for key in stage.storage.objects if "prediction-log" in key]:
        del stage.storage.objects[key]
    stage.send({"inference_id": one, "label": "yes"})
    assert stage.deliver() == ["nothing"]


@pytest.mark.parametrize("settings", ["", "retrain: {on: [new_data]}"])
def test_it_is_off_unless_it_is_asked_for(settings: str) -> None:
    stage = Stage(settings)
    [one] = stage.predict([RECORD])
    stage.send({"inference_id": one, "label": "yes"})
    assert stage.deliver() == ["off"]
    assert list(stage.storage.list("data/")) == []


@pytest.mark.parametrize(
    "key", ["feedback/x.gz", "feedback/No/dt=1/x.gz", "feedback/none/dt=2026-01-02/x.gz", "data/a/b"]
)
def test_other_objects_are_ignored(key: str) -> None:
    assert Stage().collect.object_created(key, START) == "ignored"


def test_a_record_that_fits_the_columns_no_more_makes_no_row() -> None:
    stage = Stage()
    [one, other] = stage.predict([{"tenure": "many"}, {"tenure": "4"}], csv=True)
    stage.send({"feedback": [{"inference_id": one, "label": "yes"}, {"inference_id": other, "label": "yes"}]})
    assert stage.deliver() == ["collected"]
    assert stage.uploads() == [{"id": None, "tenure": 4.0, "autopay": None, "churned": "yes"}]


def test_a_weight_that_nobody_sent_is_one() -> None:
    stage = Stage("retrain: {on: [feedback]}\nweights: {column: tenure}")
    [one] = stage.predict([{"autopay": True}])
    stage.send({"inference_id": one, "label": "yes"})
    assert stage.deliver() == ["collected"]
    assert stage.uploads() == [{"id": None, "tenure": 1.0, "autopay": True, "churned": "yes"}]


@pytest.mark.parametrize(
    ("body", "model", "status", "words"),
    [
        ("{", "churn", 400, "not JSON"),
        ("[]", "churn", 400, "Send {"),
        ("", "churn", 400, "Send {"),
        ('{"feedback": []}', "churn", 400, "at least one"),
        ('{"feedback": [{}], "label": 1}', "churn", 400, "alone"),
        (json.dumps({"feedback": [{}] * 101}), "churn", 413, "at most 100"),
        ("x" * 300_000, "churn", 413, "262,144"),
        ('{"label": "yes"}', "nope", 404, "ever went live"),
        ('{"label": "yes"}', "No", 404, "no model"),
        ('{"label": "yes"}', "churn", 400, "Inference_id is missing"),
        ("[" * 100_000, "churn", 400, "not JSON"),
    ],
)
def test_a_request_that_cannot_be_taken_is_answered_precisely(body: str, model: str, status: int, words: str) -> None:
    event = proxy_event("POST", "/models/{model}/feedback", {"model": model}, body=body)
    found = handle(event, Stage().feedback, lambda _line: None)
    assert (found["statusCode"], words in json.loads(found["body"])["detail"]) == (status, True)


@pytest.mark.parametrize(
    ("kind", "classes", "said", "cell"),
    [
        ("number", ["0", "1"], 1, 1.0),
        ("number", ["0", "1"], "1", 1.0),
        ("boolean", ["false", "true"], True, True),
        ("boolean", ["false", "true"], "false", False),
        ("category", ["1", "2"], 1, "1"),
    ],
)
def test_a_label_is_written_as_the_targets_column_holds_it(kind: str, classes: list[str], said: Any, cell: Any) -> None:
    stage = Stage()
    document = json.loads(stage.storage.objects["routing/churn.json"])
    document["lanes"][0]["problem"] = {"kind": "binary", "classes": classes, "positive": classes[1]}
    stage.storage.put("routing/churn.json", json.dumps(document).encode())
    columns = {**COLUMNS, "columns": [*COLUMNS["columns"][:3], {"name": "churned", "type": kind}]}
    stage.registry.commit([Change("model", "churn", "", set={"columns": columns})])
    [one] = stage.predict([RECORD])
    stage.send({"inference_id": one, "label": said})
    assert stage.deliver() == ["collected"]
    [row] = stage.uploads()
    assert (row["churned"], type(row["churned"])) == (cell, type(cell))


@settings(max_examples=150)
@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=8).map(json.dumps)
    | st.dictionaries(
        st.sampled_from(["feedback", "inference_id", "label", "reward"]),
        st.none() | st.text() | st.lists(st.none() | st.text()),
    ).map(json.dumps),
    st.booleans(),
)
def test_whatever_is_sent_is_answered(body: str, encoded: bool) -> None:
    event = proxy_event("POST", "/models/{model}/feedback", {"model": "churn"}, body=body) | {
        "isBase64Encoded": encoded
    }
    stage = Stage()
    found = handle(event, stage.feedback, lambda _line: None)
    assert found["statusCode"] in (200, 400, 413)
    assert json.loads(found["body"])
    assert (stage.kept, stage.tallies.sums) == ([], {})
