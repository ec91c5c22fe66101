"""The OpenAPI document against the handlers: every route answers, and every answer has the shape that it promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluicegate.adapters.secret import SecretKey
from sluicegate.adapters.signed_http import SignedHttp
from sluicegate.bootstrap import answers
from sluicegate.domain.log_lines import read
from sluicegate.http.catalog import ROUTES
from sluicegate.services.catalog import Catalog
from sluicegate.services.feedback import Feedback
from tests.contract.http.samples import (
    LambdaContext,
    MemoryRegistry,
    MemoryReports,
    lane,
    prediction_event,
    proxy_event,
    registry,
    routing,
)
from tests.contract.http.stub_aws import StubAws, running
from tests.contract.http.test_predict_over_http import load
from tests.contract.http.test_steering import steering_routes
from tests.support.fakes import FakeStorage, World
from tests.support.stage import Stage
from tests.support.tallies import FakeTallies

ROOT = Path(__file__).parents[3]
STEERING = steering_routes(Stage())
DOCUMENT = json.loads((ROOT / "functions/serve_web/site/openapi.json").read_text())
CONTEXT = LambdaContext()
REPORT = "/models/{model}/runs/{run}/report"
DRIFT = "/models/{model}/drift"
jsonschema = pytest.importorskip("jsonschema")


def check(answer: dict[str, Any], method: str, path: str) -> Any:
    """The answer's JSON, if the document promises its status, content type and shape."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(answer["statusCode"]) in responses, answer
    content = responses[str(answer["statusCode"])]["content"]
    media_type = answer["headers"]["Content-Type"].split(";")[0]
    assert media_type in content
    described = responses[str(answer["statusCode"])].get("headers", {})
    own = {name for name in answer["headers"] if name.startswith("X-")} - {"X-Content-Type-Options"}
    assert own <= set(described)
    assert {name for name, header in described.items() if header.get("required")} <= set(answer["headers"])
    body = json.loads(answer["body"])
    schema = content[media_type]["schema"] | {"components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)
    return body


@pytest.fixture
def manage() -> Any:
    app = load("manage_models")
    app.catalog = lambda: Catalog(registry(), "bucket", MemoryReports())
    return app.handler


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    stub = StubAws()
    stub.objects["routing/churn.json"] = routing([lane(2)])
    stub.variants["sluicegate-churn"] = {"v2": lambda body: b"0.3\n" * body.count(b"\n")}
    with running(stub):
        for name, value in stub.environment().items():
            monkeypatch.setenv(name, value)
        yield load("predict").handler


def test_the_document_is_openapi_3_1() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(DOCUMENT)


def test_it_names_the_routes_that_there_are() -> None:
    routes = {
        *ROUTES,
        "/models/{model}/predictions",
        "/models/{model}/feedback",
        "/openapi.json",
        "/",
        *(path for _, path in STEERING),
    }
    assert set(DOCUMENT["paths"]) == routes


def test_the_template_routes_what_it_describes() -> None:
    parse = pytest.importorskip("samtranslator.yaml_helper").yaml_parse
    resources = parse((ROOT / "template.yaml").read_text())["Resources"]
    routed = {
        (event["Properties"]["Method"].lower(), event["Properties"]["Path"], name)
        for name, resource in resources.items()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "Api"
    }
    described = {
        (method, "/{asset}" if path == "/openapi.json" else path)
        for path, item in DOCUMENT["paths"].items()
        for method in item
    }
    assert {(method, path) for method, path, _ in routed} == described
    assert {path for _, path, name in routed if name == "ManageModelsFunction"} == set(ROUTES)
    assert {(method.upper(), path) for method, path, name in routed if name == "SteerModelsFunction"} == set(STEERING)


def test_answers_say_which_origin_may_read_them(manage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert manage(proxy_event("GET", "/models"), CONTEXT)["headers"]["Access-Control-Allow-Origin"] == "*"
    monkeypatch.setenv("CORS_ALLOW_ORIGIN", "https://example.com")
    answer = manage(proxy_event("GET", "/models/{model}", {"model": "nope"}), CONTEXT)
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://example.com"
    readable = set(answer["headers"]["Access-Control-Expose-Headers"].split(", "))
    documented = {
        header
        for path in DOCUMENT["paths"].values()
        for method in path.values()
        for response in method["responses"].values()
        for header in response.get("headers", ())
    }
    assert readable == documented, "a browser hides what isn't exposed"


@pytest.mark.parametrize("model", ["churn", "price"])
@pytest.mark.parametrize("path", ROUTES)
def test_every_catalog_answer_has_its_shape(manage: Any, path: Any, model: Any) -> None:
    parameters = {"model": model, "version": "2", "run": "1f2e3d4c", "batch": "0123456ab"}
    parameters |= {"upload": "0a1b2c3d4e5f", "experiment": "0badcafe"}
    event = proxy_event("GET", path, parameters if "{" in path else None)
    answer = manage(event, CONTEXT)
    one = path.endswith(
        ("/{version}", "/{batch}", "/{upload}", "/report", "/lineage", "/drift", "/experiment", "/{experiment}")
    )
    found = 404 if model == "price" and one else 200
    assert answer["statusCode"] == found
    check(answer, "get", path)


def test_a_report_comes_in_the_form_that_is_asked_for(manage: Any) -> None:
    parameters = {"model": "churn", "run": "1f2e3d4c"}
    page = manage(proxy_event("GET", REPORT, parameters, headers={"Accept": "text/html,*/*;q=0.8"}), CONTEXT)
    assert page["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert page["body"].startswith("<!doctype html>")
    # it comes from the API's own address, where a key may be at hand
    assert "sandbox" in page["headers"]["Content-Security-Policy"]
    assert "script-src" not in page["headers"]["Content-Security-Policy"]
    again = manage(proxy_event("GET", REPORT, parameters, query={"as": "html"}), CONTEXT)
    assert again["body"] == page["body"]
    link = manage(proxy_event("GET", REPORT, parameters, query={"as": "link"}), CONTEXT)
    body = check(link, "get", REPORT)
    assert body == {"url": "https://bucket.example/evaluations/churn/1f2e3d4c/report.html?for=300", "expires_in": 300}


def test_a_drift_report_comes_in_the_same_forms(manage: Any) -> None:
    page = manage(proxy_event("GET", DRIFT, {"model": "churn"}, query={"as": "html"}), CONTEXT)
    assert page["body"].startswith("<!doctype html>")
    assert "sandbox" in page["headers"]["Content-Security-Policy"]
    link = check(manage(proxy_event("GET", DRIFT, {"model": "churn"}, query={"as": "link"}), CONTEXT), "get", DRIFT)
    assert link["url"] == "https://bucket.example/drift/churn/2026-11-22T0000Z/report.html?for=300"


@pytest.mark.parametrize(
    ("path", "parameters", "query", "status", "words"),
    [
        ("/models/{model}", {"model": "chrun"}, None, 404, "Did you mean 'churn'?"),
        ("/models/{model}", {"model": "%3Cb%3E"}, None, 404, "'<b>'"),
        ("/models/{model}/runs", {"model": "zzz"}, None, 404, "GET models lists"),
        ("/models/{model}/versions/{version}", {"model": "churn", "version": "7"}, None, 404, "no version 7"),
        ("/models/{model}/versions/{version}", {"model": "churn", "version": "latest"}, None, 400, "whole number"),
        ("/models/{model}/versions/{version}", {"model": "churn", "version": "9" * 30}, None, 400, "whole number"),
        (REPORT, {"model": "churn", "run": "0badc0de"}, None, 404, "has no run '0badc0de'"),
        (REPORT, {"model": "chrun", "run": "1f2e3d4c"}, None, 404, "Did you mean 'churn'?"),
        (REPORT, {"model": "price", "run": "77aa88bb"}, None, 404, "it is training"),
        (REPORT, {"model": "churn", "run": "1f2e3d4c"}, {"as": "pdf"}, 400, "json, html or link, not 'pdf'"),
        (DRIFT, {"model": "chrun"}, None, 404, "Did you mean 'churn'?"),
        (DRIFT, {"model": "price"}, None, 404, "no version serves that could drift"),
        (DRIFT, {"model": "churn"}, {"as": "pdf"}, 400, "json, html or link, not 'pdf'"),
        ("/models/{model}/uploads", {"model": "churn"}, {"limit": "0"}, 400, "1 to 200"),
        ("/models/{model}/batches", {"model": "churn"}, {"next": "nonsense"}, 400, "the page before"),
        ("/models/{model}/batches/{batch}", {"model": "churn", "batch": "0"}, None, 404, "no batch '0'"),
        ("/models/{model}/experiment", {"model": "price"}, None, 404, "has no experiment yet"),
        (
            "/models/{model}/experiments/{experiment}",
            {"model": "churn", "experiment": "0"},
            None,
            404,
            "no experiment '0'",
        ),
        ("/models", None, {"next": "nonsense"}, 400, "the page before"),
    ],
)
def test_what_cannot_be_found_is_said_precisely(
    manage: Any, path: Any, parameters: Any, query: Any, status: Any, words: Any
) -> None:
    answer = manage(proxy_event("GET", path, parameters, query=query), CONTEXT)
    body = check(answer, "get", path)
    assert (answer["statusCode"], body["status"]) == (status, status)
    assert words in body["detail"]
    assert body["request_id"]


def test_pages_follow_one_another(manage: Any) -> None:
    first = json.loads(
        manage(proxy_event("GET", "/models/{model}/versions", {"model": "churn"}, query={"limit": "1"}), CONTEXT)[
            "body"
        ]
    )
    query = {"limit": "1", "next": first["next"]}
    answer = manage(proxy_event("GET", "/models/{model}/versions", {"model": "churn"}, query=query), CONTEXT)
    second = check(answer, "get", "/models/{model}/versions")
    assert [page["versions"][0]["version"] for page in (first, second)] == [2, 1]
    assert "next" not in second


def test_an_empty_registry_has_empty_lists() -> None:
    app = load("manage_models")
    app.catalog = lambda: Catalog(MemoryRegistry())
    body = check(app.handler(proxy_event("GET", "/models"), CONTEXT), "get", "/models")
    assert body == {"models": [], "unplaced": [], "upload_to": None}


@pytest.mark.parametrize(
    ("method", "resource", "status"),
    [("DELETE", "/models", 405), ("GET", "/other", 404), ("GET", "/models/{a}/{b+}", 404)],
)
def test_routes_that_are_not_there(manage: Any, method: Any, resource: Any, status: Any) -> None:
    answer = manage(proxy_event(method, resource, {"a": "x", "b": "versions/1/2"}), CONTEXT)
    assert answer["statusCode"] == status


def test_a_proxy_resource_leads_to_the_same_routes(manage: Any) -> None:
    answer = manage(proxy_event("GET", "/{proxy+}", {"proxy": "models/churn/versions/2"}), CONTEXT)
    assert json.loads(answer["body"])["version"] == 2


def test_prediction_answers_have_their_shape(predict: Any) -> None:
    path = "/models/{model}/predictions"
    record = {"tenure": 1, "plan": None, "autopay": False, "joined": None}
    for body, status in (({"records": [record]}, 200), ({"records": [{}]}, 400), ({"records": []}, 400)):
        answer = predict(prediction_event(body), CONTEXT)
        assert answer["statusCode"] == status
        check(answer, "post", path)
    check(predict(prediction_event({"records": [record]}, model="other"), CONTEXT), "post", path)
    check(predict(prediction_event({"records": [record] * 1001}), CONTEXT), "post", path)


@pytest.fixture
def feedback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function record_feedback against wire formats for the secret, and memory for what it counts."""
    app = load("record_feedback")
    stub = StubAws(secret="0123456789abcdef" * 3)
    storage = FakeStorage(World())
    storage.put("routing/churn.json", routing([lane(3)]))
    with running(stub):
        for name, value in stub.environment().items():
            monkeypatch.setenv(name, value)
        key = SecretKey(SignedHttp(), stub.environment()["INFERENCE_SECRET_ARN"])
        tallies = FakeTallies()
        monkeypatch.setattr(answers, "feedback", lambda keep: Feedback(storage, tallies, key, keep))
        yield app.handler


def test_feedback_answers_have_their_shape(feedback: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = "/models/{model}/feedback"
    event = sample("record_feedback.json")
    said = json.loads(event["body"])
    assert check(feedback(event, CONTEXT), "post", path)["version"] == 3
    [written] = [read(text) for text in capsys.readouterr().out.splitlines() if text.startswith('{"log"')]
    assert written is not None
    assert [item["label"] for item in written["content"]["items"]] == ["yes"]
    assert check(feedback(event, CONTEXT), "post", path)["status"] == 409
    several = feedback(event | {"body": json.dumps({"feedback": [said, 5, {**said, "label": "x"}]})}, CONTEXT)
    assert [one["reason"] for one in check(several, "post", path)["results"]] == [
        "doubled",
        "malformed",
        "unknown_label",
    ]
    for body, status in (({}, 400), ({**said, "reward": 1, "label": None}, 400), ({"feedback": [{}] * 101}, 413)):
        assert check(feedback(event | {"body": json.dumps(body)}, CONTEXT), "post", path)["status"] == status
    later = {
        **event["requestContext"],
        "requestTimeEpoch": event["requestContext"]["requestTimeEpoch"] + 10 * 86_400_000,
    }
    assert check(feedback(event | {"requestContext": later}, CONTEXT), "post", path)["status"] == 410
    nobodys = event | {"pathParameters": {"model": "nobodys"}}
    assert check(feedback(nobodys, CONTEXT), "post", path)["status"] == 404
    malformed = check(feedback(sample("record_feedback.malformed.json"), CONTEXT), "post", path)
    assert [one["reason"] for one in malformed["results"]] == ["forged", "malformed", "malformed"]


def test_feedback_says_neither_label_nor_secret_in_the_log(feedback: Any, caplog: pytest.LogCaptureFixture) -> None:
    feedback(sample("record_feedback.json"), CONTEXT)
    [line] = [vars(record) for record in caplog.records if record.getMessage() == "feedback"]
    assert (line["model"], line["accepted"], line["refused"]) == ("churn", 1, [])
    assert "yes" not in json.dumps(line, default=str)
    assert "0123456789abcdef" not in json.dumps(line, default=str)


# --- the samples in events/


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "events" / name).read_text())
    return loaded


def test_sample_events_are_answered(manage: Any, predict: Any) -> None:
    assert check(predict(sample("predict.json"), CONTEXT), "post", "/models/{model}/predictions")["version"] == 2
    bad = check(predict(sample("predict.malformed.json"), CONTEXT), "post", "/models/{model}/predictions")
    assert (bad["status"], {error["field"] for error in bad["errors"]}) == (
        400,
        {"tenure", "plann", "plan", "autopay", "joined"},
    )
    path = "/models/{model}/versions"
    assert len(check(manage(sample("manage_models.json"), CONTEXT), "get", path)["versions"]) == 2
    assert check(manage(sample("manage_models.malformed.json"), CONTEXT), "get", path)["status"] == 400


@pytest.mark.parametrize("name", ["predict.json", "manage_models.json", "serve_web.json", "record_feedback.json"])
def test_sample_events_have_the_shape_that_sam_gives_them(name: Any) -> None:
    """``sam local start-api`` makes events of this shape; it leaves out nothing that our samples have."""
    constructor = pytest.importorskip("samcli.local.apigw.event_constructor")
    from flask import Flask, request

    event = sample(name)
    app = Flask(__name__)
    rule = event["resource"].replace("{", "<").replace("}", ">")
    app.add_url_rule(rule, endpoint=rule, methods=[event["httpMethod"]])
    with app.test_request_context(event["path"], method=event["httpMethod"], headers=event["headers"]):
        made = constructor.construct_v1_event(
            request, port=443, binary_types=[], stage_name="v1", operation_name=None, api_type="RestApi"
        )
    assert set(event) <= set(made) | {"version"}
    assert set(made) - {"version"} <= set(event)
    for key in ("path", "stage", "requestId", "httpMethod", "requestTimeEpoch", "resourcePath"):
        assert type(event["requestContext"][key]) is type(made["requestContext"].get(key, event["requestContext"][key]))
