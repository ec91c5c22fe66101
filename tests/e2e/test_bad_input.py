"""Bad input through the whole stack: each file gets a readable report, and everybody else goes on.

All cases are dropped at once, each for a model of its own, on one region.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

ENDED = {"live", "rejected", "failed", "awaiting_approval"}


def good(rows: int = 300, newline: str = "\n", sep: str = ",", seed: int = 1) -> str:
    """x, plan and y, where y follows from both."""
    chance = random.Random(seed)
    lines = [sep.join(("x", "plan", "y"))]
    for _ in range(rows):
        x, plan = chance.random(), chance.choice("ab")
        y = "yes" if x + 0.4 * (plan == "a") + chance.gauss(0, 0.1) > 0.7 else "no"
        lines.append(sep.join((f"{x:.4f}", plan, y)))
    return newline.join(lines) + newline


def replaced(column: int, value: str, every: int = 1) -> str:
    """The good file with one column's value replaced in every n-th row."""
    lines = good().splitlines()
    for number in range(1, len(lines), every):
        fields = lines[number].split(",")
        fields[column] = value
        lines[number] = ",".join(fields)
    return "\n".join(lines) + "\n"


def many_categories(rows: int = 60_000) -> str:
    chance = random.Random(5)
    body = "".join(f"{chance.random():.4f},k{n:x},{chance.choice(('yes', 'no'))}\n" for n in range(rows))
    return "x,plan,y\n" + body


def unlabelled() -> str:
    return replaced(2, "")


@dataclass(frozen=True)
class Case:
    """``said`` is None when the file is fine after all and a model has to come of it."""

    model: str
    body: bytes
    said: str | None = None
    settings: str = ""
    rejected_rows: int | None = None
    name: str = "file.csv"


def raw(text: str) -> bytes:
    return text.encode()


QUOTED = good().replace(",a,", ',"a\nwith ""quotes"", and a line",', 40)
CASES = [
    Case("empty", b"", "empty"),
    Case("header-only", b"x,plan,y\n", "row"),
    Case("one-row", b"x,plan,y\n1,a,yes\n", "row"),
    Case("one-class", raw(replaced(2, "yes")), "class|value"),
    Case("no-labels", raw(unlabelled()), "y|label|target"),
    Case("no-target", raw(good()), "nowhere", settings="target: nowhere\n"),
    Case("junk", random.Random(1).randbytes(5000), "text|binary|read|NUL"),
    Case("semicolons", raw(good(sep=";"))),
    Case("utf-16", good().encode("utf-16")),
    Case("bom", b"\xef\xbb\xbf" + raw(good())),
    Case("crlf", raw(good(newline="\r\n"))),
    Case("quoted-newlines", raw(QUOTED)),
    Case("ragged", raw(good() + "1,2\n0.5,a,yes,more\n"), None, rejected_rows=2),
    Case("duplicate-names", raw(good().replace("x,plan,y", "x,x,y", 1))),
    Case("empty-name", raw(good().replace("x,plan,y", "x,,y", 1))),
    Case("huge-field", raw(good() + f"0.5,{'z' * 1_000_000},yes\n"), None),
    Case("many-categories", raw(many_categories()), "."),
    Case("thousands", raw(replaced(0, '"1,234.5"', every=2)), None),
    Case("nan-inf", raw(replaced(0, "inf", every=50).replace("inf", "NaN", 2)), None),
    Case("target-is-id", raw(good()), "y", settings="target: y\nid_column: y\n"),
]


@pytest.fixture(scope="module")
def reports(application: Application) -> Iterator[dict[str, str]]:
    """Everything that the API says about each model once all is over, as text."""
    for case in CASES:
        text = f"retrain: {{quiet_period: 0s}}\n{case.settings}"
        application.put(f"models/{case.model}/model.yaml", text)
    for case in CASES:
        eventually(partial(application.api.find, f"models/{case.model}"), 90, f"settings of {case.model}")
    for case in CASES:
        application.put(f"data/{case.model}/{case.name}", case.body)
    yield {case.model: eventually(partial(ended, application, case.model), 150, case.model) for case in CASES}


def ended(application: Application, model: str) -> str | None:
    """All that is said of the model, when its upload and the run that followed are over."""
    path = f"models/{quote(model)}"
    uploads = application.uploads(model)
    if not uploads or uploads[0]["status"] == "received":
        return None
    runs = application.runs(model)
    detail = application.api.get(path)
    if application.runs(model) != runs:
        return None  # it went on between two of these answers, which have to tell the same
    settled = uploads[0]["status"] in ("rejected", "ignored") or detail["state"] in ("failed", "live")
    if runs and runs[0]["status"] not in ENDED:
        return None
    if not settled and not runs and not detail.get("settings_problem"):
        return None
    return json.dumps([detail, uploads, runs], ensure_ascii=False)


