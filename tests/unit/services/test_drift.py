"""What a look at drift finds, writes and asks for."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from sluicegate.domain.errors import Transient
from sluicegate.domain.items import moment
from sluicegate.services import drift as module
from sluicegate.services.catalog import Catalog
from sluicegate.services.drift import Failed, WatchDrift
from sluicegate.services.wake import Wake
from tests.support.fakes import START
from tests.support.flow import Flow, table
from tests.support.logs import Row, files, labels, rows

#: the first period that is over ends here; looks are made a little later
MIDNIGHT = datetime.fromisoformat("2026-01-04T00:00:00+00:00")
LOOK = MIDNIGHT + timedelta(minutes=11)
BEGIN = MIDNIGHT - timedelta(hours=20)


class FakeMetrics:
    def __init__(self) -> None:
        self.told: list[tuple[dict[str, bool], datetime]] = []

    def drifted(self, state: Mapping[str, bool], at: datetime) -> None:
        self.told.append((dict(state), at))

    def shifted(self, dimensions: Mapping[str, str], distance: float, at: datetime) -> None:
        raise AssertionError(f"a look at drift told {distance} of {dimensions}")


@pytest.fixture(scope="module")
def trained() -> Flow:
    """A model with version 1 live: making it takes a while, copying it doesn't."""
    flow = Flow()
    flow.put("data/churn/a.csv", table(900))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1
    return flow


@pytest.fixture
def flow(trained: Flow) -> Flow:
    made = copy.deepcopy(trained)
    made.world.now = LOOK
    return made


def log(flow: Flow, lines: list[Row], folder: str = "prediction-log") -> None:
    for key, content in files("churn", folder, lines):
        flow.storage.put(key, content)


def settings(flow: Flow, text: str) -> None:
    flow.registry.items["model", "churn", ""]["settings"] = text


def look(flow: Flow, at: datetime = LOOK, left: Callable[[], float] = lambda: 900) -> dict[str, bool]:
    return WatchDrift(flow.ledger(), flow.storage, FakeMetrics()).look(at, left)


def report(flow: Flow) -> dict[str, Any]:
    key = flow.registry.model("churn")["drift"]["report"]
    found: dict[str, Any] = flow.storage.json(key.replace(".html", ".json"))
    return found


def test_as_in_training_is_no_drift(flow: Flow) -> None:
    predicted = rows(1000, BEGIN)
    log(flow, predicted)
    log(flow, labels(predicted), "feedback")
    assert look(flow) == {"churn": False}
    found = report(flow)
    assert (found["drifted"], found["reasons"], found["rows"], found["not_compared"]) == (False, [], 1000, {})
    assert sorted(column["name"] for column in found["columns"]) == ["color", "height"]
    assert all(column["psi"] < 0.1 for column in found["columns"])
    assert found["quality"]["rows"] == 1000
    assert found["quality"]["seen"]["value"] == 1.0
    assert found["prediction"]["psi"] < 0.1
    noted = flow.registry.model("churn")["drift"]
    assert noted["report"] == "drift/churn/2026-01-04T0000Z/report.html"
    assert (noted["since"], noted["until"]) == ("2026-01-03T00:00:00.000Z", "2026-01-04T00:00:00.000Z")
    assert noted["compared"]


def test_what_moved_is_named(flow: Flow) -> None:
    predicted = rows(1000, BEGIN, heights=(40, 140), skill=0.6)
    log(flow, predicted)
    log(flow, labels(predicted), "feedback")
    assert look(flow) == {"churn": True}
    found = report(flow)
    by_name = {column["name"]: column["drifted"] for column in found["columns"]}
    assert by_name == {"height": True, "color": False}
    assert found["quality"]["drifted"]
    assert [reason.split(":")[0].split(" ")[0] for reason in found["reasons"]] == ["height", "auc"]
    page = flow.storage.objects[flow.registry.model("churn")["drift"]["report"]].decode()
    assert "Version 1 has drifted" in page
    detail = Catalog(flow.registry).model("churn", flow.world.now)
    assert detail["drift"]["drifted"] is True
    assert "has drifted" in detail["message"]


def test_csv_records_and_missing_fields_are_read_as_the_model_read_them(flow: Flow) -> None:
    predicted = rows(1000, BEGIN)
    for number, row in enumerate(predicted):
        row["csv"] = True
        row["record"] = {
            "height": f" {row['record']['height']} ",
            "color": "NA" if number % 2 else row["record"]["color"],
        }
    log(flow, predicted)
    assert look(flow) == {"churn": True}
    [color, height] = report(flow)["columns"]
    assert (color["name"], color["missing_before"], color["missing"], color["drifted"]) == ("color", 0, 0.5, True)
    assert (height["missing"], height["drifted"]) == (0, False)


