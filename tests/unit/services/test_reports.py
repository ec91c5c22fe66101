"""A run's report from end to end over the fakes: what is in it, where it is, and what makes it say less."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import numpy as np
import pytest
import xgboost

from sluicegate.domain.errors import NotFound
from sluicegate.services import artifacts, reporting
from sluicegate.services.catalog import Catalog, NoReport
from tests.support.flow import Flow, table


def archive(**files: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("_", "-"))
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return target.getvalue()


def booster(width: int) -> bytes:
    random = np.random.default_rng(1)
    rows = random.random((200, width))
    trained = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, rows[:, 0]), 5)
    return bytes(trained.save_raw("ubj"))


class Trained(Flow):
    """Each training job leaves an artifact."""

    artifact: bytes | None = None

    def deliver(self, kind: str, identity: str, about: Any) -> str:
        if kind == "training" and self.artifact is not None:
            model, run = str(about).split("-")[1:3]
            self.storage.objects[f"artifacts/{model}/{about}/output/model.tar.gz"] = self.artifact
            assert run
        return super().deliver(kind, identity, about)


def played(artifact: bytes | None) -> tuple[Flow, Any]:
    flow = Trained(skill=lambda _: 0.9)
    flow.artifact = artifact
    flow.put("data/churn/a.csv", table(400) + b"1,2,3,4\n")
    flow.put("data/churn/empty.csv", b"")
    flow.play()
    (run,) = flow.registry.runs("churn")
    return flow, run


def test_the_report_is_written_and_both_run_and_version_name_it() -> None:
    flow, run = played(archive(xgboost_model=booster(5)))
    (version,) = flow.registry.versions("churn")
    key = f"evaluations/churn/{run['run']}/report.html"
    assert run["report"] == version["report"] == key
    report = flow.storage.json(key.replace(".html", ".json"))
    assert report["metrics"] == run["metrics"]
    assert report["verdict"] == run["verdict"]
    assert report["baseline"]["value"] == 0.5
    assert report["figures"]["roc"][0]["auc"] == pytest.approx(report["metrics"]["auc"]["value"])
    assert sum(map(sum, report["figures"]["confusion"]["counts"])) == report["rows"] == run["rows"]["holdout"]
    assert report["data"]["counts"] == run["rows"]
    assert report["data"]["rejected"] == 1
    (finding,) = report["data"]["findings"]
    assert (finding["kind"], finding["columns"]) == ("predicts_target", ["height"])
    assert run["notes"] == [finding["text"]] and report["data"]["notes"] == []
    assert [check["name"] for check in run["verdict"]["checks"]] == ["first", "leaks"]
    assert {column["name"]: column["role"] for column in report["data"]["columns"]} == {
        "won": "target",
        "height": "used",
        "color": "used",
    }
    (upload,) = report["uploads"]
    assert (upload["key"], upload["accepted_rows"], upload["rejected_rows"]) == ("data/churn/a.csv", 400, 1)
    assert [found["key"] for found in report["rejected_uploads"]] == ["data/churn/empty.csv"]
    assert report["importance"]["reported"]["columns"][0]["column"] == "height"
    page = flow.storage.objects[key].decode()
    assert run["verdict"]["reason"].split(":")[0] in page


def test_a_column_is_what_the_settings_say_it_is() -> None:
    flow = Flow(skill=lambda _: 0.9)
    flow.put("models/churn/model.yaml", b"features: {types: {height: category}}")
    flow.put("data/churn/a.csv", table(400))
    flow.play()
    (run,) = flow.registry.runs("churn")
    report = flow.storage.json(f"evaluations/churn/{run['run']}/report.json")
    types = {column["name"]: column["type"] for column in report["data"]["columns"]}
    assert types == {"won": "category", "height": "category", "color": "category"}


@pytest.mark.parametrize(
    ("artifact", "why"),
    [
        (None, "artifacts/churn"),
        (b"no archive", "no readable archive"),
        (archive(), "no model file"),
        (archive(xgboost_model=b"\x80\x04."), "neither JSON nor UBJSON"),
        (archive(xgboost_model=booster(9)), "other columns"),
        (archive(xgboost_model=booster(5))[:900], "no readable archive"),
    ],
    # an archive carries its second: as part of a test's name it would be another one in each worker
    ids=["none", "no archive", "empty", "pickle", "other columns", "cut off"],
)
def test_an_artifact_that_does_not_say_what_it_goes_by(artifact: bytes | None, why: str) -> None:
    flow, run = played(artifact)
    report = flow.storage.json(f"evaluations/churn/{run['run']}/report.json")
    assert why in report["importance"]["reported"]["absent"]
    assert "absent" in report["importance"]["permutation"]
    assert run["status"] == "live"


def test_large_artifacts_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "LARGEST_ARTIFACT", 100)
    flow, run = played(archive(xgboost_model=booster(5)))
    found = flow.storage.json(f"evaluations/churn/{run['run']}/report.json")["importance"]
    assert "larger than" in found["reported"]["absent"] and "larger than" in found["permutation"]["absent"]


def test_numbers_that_json_does_not_know_are_null() -> None:
    flow, run = played(None)
    report = flow.storage.json(f"evaluations/churn/{run['run']}/report.json")
    reporting.write(flow.storage, {**report, "odd": [float("nan"), float("inf"), 1.5]})
    key = f"evaluations/churn/{run['run']}/report.json"
    assert json.loads(flow.storage.objects[key])["odd"] == [None, None, 1.5]


def test_the_api_reads_it_and_says_why_there_is_none() -> None:
    flow, run = played(None)
    catalog = Catalog(flow.registry, "data", flow.storage)
    assert json.loads(catalog.report("churn", run["run"], "json"))["run"] == run["run"]
    assert catalog.report("churn", run["run"], "html").startswith(b"<!doctype html>")
    assert catalog.report_link("churn", run["run"])["url"].startswith("https://data.example/evaluations/")
    with pytest.raises(NotFound):
        catalog.report("churn", "00000000", "json")
    del flow.storage.objects[run["report"]]
    with pytest.raises(NoReport, match="not in the bucket any more"):
        catalog.report("churn", run["run"], "html")
    with pytest.raises(NoReport, match="as=link"):
        flow.storage.objects[run["report"]] = b"x" * 4_000_001
        catalog.report("churn", run["run"], "html")
