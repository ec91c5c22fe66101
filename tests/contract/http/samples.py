"""A model, its registry items and its routing, as the other parts write them; and proxy events."""

from __future__ import annotations

import base64
import json
from typing import Any

from sluicegate.domain.encoder import Encoder
from sluicegate.domain.errors import NotFound
from sluicegate.domain.schema import Column, Problem, Schema
from sluicegate.report import drift_page
from sluicegate.report.page import render
from tests.support.sample_drift import drift_item, drift_report
from tests.support.sample_experiment import experiments
from tests.support.sample_report import report

Json = dict[str, Any]

COLUMNS = (
    Column("tenure", "number", minimum=0.0, maximum=72.0, example=12.0),
    Column("plan", "category", categories=("basic", "plus", "pro"), example="basic"),
    Column("autopay", "boolean", example=True),
    Column("joined", "date", minimum="2020-01-01", maximum="2026-06-30", example="2024-03-09"),
)
SCHEMA = Schema(COLUMNS, target="churned", id_column="customer_id")
CHURN = Problem("binary", ("no", "yes"), "yes")
RECORD: Json = {"tenure": 3, "plan": "pro", "autopay": None, "joined": "2026-02-01"}


def lane(version: int, schema: Schema = SCHEMA, problem: Problem = CHURN, model: str = "churn") -> Json:
    return {
        "version": version,
        "endpoint": f"sluicegate-{model}",
        "variant": f"v{version}",
        "weight": 1,
        "encoder": Encoder.fit(schema.columns).to_json(),
        "schema": schema.to_json(),
        "problem": problem.to_json(),
    }


def routing(lanes: list[Json], coming: list[Json] | None = None, model: str = "churn") -> bytes:
    return json.dumps({"model": model, "lanes": lanes, "coming": coming or []}).encode()


def proxy_event(
    method: str,
    resource: str,
    parameters: dict[str, str] | None = None,
    *,
    body: str | bytes | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    stage: str = "v1",
    full_path: str | None = None,
) -> Json:
    """What API Gateway (REST, proxy integration) hands over. Bytes become a base64 body."""
    path = resource
    for name, value in (parameters or {}).items():
        path = path.replace("{" + name + "}", value).replace("{" + name + "+}", value)
    sent = {"Host": "localhost", "Content-Type": "application/json"} | (headers or {})
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "httpMethod": method,
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"},
            "path": full_path if full_path is not None else f"/{stage}{path}",
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTime": "22/Nov/2026:12:00:00 +0000",
            "requestTimeEpoch": 1_795_348_800_000,
            "resourceId": "123456",
            "resourcePath": resource,
            "stage": stage,
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }


def prediction_event(body: str | bytes | Json, model: str = "churn", **more: Any) -> Json:
    text = json.dumps(body) if isinstance(body, dict) else body
    return proxy_event("POST", "/models/{model}/predictions", {"model": model}, body=text, **more)


class LambdaContext:
    """What handlers ask of Lambda's context."""

    function_name = "test"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:test"
    aws_request_id = "8b7d1c9e"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


class MemoryRegistry:
    """``sluicegate.ports.RegistryReader`` over dicts."""

    def __init__(self) -> None:
        self.items: dict[str, Json] = {}
        self.of: dict[tuple[str, str], list[Json]] = {}
        self.outside: list[Json] = []

    def models(self) -> list[Any]:
        return [self.items[name] for name in sorted(self.items)]

    def model(self, model: str) -> Any:
        if model not in self.items:
            raise NotFound(f"model {model}")
        return self.items[model]

    def uploads(self, model: str) -> list[Any]:
        return self.of.get((model, "upload"), [])

    def runs(self, model: str) -> list[Any]:
        return self.of.get((model, "run"), [])

    def versions(self, model: str) -> list[Any]:
        return self.of.get((model, "version"), [])

    def unplaced(self) -> list[Any]:
        return self.outside

    def _one(self, kind: str, model: str | None, name: object) -> Any:
        for item in self.of.get((str(model), kind), []):
            if item[kind] == name:
                return item
        raise NotFound(f"{kind} {name} of {model}")

    def upload(self, model: str | None, upload: str) -> Any:
        return self._one("upload", model, upload)

    def run(self, model: str, run: str) -> Any:
        return self._one("run", model, run)

    def version(self, model: str, version: int) -> Any:
        return self._one("version", model, version)

    def batches(self, model: str) -> list[Any]:
        return self.of.get((model, "batch"), [])

    def batch(self, model: str, batch: str) -> Any:
        return self._one("batch", model, batch)

    def experiments(self, model: str) -> list[Any]:
        return self.of.get((model, "experiment"), [])

    def experiment(self, model: str, experiment: str) -> Any:
        return self._one("experiment", model, experiment)


class MemoryReports:
    """``sluicegate.ports.Reports``; ``base`` is where its links lead."""

    def __init__(self, base: str = "https://bucket.example") -> None:
        self.base = base

    def read(self, key: str, limit: int) -> bytes:
        made = drift_report() if key.startswith("drift/") else report()
        page = drift_page.render if key.startswith("drift/") else render
        content = page(made).encode() if key.endswith(".html") else json.dumps(made).encode()
        return content[: limit + 1]

    def link(self, key: str, seconds: int) -> str:
        return f"{self.base}/{key}?for={seconds}"