def test_few_rows_are_not_compared_and_say_so(flow: Flow) -> None:
    log(flow, rows(200, BEGIN, heights=(90, 100)))
    assert look(flow) == {"churn": False}
    found = report(flow)
    assert found["columns"] == [] and found["prediction"] is None
    assert found["not_compared"]["height"] == "200 rows; 500 are needed"
    assert found["not_compared"]["quality"] == "0 labels of this version's predictions; 100 are needed"
    assert flow.registry.model("churn")["drift"]["compared"] is False
    assert "below is why" in flow.storage.objects[flow.registry.model("churn")["drift"]["report"]].decode()


def test_only_the_live_versions_answers_of_the_period_count_each_once(flow: Flow) -> None:
    own = rows(600, BEGIN)
    log(flow, own)
    other = rows(600, BEGIN, version=2, seed=4, heights=(90, 100))
    early = rows(100, MIDNIGHT - timedelta(hours=30), seed=5, heights=(90, 100))
    failed = [{**row, "error": "ModelFailed"} for row in rows(50, BEGIN, seed=6)]
    for name, lines in {"b": other, "c": early, "d": failed, "again": own[:300]}.items():
        for key, content in files("churn", "prediction-log", lines):
            flow.storage.put(key.replace(".jsonl", f"{name}.jsonl"), content)
    look(flow)
    assert report(flow)["rows"] == 600


def test_labels_that_come_days_later_join_their_predictions(flow: Flow) -> None:
    flow.registry.items["version", "churn", 1]["live_since"] = "2025-12-01T00:00:00.000Z"
    predicted = rows(300, BEGIN - timedelta(days=5), skill=0.5)
    log(flow, predicted)
    log(flow, labels(predicted, timedelta(days=5)), "feedback")
    assert look(flow) == {"churn": True}
    found = report(flow)
    assert (found["rows"], found["quality"]["rows"], found["quality"]["drifted"]) == (0, 300, True)
    assert found["read"]["joined"] == 300
    assert found["read"]["log_of_labels"]["files"] > 0


def test_labels_of_unknown_classes_and_rewards_are_counted_apart(flow: Flow) -> None:
    predicted = rows(600, BEGIN)
    told = labels(predicted[:150])
    for line in told[:20]:
        line["label"] = "perhaps"
    for line in told[20:40]:
        line["reward"] = line.pop("label") == "yes"
    log(flow, predicted)
    log(flow, told, "feedback")
    look(flow)
    found = report(flow)
    assert {name: found["read"][name] for name in ("labels", "rewards", "unknown_labels", "joined")} == {
        "labels": 110,
        "rewards": 20,
        "unknown_labels": 20,
        "joined": 110,
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no gzip", "BadGzipFile"), (b"\x1f\x8b\x08\0", "EOFError"), (None, "no JSON object"), (b"", "")],
)
def test_a_damaged_file_is_told_and_keeps_nobody(flow: Flow, content: bytes | None, why: str) -> None:
    log(flow, rows(600, BEGIN))
    whole = dict(files("churn", "prediction-log", [{"at": "2026-01-03T05:00:00.000Z"}]))
    key = next(iter(whole)).replace(".jsonl", "x.jsonl")
    flow.storage.put(key, gzip.compress(b"[1]\n") if content is None else content)
    look(flow)
    found = report(flow)
    assert found["rows"] == 600
    assert [why in line for line in found["read"]["log"]["unreadable"]] == ([True] if why else [])


def test_large_logs_are_sampled_by_whole_files_and_it_is_told(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 520)
    log(flow, rows(1200, BEGIN))
    look(flow)
    found = report(flow)
    assert found["rows"] == 520
    assert found["read"]["log"]["files"] < found["read"]["log"]["of_files"] == 40
    assert not found["drifted"]
    page = flow.storage.objects[flow.registry.model("churn")["drift"]["report"]].decode()
    assert "chosen as if by lot" in page


def test_without_records_only_what_goes_out_is_compared(flow: Flow) -> None:
    predicted = [{name: value for name, value in row.items() if name != "record"} for row in rows(600, BEGIN)]
    for key, content in files("churn", "prediction-log", predicted):
        flow.storage.put(key, content)
    look(flow)
    found = report(flow)
    assert "prediction_log.records" in found["not_compared"]["*"]
    assert found["columns"] == []
    assert found["prediction"]["rows"] == 600


def test_what_settings_leave_out(flow: Flow) -> None:
    log(flow, rows(1000, BEGIN, heights=(60, 100)))
    settings(flow, "drift: {exclude: [height], psi: 9}\n")
    assert look(flow) == {"churn": False}
    assert [column["name"] for column in report(flow)["columns"]] == ["color"]
    settings(flow, "drift: {watch: false}\n")
    assert look(flow, LOOK + timedelta(days=2)) == {}


