"""A file under batch/ comes back under predictions/, or its item says exactly why not."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from sluicegate.domain import names
from sluicegate.domain.errors import Conflict, Forbidden, Transient
from sluicegate.domain.items import moment
from sluicegate.services.batch import Batches
from tests.support.batches import PREFIX, with_version
from tests.support.fakes import FakeWorkspace
from tests.support.flow import Flow, table

HEADER = "id,height,color,won\n"


def dropped(flow: Flow, key: str, body: bytes | str) -> dict[str, Any]:
    """The batch's item after all is done."""
    flow.put(key, body.encode() if isinstance(body, str) else body)
    flow.play()
    return next(item for item in flow.registry.batches("churn") if item["key"] == key)


def rows_of(flow: Flow, key: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(flow.storage.objects[key].decode(), newline="")))


@pytest.fixture
def flow() -> Flow:
    return with_version()


def test_a_file_comes_back_in_order_with_its_columns_and_its_rejects_beside_it(flow: Flow) -> None:
    body = HEADER + "007,80,red,yes\n008,x,red,no\n009,20,pink,\n\n010,,green,no\n011,60\n"
    item = dropped(flow, "batch/churn/june.csv", body)
    assert (item["status"], item["rows"], item["rejected_rows"], item["version"]) == ("done", 3, 2, 1)
    assert item["result"] == "predictions/churn/june.csv"
    found = rows_of(flow, item["result"])
    columns = ("id", "height", "color", "won", "input_line", "prediction")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("007", "80", "red", "yes", "2", "yes"),
        ("009", "20", "pink", "", "4", "no"),
        ("010", "", "green", "no", "6", "no"),
    ]
    assert all(float(row["probability_no"]) + float(row["probability_yes"]) == pytest.approx(1) for row in found)
    assert [(row["line"], row["column"], row["reason"]) for row in rows_of(flow, item["rejects"])] == [
        ("3", "height", "height: 'x' is not a number"),
        ("7", "", "2 fields instead of 4"),
    ]
    assert [line["status"] for line in item["history"]] == [
        *("received", "preparing", "predicting", "finishing", "done")
    ]
    assert item["history"][-1]["message"].startswith("3 rows predicted with version 1; 2 rejected, see predictions/")


def test_what_a_model_says_of_itself_is_not_disturbed(flow: Flow) -> None:
    before = flow.registry.model("churn")
    dropped(flow, "batch/churn/june.csv", HEADER + "1,80,red,yes\n")
    assert flow.registry.model("churn") == before


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines_keep_their_text_and_get_fields(flow: Flow, name: str) -> None:
    lines = [
        '{"height": 80,"color":"red", "note": [1, 2]}',
        "",
        '{"color":"red"}',
        "nope",
        '{"color":null,"height":"20"}',
    ]
    body = "\n".join(lines).encode()
    item = dropped(flow, f"batch/churn/{name}", gzip.compress(body) if name.endswith(".gz") else body)
    result = flow.storage.objects[item["result"]]
    text = gzip.decompress(result) if name.endswith(".gz") else result
    first, last = text.decode().splitlines()
    assert first.startswith('{"height": 80,"color":"red", "note": [1, 2],"input_line":1,"prediction":"yes",')
    assert json.loads(last) == {
        "color": None,
        "height": "20",
        "input_line": 5,
        "prediction": "no",
        "probability_no": 0.9,
        "probability_yes": 0.1,
    }
    assert [row["reason"] for row in rows_of(flow, item["rejects"])] == [
        "height: missing; write null if the value is unknown",
        "not JSON",
    ]