def _cost_line(what: str, jobs: int, seconds: int, price: bool = False) -> dict[str, Any]:
    line: dict[str, Any] = {"what": what, "instance": "ml.m5.large", "count": 1, "jobs": jobs, "seconds": seconds}
    line["usd"] = 0.0063
    if price:
        line["price"] = {"usd_per_hour": 0.115, "source": "table", "region": "us-east-1", "seen": "2026-08-11"}
    return line


def _history(*lines: tuple[str, str, str]) -> list[Json]:
    return [{"at": f"2026-11-22T{at}.000Z", "status": status, "message": message} for at, status, message in lines]


def batches() -> list[Json]:
    """One that is done, one that failed."""
    first = {
        "batch": "0123456ab",
        "model": "churn",
        "key": "batch/churn/june.csv",
        "etag": "e1",
        "sequencer": "01",
        "status": "done",
        "version": 2,
        "size": 2048,
        "received_at": "2026-11-22T13:00:00.000Z",
        "updated_at": "2026-11-22T13:00:09.000Z",
        "rows": 40,
        "rejected_rows": 2,
        "parts": 1,
        "transform_job": "sluicegate-churn-0123456ab-b",
        "result": "predictions/churn/june.csv",
        "rejects": "predictions/churn/june.csv.rejects.csv",
        "notes": ["line 7: age: 'x' is not a number"],
        "history": _history(
            ("13:00:00", "received", ""),
            ("13:00:01", "preparing", "Reading the rows for version 2."),
            ("13:00:02", "predicting", "40 rows go to version 2; 2 are rejected."),
            ("13:00:08", "finishing", "The rows are predicted; the result is written."),
            ("13:00:09", "done", "40 rows predicted with version 2; 2 rejected."),
        ),
    }
    error = {"title": "Unknown version", "detail": "The model 'churn' has no version 9.", "remedy": "Name another."}
    second = {
        "batch": "fedcba987",
        "model": "churn",
        "key": "batch/churn/version=9/june.csv",
        "etag": "e2",
        "status": "failed",
        "size": 2048,
        "received_at": "2026-11-22T12:50:00.000Z",
        "updated_at": "2026-11-22T12:50:01.000Z",
        "error": error,
        "history": _history(("12:50:00", "received", ""), ("12:50:01", "failed", error["detail"])),
    }
    return [first, second]