def test_a_period_is_looked_at_once_and_the_next_one_again(flow: Flow) -> None:
    log(flow, rows(600, BEGIN))
    metrics = FakeMetrics()
    watch = WatchDrift(flow.ledger(), flow.storage, metrics)
    watch.look(LOOK)
    done = len(flow.world.effects)
    watch.look(LOOK + timedelta(hours=5))
    assert len(flow.world.effects) == done
    watch.look(LOOK + timedelta(days=1))
    assert flow.registry.model("churn")["drift"]["until"] == "2026-01-05T00:00:00.000Z"
    assert [state for state, _ in metrics.told] == [{"churn": False}] * 3
    # ten minutes are left for what is on its way to the bucket
    assert watch.look(MIDNIGHT + timedelta(days=2, minutes=9)) == {"churn": False}
    assert flow.registry.model("churn")["drift"]["until"] == "2026-01-05T00:00:00.000Z"


def test_a_new_version_ends_the_alarm(flow: Flow) -> None:
    log(flow, rows(600, BEGIN, heights=(90, 100)))
    assert look(flow) == {"churn": True}
    flow.registry.items["model", "churn", ""]["live_version"] = 2
    assert look(flow, LOOK + timedelta(hours=1)) == {"churn": False}


def test_without_time_the_next_delivery_goes_on(flow: Flow) -> None:
    log(flow, rows(600, BEGIN))
    assert look(flow, left=lambda: 100.0) == {}
    assert look(flow) == {"churn": False}


def test_a_model_that_cannot_be_looked_at_keeps_no_other_from_it(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = json.loads(json.dumps(flow.registry.items["model", "churn", ""])) | {"model": "broken"}
    flow.registry.items["model", "broken", ""] = broken
    log(flow, rows(600, BEGIN))
    with pytest.raises(Failed, match="broken: NotFound"):
        look(flow)
    assert flow.registry.model("churn")["drift"]["compared"]

    def away(_key: str, _limit: int) -> bytes:
        raise Transient("S3 is away")

    monkeypatch.setattr(flow.storage, "read", away)
    with pytest.raises(Failed, match="churn: Transient: S3 is away"):
        look(flow, LOOK + timedelta(days=1))


ON_DRIFT = "retrain: {on: [drift]}\n"


def drifting(flow: Flow, day: int) -> None:
    log(flow, rows(700, BEGIN + timedelta(days=day), heights=(60, 160), seed=10 + day))
    look(flow, LOOK + timedelta(days=day))
    flow.world.now = LOOK + timedelta(days=day, minutes=2)
    Wake(flow.ledger()).look(flow.registry.models(), flow.world.now)
    flow.play()


def test_drift_starts_one_run_on_the_data_that_came_since() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", ON_DRIFT.encode())
    flow.put("data/churn/a.csv", table(900))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1  # the first version needs no drift
    flow.put("data/churn/b.csv", table(300, 2))
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    drifting(flow, 0)
    model = flow.registry.model("churn")
    assert model["drift"]["retrain"] == "a run was asked for"
    assert (len(flow.registry.runs("churn")), model["live_version"], model.get("asked")) == (2, 2, None)


def test_drift_that_persists_starts_no_run_on_the_same_data(flow: Flow) -> None:
    settings(flow, ON_DRIFT)
    for day in range(2):
        drifting(flow, day)
        model = flow.registry.model("churn")
        assert model["drift"]["drifted"]
        assert model["drift"]["retrain"].startswith("waits for data")
        assert model.get("asked") is None
    assert len(flow.registry.runs("churn")) == 1
    flow.put("data/churn/b.csv", table(300, 2))
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    drifting(flow, 2)
    assert len(flow.registry.runs("churn")) == 2


def test_without_drift_in_on_nothing_is_asked_for(flow: Flow) -> None:
    settings(flow, "retrain: {min_new_rows: 100000}\n")
    flow.put("data/churn/b.csv", table(300, 2))
    flow.play()
    drifting(flow, 0)
    model = flow.registry.model("churn")
    assert (model["drift"]["drifted"], model["drift"]["retrain"], model.get("asked")) == (True, None, None)
    assert len(flow.registry.runs("churn")) == 1


def test_a_lost_message_is_sent_again_until_a_run_takes_it_up(flow: Flow) -> None:
    settings(flow, ON_DRIFT)
    flow.put("data/churn/b.csv", table(300, 2))
    flow.play()
    log(flow, rows(700, BEGIN, heights=(60, 160)))
    look(flow)
    assert flow.registry.model("churn")["asked"] == "drift:2026-01-04T00:00:00.000Z"
    for _ in range(2):
        assert Wake(flow.ledger()).look(flow.registry.models(), flow.world.tick()) == ["churn"]
    flow.play()
    assert len(flow.registry.runs("churn")) == 2
    assert Wake(flow.ledger()).look(flow.registry.models(), flow.world.tick()) == []


def test_the_flow_begins_before_its_period() -> None:
    assert BEGIN - timedelta(hours=1) > START
    assert moment("2026-01-04T00:00:00.000Z") == MIDNIGHT


def test_a_period_before_the_version_served_is_not_looked_at(flow: Flow) -> None:
    flow.registry.items["version", "churn", 1]["live_since"] = "2026-01-04T00:05:00.000Z"
    assert look(flow) == {}
    assert "drift" not in flow.registry.model("churn")
    assert look(flow, LOOK + timedelta(days=1)) == {"churn": False}
