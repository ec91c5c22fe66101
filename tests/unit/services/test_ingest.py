from __future__ import annotations

import pytest

from sluicegate.services.arrivals import Arrived, place
from sluicegate.services.ingest import Ingest
from sluicegate.services.notes import shown
from tests.support.fakes import START, FakeWorkspace
from tests.support.flow import Flow, table


def only(flow: Flow, model: str = "churn") -> dict[str, object]:
    (upload,) = flow.registry.uploads(model)
    return dict(upload)


@pytest.mark.parametrize(
    ("key", "kind", "model"),
    [
        ("data/churn/a.csv", "data", "churn"),
        ("data/churn/2026/05/ä ö.csv", "data", "churn"),
        ("data/churn.csv", "unplaced", ""),
        ("data/Churn/a.csv", "unplaced", ""),
        ("data/churn-/a.csv", "unplaced", ""),
        (f"data/{'a' * 41}/a.csv", "unplaced", ""),
        ("models/churn/model.yaml", "settings", "churn"),
        ("models/CHURN/model.yaml", "unplaced", ""),
        ("models/churn/notes.txt", "none", ""),
        ("data/churn/", "none", ""),
    ],
)
def test_what_a_key_is_for(key: str, kind: str, model: str) -> None:
    found = place(key)
    assert (found.kind, found.model) == (kind, model)
    assert bool(found.problem) == (kind == "unplaced")


@pytest.mark.parametrize("key", ["data/churn.csv", "data/No Model/x.csv"])
def test_a_file_outside_any_model_is_shown_with_a_report(key: str) -> None:
    flow = Flow()
    flow.put(key, b"a,b\n1,2\n")
    flow.play(copies=2)
    (upload,) = flow.registry.unplaced()
    assert upload["status"] == "rejected"
    assert upload["error"]["remedy"]
    assert flow.storage.json(upload["report"])["error"] == upload["error"]
    assert flow.registry.models() == []


@pytest.mark.parametrize("content", [b"", b"height,color,won\n", b"\x00\x01\x02PNG\xff" * 100])
def test_a_file_that_cannot_be_read_is_reported_and_starts_nothing(content: bytes) -> None:
    flow = Flow()
    flow.put("data/churn/bad.csv", content)
    flow.play()
    upload = only(flow)
    assert upload["status"] == "rejected"
    report = flow.storage.json(str(upload["report"]))
    assert report["error"]["title"]
    assert report["error"]["detail"]
    assert flow.world.messages == []
    assert flow.registry.model("churn")["state"] == "failed"


def test_bad_rows_are_set_aside_and_the_good_ones_train() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240) + b"5,red\n" + b"7,blue,yes,9,9\n")
    flow.play()
    upload = only(flow)
    assert (upload["accepted_rows"], upload["rejected_rows"]) == (240, 2)
    rejects = flow.storage.objects[f"data-rejects/churn/{upload['upload']}/rows.csv"].decode()
    assert len(rejects.strip().splitlines()) == 3
    assert flow.registry.model("churn")["live_version"] == 1


def test_a_key_in_url_form_is_found() -> None:
    flow = Flow()
    etag = flow.storage.put("data/churn/ä b+c.csv", table(30))
    ingest = Ingest(flow.ledger(), flow.storage, flow.workspace)
    assert ingest.object_created(Arrived("data/churn/%C3%A4+b%2Bc.csv", etag, START)) == "accepted"
    assert only(flow)["key"] == "data/churn/ä b+c.csv"


def test_an_object_that_is_gone_is_ignored_and_read_when_it_comes_back() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    content = flow.storage.objects.pop("data/churn/a.csv")
    flow.play()
    assert only(flow)["status"] == "ignored"
    flow.put("data/churn/a.csv", content)
    flow.play()
    assert only(flow)["status"] == "accepted"
    assert flow.registry.model("churn")["live_version"] == 1


def test_the_same_content_again_is_nothing_new() -> None:
    flow = Flow()
    for _ in range(2):
        flow.put("data/churn/a.csv", table(240))
        flow.play()
    assert len(flow.registry.runs("churn")) == 1
    only(flow)


def test_a_file_larger_than_the_disk_is_refused_with_what_to_do() -> None:
    flow = Flow()
    flow.workspace = FakeWorkspace(free=1000)
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    error = flow.registry.uploads("churn")[0]["error"]
    assert error["title"] == "File too large"
    assert "EphemeralStorageMb" in error["remedy"]


def test_types_of_the_first_upload_hold_and_new_columns_are_added() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(60))
    flow.play()
    flow.put(
        "data/churn/b.csv", b"height,color,weight,won\n" + b"".join(b"%d,red,%d,yes\n" % (n, n) for n in range(30))
    )
    flow.play()
    columns = flow.registry.model("churn")["columns"]["columns"]
    assert [column["name"] for column in columns] == ["height", "color", "won", "weight"]


def test_an_upload_that_set_types_meanwhile_makes_this_one_be_read_again() -> None:
    flow = Flow()
    etag = flow.storage.put("data/churn/a.csv", table(60))
    other = flow.storage.put("data/churn/b.csv", b"height,color,won\nx,red,yes\ny,blue,no\nz,red,no\n")
    commits = 0

    def meanwhile() -> None:
        nonlocal commits
        commits += 1
        if commits == 2:  # a.csv has been read and is about to be accepted
            Ingest(flow.ledger(), flow.storage, flow.workspace).object_created(
                Arrived("data/churn/b.csv", other, START)
            )

    flow.registry.before_commit = meanwhile
    outcome = Ingest(flow.ledger(), flow.storage, flow.workspace).object_created(
        Arrived("data/churn/a.csv", etag, START)
    )
    assert outcome == "accepted"
    types = {column["name"]: column["type"] for column in flow.registry.model("churn")["columns"]["columns"]}
    assert types["height"] == "category"
    assert all(upload["status"] == "accepted" for upload in flow.registry.uploads("churn"))


def test_a_mistake_in_model_yaml_stops_everything_until_it_is_corrected() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"algorithm: {hyperparameters: {etta: 0.1}}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    model = flow.registry.model("churn")
    assert "algorithm.hyperparameters" in model["settings_problem"]["detail"]
    assert flow.registry.runs("churn") == []
    flow.put("models/churn/model.yaml", b"algorithm: {hyperparameters: {eta: 0.1}}\n")
    flow.play()
    assert "settings_problem" not in flow.registry.model("churn")
    assert flow.registry.model("churn")["live_version"] == 1
    (job,) = flow.jobs.training.values()
    assert job.hyperparameters["eta"] == "0.1"


def test_a_model_yaml_that_is_no_text_is_refused() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", "target: wön\n".encode("utf-16"))
    flow.play()
    assert flow.registry.model("churn")["settings_problem"]["title"] == "model.yaml is not text"


def test_the_first_rejected_rows_are_told_with_the_upload() -> None:
    examples = [{"line": line, "column": "", "reason": "5 fields instead of 11"} for line in (4, 9, 12, 30)]
    lines = shown({"rejected": 1204, "examples": examples})
    assert lines[0] == "line 4: 5 fields instead of 11"
    assert lines[3:] == ["and 1,201 more, see the report"]
    assert shown({"rejected": 1, "examples": examples[:1]}) == ["line 4: 5 fields instead of 11"]
    assert shown({"rejected": 0, "examples": []}) == []