def registry() -> MemoryRegistry:
    """One live model, one that trains, one whose data was refused, and a file outside."""
    found = MemoryRegistry()
    found.of["churn", "batch"] = batches()
    at = "2026-11-22T12:04:31.000Z"
    metrics = {
        "auc": {"value": 0.9132, "low": 0.8911, "high": 0.9353},
        "accuracy": {"value": 0.861, "low": 0.842, "high": 0.88},
    }
    found.items["churn"] = {
        "model": "churn",
        "state": "live",
        "experiment": "c0ffee12",
        "live_version": 2,
        "problem": "binary",
        "target": "churned",
        "updated_at": at,
        "message": "version 2 is live",
        "created_at": "2026-11-22T11:58:02.000Z",
        "schema": SCHEMA.to_json(),
        "classes": ["no", "yes"],
        "active_run": None,
        "live": {"version": 2, "since": at, "endpoint": "sluicegate-churn", "metrics": metrics},
        "settings_problem": None,
        "code_problem": None,
        "last_run": "1f2e3d4c",
        "endpoint": "sluicegate-churn",
        "drift": drift_item(),
        "revision": 9,
        "desired_version": 2,
        "latest_cause": "u1",
    }
    verdict = {
        "accepted": True,
        "reason": "AUC 0.913 is not worse than version 1's 0.905 (difference +0.008, 95 % interval −0.004 to +0.020).",
        "checks": [],
    }
    found.of["churn", "run"] = [
        {
            "run": "1f2e3d4c",
            "status": "live",
            "dataset_version": "aabbccddeeff",
            "training_job": "sluicegate-churn-1f2e3d4c",
            "transform_jobs": ["sluicegate-churn-1f2e3d4c", "sluicegate-churn-1f2e3d4c-c"],
            "created_at": "2026-11-22T12:03:58.000Z",
            "updated_at": at,
            "history": _history(
                ("12:03:58", "preparing", "2 uploads, 7,043 rows"),
                ("12:04:01", "training", "sluicegate-churn-1f2e3d4c"),
                ("12:04:12", "evaluating", "challenger and champion over 1,057 rows"),
                ("12:04:19", "registering", "AUC 0.913"),
                ("12:04:21", "deploying", "version 2"),
                ("12:04:31", "live", ""),
            ),
            "rows": {"train": 4930, "validation": 1056, "holdout": 1057},
            "problem": "binary",
            "metric": "auc",
            "metrics": metrics,
            "verdict": verdict,
            "version": 2,
            "report": "evaluations/churn/1f2e3d4c/report.html",
            "error": None,
            "tuning": {
                "job": "sluicegate-T1f2e3d4c-churn",
                "status": "Completed",
                "strategy": "Bayesian",
                "objective": "validation:auc",
                "direction": "Maximize",
                "max_jobs": 2,
                "parallel": 2,
                "searched": ["eta"],
                "hyperparameters": ["eta", "num_round"],
                "warm_start": None,
                "stopped": None,
                "best": {
                    "job": "sluicegate-T1f2e3d4c-churn-001-0a1b2c3d",
                    "value": 0.9134,
                    "hyperparameters": {"eta": "0.10471285480508996"},
                },
                "trials": [
                    {
                        "job": "sluicegate-T1f2e3d4c-churn-001-0a1b2c3d",
                        "status": "Completed",
                        "value": 0.9134,
                        "hyperparameters": {"eta": "0.10471285480508996"},
                        "seconds": 93,
                    },
                    {
                        "job": "sluicegate-T1f2e3d4c-churn-002-1a1b2c3d",
                        "status": "Failed",
                        "value": None,
                        "hyperparameters": {"eta": "0.2"},
                        "seconds": 60,
                        "reason": "AlgorithmError: out of memory",
                    },
                ],
            },
            "cost": {
                "currency": "USD",
                "budget_usd": 5,
                "estimate": {
                    "usd": 0.0149,
                    "worst_usd": 0.345,
                    "basis": "4,930 rows x 40 features x 200 rounds",
                    "lines": [_cost_line("training", 2, 110, price=True), _cost_line("evaluation", 2, 240, price=True)],
                },
                "actual": {
                    "usd": 0.0126,
                    "lines": [_cost_line("training", 2, 153), _cost_line("evaluation", 2, 241)],
                },
            },
            "model": "churn",
            "claim": "m-1",
        },
        {"run": "00112233", "status": "live", "created_at": "2026-11-22T11:59:00.000Z", "version": 1},
    ]
    found.of["churn", "experiment"] = experiments()
    found.of["churn", "version"] = [
        {
            "version": 2,
            "status": "live",
            "run": "1f2e3d4c",
            "dataset_version": "aabbccddeeff",
            "metrics": metrics,
            "verdict": verdict,
            "report": "evaluations/churn/1f2e3d4c/report.html",
            "model_package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/sluicegate-churn/2",
            "history": _history(("12:04:31", "live", "")),
            "created_at": "2026-11-22T12:04:20.000Z",
            "live_since": at,
        },
        {
            "version": 1,
            "status": "retired",
            "run": "00112233",
            "dataset_version": "001122334455",
            "metrics": {"auc": {"value": 0.9051, "low": 0.88, "high": 0.929}},
            "reason": "The first version; no minimum is set.",
            "created_at": "2026-11-22T12:00:20.000Z",
        },
    ]
    found.of["churn", "upload"] = [
        {
            "upload": "0a1b2c3d4e5f",
            "key": "data/churn/november ü.csv",
            "status": "accepted",
            "size": 412_331,
            "received_at": "2026-11-22T12:03:40.000Z",
            "accepted_rows": 3012,
            "rejected_rows": 12,
            "notes": ["Delimiter ; was found."],
            "report": "data-rejects/churn/0a1b2c3d4e5f/report.json",
            "error": None,
            "etag": "x",
        },
        {
            "upload": "ffffffffffff",
            "key": "data/churn/readme.csv",
            "status": "rejected",
            "size": 0,
            "received_at": "2026-11-22T11:59:40.000Z",
            "error": {
                "title": "Empty file",
                "detail": "data/churn/readme.csv has 0 bytes.",
                "remedy": "Upload a CSV with a header and at least one row.",
            },
        },
    ]
    found.items["price"] = {
        "model": "price",
        "state": "working",
        "live_version": None,
        "problem": "regression",
        "target": "price",
        "updated_at": at,
        "message": "training 77aa88bb since 12:03 UTC",
        "active_run": "77aa88bb",
        "last_run": "77aa88bb",
    }
    found.of["price", "run"] = [
        {
            "run": "77aa88bb",
            "status": "training",
            "created_at": "2026-11-22T12:03:10.000Z",
            "updated_at": "2026-11-22T12:03:15.000Z",
            "history": _history(("12:03:10", "preparing", ""), ("12:03:15", "training", "40 of 100 rounds")),
            "rows": {"train": 700, "validation": 150, "holdout": 150},
        }
    ]
    found.of["price", "upload"] = [
        {"upload": "u9", "key": "data/price/p.csv", "status": "accepted", "accepted_rows": 1000, "received_at": at}
    ]
    found.outside.append(
        {
            "upload": "123456789abc",
            "key": "data/loose.csv",
            "status": "ignored",
            "size": 12,
            "received_at": at,
            "error": {
                "title": "Outside any model",
                "detail": "data/loose.csv lies in no model's folder.",
                "remedy": "Move it to data/<model>/.",
            },
        }
    )
    return found