def state(report: str) -> dict[str, Any]:
    detail, uploads, runs = json.loads(report)
    return {"state": detail["state"], "upload": uploads[0], "runs": runs, "detail": detail}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.model)
def test_each_file_has_its_report(case: Case, reports: dict[str, str]) -> None:
    import re

    found = state(reports[case.model])
    if case.said is None:
        assert found["state"] == "live", reports[case.model]
        assert found["upload"]["accepted_rows"] >= 150
        if case.rejected_rows is not None:
            assert found["upload"]["rejected_rows"] == case.rejected_rows
        return
    if case.model == "many-categories":  # noise trains too; whatever the gate says of it, the file is no failure
        assert found["upload"]["status"] == "accepted"
        assert found["runs"][0]["status"] in ("live", "rejected")
        return
    assert found["state"] != "live", reports[case.model]
    errors = [found["upload"].get("error"), found["detail"].get("settings_problem")]
    errors += [run.get("error") for run in found["runs"]]
    told = [error for error in errors if error]
    assert told, reports[case.model]
    text = json.dumps(told)
    assert re.search(case.said, text), text
    assert all(error["title"] and error["detail"] for error in told)
    assert any(error["remedy"] for error in told)


def test_the_ragged_lines_are_named_in_the_report(application: Application, reports: dict[str, str]) -> None:
    upload = state(reports["ragged"])["upload"]
    report = json.loads(application.read(upload["report"]))
    assert "302" in json.dumps(report)  # the first ragged line, counted from 1 with the header
    rows = application.read(upload["report"].replace("report.json", "rows.csv")).decode()
    assert "302" in rows
    assert "303" in rows


def test_watch_says_what_was_wrong_and_what_to_do(application: Application, reports: dict[str, str]) -> None:
    assert "empty" in reports
    watched = application.watch("empty", 60)
    assert watched.returncode == 1
    assert "upload rejected" in watched.stdout
    error = state(reports["empty"])["upload"]["error"]
    assert error["detail"] in watched.stdout
    assert error["remedy"] in watched.stdout


def test_keys_with_spaces_and_unicode(application: Application, reports: dict[str, str]) -> None:
    assert reports
    application.settings("odd-keys")
    application.put("data/odd-keys/März 2026/Kunden & Co (neu)+1.csv", good(seed=9))
    watched = application.watch("odd-keys")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert application.uploads("odd-keys")[0]["key"] == "data/odd-keys/März 2026/Kunden & Co (neu)+1.csv"


@pytest.mark.parametrize("key", ["data/Not_Allowed/a.csv", "data/stray.csv"])
def test_files_of_no_model_are_listed(application: Application, key: str) -> None:
    application.put(key, good())

    def found() -> dict[str, Any] | None:
        unplaced = application.api.get("models")["unplaced"]
        return next((item for item in unplaced if item["key"] == key), None)

    upload = eventually(found, 60, f"{key} is reported")
    assert upload["error"]["detail"]
    assert upload["error"]["remedy"]
    assert application.client("s3").head_object(Bucket=application.target.bucket, Key=key)["ContentLength"] > 0


def test_an_object_deleted_before_it_is_read_is_no_failure(application: Application) -> None:
    """The event is delivered by hand for a key that is gone: what happens when a delete overtakes it."""
    event = json.loads(
        json.dumps(
            {
                "version": "0",
                "id": "11111111-2222-3333-4444-555555555555",
                "detail-type": "Object Created",
                "source": "aws.s3",
                "account": "123456789012",
                "time": "2026-03-01T10:00:00Z",
                "region": "us-east-1",
                "resources": [f"arn:aws:s3:::{application.target.bucket}"],
                "detail": {
                    "version": "0",
                    "bucket": {"name": application.target.bucket},
                    "object": {"key": "data/gone/a.csv", "size": 10, "etag": "d41d8cd98f00b204e9800998ecf8427e"},
                    "reason": "PutObject",
                },
            }
        )
    )
    functions = application.client("cloudformation").describe_stack_resources(StackName="sluicegate")["StackResources"]
    names = [item["PhysicalResourceId"] for item in functions if item["ResourceType"] == "AWS::Lambda::Function"]
    name = next(name for name in names if "ingest" in name.lower())
    answer = application.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer, answer["Payload"].read()
    uploads = eventually(lambda: application.uploads("gone"), 30, "the upload is reported")
    assert uploads[0]["status"] in ("ignored", "rejected")
    said = json.dumps(uploads[0], ensure_ascii=False)
    assert "gone" in said or "deleted" in said


def test_everybody_else_goes_on(application: Application, reports: dict[str, str]) -> None:
    assert len(reports) == len(CASES)
    application.settings("neighbour")
    application.put("data/neighbour/a.csv", good(seed=4))
    watched = application.watch("neighbour")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert application.predict("neighbour", {"x": 0.9, "plan": "a"})["predictions"][0]["prediction"] == "yes"
