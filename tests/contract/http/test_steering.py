"""The routes that change something: who may use them, what they take, and what they answer by the document's word."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluicegate.http.experiments import experiment_routes
from sluicegate.http.sleep_routes import sleep_routes
from sluicegate.http.steering import Route, handle, version_routes
from sluicegate.services.contests import Contests
from sluicegate.services.sleep_orders import SleepOrders
from sluicegate.services.sleeping import table_price
from tests.contract.http.samples import proxy_event
from tests.support.fakes import FakeBell
from tests.support.stage import MODEL, REGION, Stage

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "functions/serve_web/site/openapi.json").read_text())
ADMIN = "a1b2c3admin"
APPROVE = "/models/{model}/versions/{version}/approve"
jsonschema = pytest.importorskip("jsonschema")


def steering_routes(stage: Stage) -> dict[tuple[str, str], Route]:
    """All that the function answers."""
    contests = Contests(stage.ledger(), FakeBell(stage.world))
    orders = SleepOrders(stage.ledger(), FakeBell(stage.world), table_price(REGION))
    return {**version_routes(stage.steer()), **experiment_routes(contests), **sleep_routes(orders)}


def ask(
    stage: Stage,
    action: str,
    version: str = "1",
    body: Any = None,
    method: str = "POST",
    model: str = MODEL,
    **identity: str,
) -> tuple[int, Any]:
    path = f"/models/{{model}}/versions/{{version}}/{action}"
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    event = proxy_event(method, path, {"model": model, "version": version}, body=text)
    event["requestContext"]["identity"] |= identity or {"apiKeyId": ADMIN}
    return checked(stage, event, path)


def checked(stage: Stage, event: dict[str, Any], path: str) -> tuple[int, Any]:
    answer = handle(event, steering_routes(stage), ADMIN, lambda _line: None)
    assert json.loads(answer["body"]) is not None
    method = event["httpMethod"].lower()
    if method in DOCUMENT["paths"].get(path, {}):
        promised = DOCUMENT["paths"][path][method]["responses"][str(answer["statusCode"])]["content"]
        schema = promised[answer["headers"]["Content-Type"]]["schema"] | {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(answer["body"]))
    return answer["statusCode"], json.loads(answer["body"])


def waiting() -> Stage:
    stage = Stage()
    stage.add()
    return stage


def test_a_decision_is_taken_told_and_carried_out() -> None:
    stage = waiting()
    status, body = ask(stage, "approve", body={"why": "better on new customers", "who": "ann"})
    assert (status, body["done"]) == (202, True)
    assert body["message"] == f"Version 1: Approved by ann (admin key {ADMIN}): better on new customers"
    assert body["version"]["decision"]["why"] == "better on new customers"
    assert ask(stage, "approve")[0] == 200
    stage.play()
    assert stage.live == 1
    assert ask(stage, "deploy")[1]["message"] == "Version 1 is live already."


def test_only_the_admin_key_or_a_signature_may_change_anything() -> None:
    stage = waiting()
    status, body = ask(stage, "approve", apiKeyId="another")
    assert (status, "AdminApiKeyId" in body["detail"]) == (403, True)
    assert stage.status(1) == "pending_approval"
    event = proxy_event("POST", APPROVE, {"model": MODEL, "version": "1"})
    for admin in (ADMIN, ""):
        assert handle(event, steering_routes(stage), admin, lambda _line: None)["statusCode"] == 403
    arn = "arn:aws:sts::123456789012:assumed-role/ops/ann"
    assert ask(stage, "approve", userArn=arn)[1]["message"] == f"Version 1: Approved by {arn}."


@pytest.mark.parametrize(
    ("version", "body", "status", "words"),
    [
        ("latest", None, 400, "whole number"),
        ("0", None, 400, "whole number"),
        ("7", None, 404, "version 7"),
        ("1", "{", 400, "not JSON"),
        ("1", "[1]", 400, "no JSON object"),
        ("1", {"because": "x"}, 400, "'because'; accepted are why, who"),
        ("1", {"why": 7}, 400, "why: accepted is text"),
        ("1", {"why": "x" * 501}, 400, "at most 500"),
        ("1", {"who": "two\nlines"}, 400, "one line"),
        ("1", {"why": "x" * 70_000}, 413, "at most 65,536"),
    ],
)
def test_what_cannot_be_used_is_said_precisely(version: str, body: Any, status: int, words: str) -> None:
    stage = waiting()
    found = ask(stage, "approve", version, body)
    assert (found[0], words in found[1]["detail"]) == (status, True), found[1]
    assert stage.status(1) == "pending_approval"


def test_what_the_state_does_not_allow_is_a_conflict_with_its_reason() -> None:
    stage = Stage()
    stage.add("rejected")
    status, body = ask(stage, "deploy")
    assert (status, body["title"]) == (409, "Not possible")
    assert body["detail"] == "Version 1 can't be deployed: it was rejected. worse than the champion"


def test_other_methods_and_routes_are_refused_by_name() -> None:
    stage = waiting()
    assert ask(stage, "approve", method="DELETE")[0] == 405
    assert ask(stage, "promote")[0] == 404
    assert ask(stage, "approve", model="other")[0] == 404


def test_a_decision_that_cannot_be_written_now_may_be_tried_again() -> None:
    stage = waiting()

    def busy() -> None:
        stage.registry.items["model", MODEL, ""]["revision"] += 1

    stage.registry.before_commit = busy
    assert ask(stage, "approve")[0] == 503


def test_the_sample_events_are_answered() -> None:
    stage = Stage()
    for _ in range(3):
        stage.add()
    for name, status in (("steer_models.json", 202), ("steer_models.malformed.json", 400)):
        event = json.loads((ROOT / "events" / name).read_text())
        assert handle(event, steering_routes(stage), ADMIN, lambda _line: None)["statusCode"] == 403
        event["requestContext"]["identity"]["apiKeyId"] = ADMIN
        assert checked(stage, event, APPROVE)[0] == status


def order(stage: Stage, what: str, body: Any = None, model: str = MODEL, **identity: str) -> tuple[int, Any]:
    path = f"/models/{{model}}/{what}"
    text = None if body is None else json.dumps(body)
    event = proxy_event("POST", path, {"model": model}, body=text)
    event["requestContext"]["identity"] |= identity or {"apiKeyId": ADMIN}
    return checked(stage, event, path)


def test_an_endpoint_is_put_to_sleep_and_woken() -> None:
    stage = Stage()
    assert order(stage, "sleep")[0] == 409
    stage.world.now = datetime.fromtimestamp(1_795_348_800 - 3600, UTC)  # the request's time is the sample event's
    stage.add("approved")
    stage.play()
    status, body = order(stage, "sleep", {"why": "a quiet week", "who": "ann"})
    assert (status, body["done"], body["endpoint_state"]) == (202, True, "asleep")
    stage.play()
    assert order(stage, "sleep")[0] == 200
    stage.world.now += timedelta(hours=2)
    status, body = order(stage, "wake")
    assert (status, body["endpoint_state"]) == (202, "waking")
    stage.play()
    assert order(stage, "wake") == (
        200,
        {
            "model": MODEL,
            "done": False,
            "endpoint_state": "serving",
            "message": f"The endpoint of {MODEL} is awake already.",
        },
    )
    assert order(stage, "wake", model="nosuch")[0] == 404
    assert order(stage, "sleep", apiKeyId="another")[0] == 403
    assert order(stage, "sleep", {"minutes": 5})[0] == 400