def test_parquet_keeps_its_types(flow: Flow, tmp_path: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    source, result = tmp_path / "in.parquet", tmp_path / "out.parquet"
    select = "SELECT i AS id, (i * 9)::SMALLINT AS height, 'red' AS color, [i] AS list, DATE '2026-01-02' AS day"
    connection.execute(f"COPY ({select} FROM range(12) t(i)) TO '{source}' (FORMAT parquet)")
    item = dropped(flow, "batch/churn/a.parquet", source.read_bytes())
    result.write_bytes(flow.storage.objects[item["result"]])
    assert connection.execute(f"SELECT id, list, prediction FROM '{result}'").fetchall() == [
        (number, [number], "yes" if number * 9 > 50 else "no") for number in range(12)
    ]
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM '{result}'").fetchall()}
    assert (types["height"], types["day"], types["probability_yes"]) == ("SMALLINT", "DATE", "DOUBLE")


def test_semicolons_and_decimal_commas_are_read_and_kept(flow: Flow) -> None:
    item = dropped(flow, "batch/churn/a.csv", "height;color\n80,5;red\n20,25;blue\n")
    lines = flow.storage.objects[item["result"]].decode().splitlines()
    assert lines[0] == "height;color;input_line;prediction;probability_no;probability_yes"
    assert [line.split(";")[:4] for line in lines[1:]] == [["80,5", "red", "2", "yes"], ["20,25", "blue", "3", "no"]]


def test_a_version_is_pinned_by_its_folder(flow: Flow) -> None:
    flow.put("data/churn/second.csv", table(260, 2))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 2
    pinned = dropped(flow, "batch/churn/version=1/june.csv", HEADER + "1,80,red,yes\n")
    assert (pinned["version"], pinned["result"]) == (1, "predictions/churn/version=1/june.csv")
    assert dropped(flow, "batch/churn/june.csv", HEADER + "1,80,red,yes\n")["version"] == 2
    first = names.training_job(PREFIX, "churn", flow.registry.version("churn", 1)["run"])
    assert flow.jobs.transforms[pinned["transform_job"]].model_name == first


def test_without_an_endpoint_and_without_its_sagemaker_model_it_works_all_the_same(flow: Flow) -> None:
    flow.endpoints.states.clear()
    flow.jobs.models.clear()
    item = flow.registry.items["model", "churn", ""]
    item.pop("live_version")
    flow.registry.items["version", "churn", 1]["status"] = "retired"
    assert dropped(flow, "batch/churn/june.csv", HEADER + "1,80,red,yes\n")["status"] == "done"


@pytest.mark.parametrize(
    ("key", "body", "title", "detail"),
    [
        ("batch/churn/a.csv", "", "Empty file", "a.csv has 0 bytes."),
        ("batch/churn/a.csv", HEADER, "No rows", "a.csv has no rows to predict."),
        ("batch/churn/a.csv", "1,2,3\n4,5,6\n", "No header", "The first line of a.csv is '1,2,3'"),
        ("batch/churn/a.csv", "id,color\n1,red\n", "Missing columns", "a.csv has no column height,"),
        ("batch/churn/a.csv", "height,color,prediction\n1,red,x\n", "Column names are taken", "a column prediction;"),
        ("batch/churn/a.csv", "height,color\nx,red\n", "No usable rows", "1 row, all rejected. The first, line 2: "),
        ("batch/churn/a.jsonl", "[]\n", "No usable rows", 'line 1: not an object {"column": value}.'),
        ("batch/churn/a.parquet", "x\n", "Not a Parquet file", "a.parquet does not begin with PAR1."),
        ("batch/churn/a.csv.gz", b"\x1f\x8bxx", "Damaged gzip file", "a.csv.gz can't be unpacked"),
        ("batch/churn/a.xlsx", "x", "Not a file to predict", "'a.xlsx' is not read: names end in .csv,"),
        ("batch/churn/a.csv.rejects.csv", "x", "Not a file to predict", "Names that end in .rejects.csv"),
        ("batch/churn/version=x/a.csv", "x", "Not a file to predict", "'version=x' names no version"),
        ("batch/churn/version=7/a.csv", "x", "Unknown version", "no version 7. It has 1 (live)."),
    ],
)
def test_a_file_that_can_not_be_predicted_says_why(
    flow: Flow, key: str, body: str | bytes, title: str, detail: str
) -> None:
    item = dropped(flow, key, body)
    assert (item["status"], item["error"]["title"]) == ("failed", title)
    assert detail in item["error"]["detail"]
    assert item["error"]["remedy"]
    assert item["history"][-1]["message"] == item["error"]["detail"]
    assert not [key for key in flow.jobs.transforms if key.endswith("-b")]


@pytest.mark.parametrize(
    ("status", "title", "detail"),
    [
        ("rejected", "Not approved", "Version 1 was rejected: too bad"),
        ("pending_approval", "Not approved", "Version 1 waits for approval"),
    ],
)
def test_a_version_that_was_not_approved_is_refused(flow: Flow, status: str, title: str, detail: str) -> None:
    flow.registry.items["version", "churn", 1] |= {"status": status, "reason": "too bad"}
    flow.registry.items["model", "churn", ""].pop("live_version")
    item = dropped(flow, "batch/churn/version=1/a.csv", HEADER + "1,80,red,yes\n")
    assert item["error"]["title"] == title
    assert item["error"]["detail"].startswith(detail)
    item = dropped(flow, "batch/churn/a.csv", HEADER + "1,80,red,yes\n")
    assert item["error"]["title"] == "No version"
    assert f"1 ({status})" in item["error"]["detail"]


@pytest.mark.parametrize("key", ["batch/nope/a.csv", "batch/a.csv", "batch/Churn!/a.csv"])
def test_a_file_of_no_model_is_listed_among_the_unplaced(flow: Flow, key: str) -> None:
    flow.put(key, b"x")
    flow.play(copies=2)
    (item,) = flow.registry.unplaced()
    assert (item["key"], item["status"]) == (key, "rejected")
    assert item["error"]["remedy"] == "Put it under batch/<model>/."


def test_the_same_event_again_does_nothing_and_the_same_file_again_is_another_batch(flow: Flow) -> None:
    flow.put("batch/churn/a.csv", (HEADER + "1,80,red,yes\n").encode())
    flow.play(copies=3)
    assert len(flow.registry.batches("churn")) == 1
    flow.put("batch/churn/a.csv", (HEADER + "1,80,red,yes\n").encode())
    flow.play()
    assert [item["status"] for item in flow.registry.batches("churn")] == ["done", "done"]


def test_a_move_that_met_another_and_was_made_by_neither_is_tried_again(flow: Flow) -> None:
    flow.put("batch/churn/a.csv", (HEADER + "1,80,red,yes\n").encode())
    flow.collect()
    (event,) = flow.pending
    flow.deliver(*event)
    (item,) = flow.registry.batches("churn")
    batches = Batches(flow.registry)

    def meets() -> None:
        raise Conflict("TransactionConflict")

    flow.registry.before_commit = meets
    with pytest.raises(Transient, match="could not be moved to finishing"):
        batches.move(item, "finishing", flow.world.now, "")
    flow.registry.before_commit = lambda: None
    moved = batches.move(item, "finishing", flow.world.now, "")
    assert (moved["status"], batches.move(item, "finishing", flow.world.now, "")["status"]) == (
        "finishing",
        "finishing",
    )


def test_a_file_that_was_replaced_meanwhile_does_not_overwrite_the_newer_result(flow: Flow) -> None:
    key = "batch/churn/a.csv"
    flow.put(key, (HEADER + "1,80,red,yes\n2,x,red,yes\n").encode())
    flow.collect()
    flow.attempt(*flow.pending.pop(0))  # read before the second came
    flow.put(key, (HEADER + "9,20,red,yes\n").encode())
    flow.play()
    newer, older = flow.registry.batches("churn")
    assert (newer["status"], older["status"], older["error"]["title"]) == ("done", "failed", "Replaced")
    assert [row["id"] for row in rows_of(flow, "predictions/churn/a.csv")] == ["9"]


def test_a_file_that_is_gone_before_it_is_read_says_so(flow: Flow) -> None:
    flow.put("batch/churn/a.csv", (HEADER + "1,80,red,yes\n").encode())
    del flow.storage.objects["batch/churn/a.csv"]
    flow.play()
    (item,) = flow.registry.batches("churn")
    assert (item["status"], item["error"]["title"]) == ("failed", "The file is gone")


def test_the_rejects_of_an_earlier_file_do_not_stay_beside_a_good_one(flow: Flow) -> None:
    first = dropped(flow, "batch/churn/a.csv", HEADER + "1,x,red,yes\n2,80,red,yes\n")
    assert first["rejects"]
    flow.put("batch/churn/a.csv", (HEADER + "2,80,red,yes\n").encode())
    flow.play()
    assert flow.storage.objects[first["rejects"]] == b"line,column,reason,text\n"


def test_a_transform_job_that_fails_is_told_with_its_reason(flow: Flow) -> None:
    flow.put("batch/churn/a.csv", (HEADER + "1,80,red,yes\n").encode())
    flow.collect()
    flow.attempt(*flow.pending.pop(0))
    (item,) = flow.registry.batches("churn")
    flow.jobs.end("transform", item["transform_job"], "Failed", "ClientError: 400")
    flow.play()
    (item,) = flow.registry.batches("churn")
    assert (item["status"], item["error"]["detail"]) == ("failed", "ClientError: 400")


def test_an_answer_that_lacks_rows_is_not_taken_for_a_result(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        flow, "predict_batch", lambda _, output: flow.storage.objects.update({f"{output}/part-00000.csv.out": b"0.5\n"})
    )
    item = dropped(flow, "batch/churn/a.csv", HEADER + "1,80,red,yes\n2,80,red,yes\n")
    assert item["error"]["detail"] == "The model predicted 1 rows of 2."


def test_a_file_beyond_the_disk_is_refused_with_what_to_do(flow: Flow) -> None:
    flow.workspace = FakeWorkspace(free=100)
    item = dropped(flow, "batch/churn/a.csv", HEADER + "1,80,red,yes\n" * 20)
    assert item["error"]["title"] == "File too large"
    assert "Split it" in item["error"]["remedy"]
    assert moment(item["updated_at"]).tzinfo is UTC


@pytest.mark.parametrize("begun", [False, True])
def test_a_missing_permission_is_the_operators_and_the_batch_waits(flow: Flow, begun: bool) -> None:
    """It must not end as failed: the event goes to the dead-letter queue, and goes on with the batch from there."""
    flow.put("batch/churn/june.csv", (HEADER + "1,80,red,yes\n").encode())
    flow.collect()
    (event,) = flow.pending
    if begun:
        flow.deliver(*flow.pending.pop(0))
        assert flow.sagemaker()
        flow.collect()
        (event,) = flow.pending
    read, download = flow.storage.read, flow.storage.download

    def forbidden(*_: Any, **__: Any) -> Any:
        raise Forbidden("GetObject: AccessDenied: not authorized")

    flow.storage.read = flow.storage.download = forbidden  # type: ignore[method-assign]
    with pytest.raises(Forbidden):
        flow.deliver(*event)
    (item,) = flow.registry.batches("churn")
    assert item["status"] != "failed" and not item.get("error")
    flow.storage.read, flow.storage.download = read, download  # type: ignore[method-assign]
    flow.play()
    (item,) = flow.registry.batches("churn")
    assert item["status"] == "done"
