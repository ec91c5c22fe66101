"""The predict handler against the wire formats of S3, Secrets Manager and SageMaker's runtime (one stub server)."""

from __future__ import annotations

import base64
import csv
import importlib.util
import json
import math
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluicegate.domain.encoder import Encoder
from sluicegate.domain.inference_id import verify
from sluicegate.domain.local_models.packing import pack
from sluicegate.domain.schema import Column, Problem, Schema
from sluicegate.http.answers import EXPOSED
from tests.contract.http.samples import RECORD, SCHEMA, LambdaContext, lane, prediction_event, routing
from tests.contract.http.stub_aws import SECRET, SECRET_TEXT, StubAws, error, running

ROOT = Path(__file__).parents[3]
KEY = SECRET_TEXT.encode()


def load(function: str) -> Any:
    """A function's ``app`` module, fresh, as Lambda loads it."""
    spec = importlib.util.spec_from_file_location(f"app_{function}", ROOT / "functions" / function / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def score(value: float) -> Any:
    return lambda body: b"".join(b"%f\n" % value for _ in body.splitlines())


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubAws]:
    stub = StubAws()
    stub.objects["routing/churn.json"] = routing([lane(1)])
    stub.variants["sluicegate-churn"] = {"v1": score(0.8)}
    with running(stub):
        for name, value in stub.environment().items():
            monkeypatch.setenv(name, value)
        yield stub


@pytest.fixture
def ask(aws: StubAws) -> Any:
    app = load("predict")

    def call(event: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        answer = app.handler(event, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return call


def test_one_record(aws: Any, ask: Any) -> None:
    status, body, headers = ask(prediction_event({"records": [RECORD]}))
    assert (status, body["model"], body["version"]) == (200, "churn", 1)
    assert headers["Content-Type"] == "application/json"
    [prediction] = body["predictions"]
    assert prediction["prediction"] == "yes"
    assert prediction["probabilities"] == pytest.approx({"no": 0.2, "yes": 0.8})
    read = verify(prediction["inference_id"], KEY)
    assert (read.version, read.time_ms) == (1, 1_795_348_800_000)
    assert read.is_of("churn")
    [sent] = aws.asked("/invocations")
    assert sent.headers["x-amzn-sagemaker-inference-id"] == prediction["inference_id"]
    assert sent.headers["content-type"] == "text/csv"
    assert sent.headers["x-amz-security-token"] == "token"
    assert "Credential=AKIDEXAMPLE/" in sent.headers["authorization"]
    assert "/us-east-1/sagemaker/aws4_request" in sent.headers["authorization"]
    assert sent.body.count(b"\n") == 1


def test_many_records_as_csv_in_base64(ask: Any) -> None:
    text = "tenure,plan,autopay,joined\n" + "3,pro,,2026-02-01\n" * 1000
    status, body, _ = ask(prediction_event(text.encode(), headers={"content-type": "text/csv; charset=utf-8"}))
    assert status == 200
    assert len({prediction["inference_id"] for prediction in body["predictions"]}) == 1000


def test_the_answer_is_csv_for_who_asks_for_csv(aws: Any) -> None:
    event = prediction_event({"records": [RECORD, RECORD]}, headers={"Accept": "text/csv"})
    answer = load("predict").handler(event, LambdaContext())
    assert answer["headers"]["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(answer["body"].splitlines())
    assert header == ["prediction", "probability_no", "probability_yes", "inference_id"]
    assert [(row[0], float(row[2])) for row in rows] == [("yes", 0.8)] * 2
    assert verify(rows[1][3], KEY).version == 1
    told = {name: value for name, value in answer["headers"].items() if name in EXPOSED}
    assert told == {"X-Version": "1", "X-Served-By": "endpoint", "X-Inference-Id": rows[0][3]}


def test_a_routing_that_may_not_be_read_is_500_and_tells_no_internals(aws: Any, ask: Any, caplog: Any) -> None:
    aws.script.append(
        (403, {}, b"<Error><Code>AccessDenied</Code><Message>User: arn:x is not allowed</Message></Error>")
    )
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert status == 500
    assert "arn:" not in body["detail"]
    assert "arn:x" in caplog.records[-1].cause


def test_what_curl_sends_without_a_content_type_is_read_as_json(ask: Any) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ask(prediction_event({"records": [RECORD]}, headers=form))[0] == 200


def test_secret_and_routing_are_read_once_and_connections_are_kept(aws: Any, ask: Any) -> None:
    for _ in range(5):
        assert ask(prediction_event({"records": [RECORD]}))[0] == 200
    assert len(aws.asked("/routing/")) == 1
    assert len([seen for seen in aws.seen if seen.path == "/"]) == 1


def test_every_mistake_at_once(ask: Any) -> None:
    records = [RECORD | {"tenure": "long", "plann": "x"}, {"plan": 5}]
    status, body, headers = ask(prediction_event({"records": records}))
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert body["request_id"]
    found = {(error["record"], error["field"]) for error in body["errors"]}
    wanted = {(0, "tenure"), (0, "plann"), (1, "tenure"), (1, "plan"), (1, "autopay"), (1, "joined")}
    assert found == wanted
    assert all(error["message"] for error in body["errors"])


@pytest.mark.parametrize(
    ("event", "status", "words"),
    [
        (prediction_event("{"), 400, "Not JSON"),
        (prediction_event(""), 400, "empty"),
        (prediction_event({"records": []}), 400, "no records"),
        (prediction_event({"records": [RECORD] * 1001}), 413, "1,000"),
        (prediction_event("x" * (4 * 1024 * 1024 + 1)), 413, "4,194,304"),
        (prediction_event("x", headers={"Content-Type": "image/png"}), 415, "text/csv"),
        (prediction_event({"records": [RECORD]}, model="nope"), 404, "GET models/nope"),
        (prediction_event({"records": [RECORD]}, model="No%20Model"), 404, "'No Model'"),
        (prediction_event({"records": [RECORD]}) | {"isBase64Encoded": True}, 400, "base64"),
        (prediction_event({"records": [RECORD]}) | {"body": {"records": []}}, 400, "not text"),
        ({}, 400, "httpMethod"),
        ({"httpMethod": "POST"}, 404, "no model"),
    ],
)
def test_what_cannot_be_answered_is_said_precisely(ask: Any, event: Any, status: Any, words: Any) -> None:
    found, body, headers = ask(event)
    assert found == status == body["status"]
    assert words in body["detail"]
    assert headers["Content-Type"] == "application/problem+json"


def test_a_lone_surrogate_breaks_nothing(ask: Any) -> None:
    status, body, _ = ask(prediction_event('{"records": [{"\\ud800": 1}]}'))
    assert status == 400
    assert json.dumps(body).encode()


def test_model_errors_are_502_and_not_tried_again(aws: Any, ask: Any) -> None:
    def fail(body: bytes) -> bytes:
        raise ArithmeticError("Traceback\n  boom " + "x" * 2000)

    aws.variants["sluicegate-churn"]["v1"] = fail
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert status == 502
    assert "Traceback boom xxx" in body["detail"]
    assert len(body["detail"]) < 700
    assert len(aws.asked("/invocations")) == 1


@pytest.mark.parametrize("answer", [b"", b"0.1\n0.2\n", b"what\n", b"\xff\xfe"])
def test_an_answer_that_is_not_the_models_is_502(aws: Any, ask: Any, answer: Any) -> None:
    aws.variants["sluicegate-churn"]["v1"] = lambda body: answer
    assert ask(prediction_event({"records": [RECORD]}))[0] == 502


def test_throttling_and_a_dropped_connection_are_tried_again(aws: Any, ask: Any) -> None:
    assert ask(prediction_event({"records": [RECORD]}))[0] == 200
    aws.script += [error(429, "ThrottlingException", Message="slow"), "close"]
    assert ask(prediction_event({"records": [RECORD]}))[0] == 200
    assert aws.script == []


def test_a_service_that_stays_down_is_503_with_retry_after(aws: Any, ask: Any, caplog: Any) -> None:
    aws.script += [error(503, "ServiceUnavailable", Message="later")] * 3
    status, body, headers = ask(prediction_event({"records": [RECORD]}))
    assert (status, headers["Retry-After"]) == (503, "2")
    assert "later" not in body["detail"]
    assert "later" in caplog.records[-1].cause


def test_client_errors_are_not_tried_again(aws: Any, ask: Any) -> None:
    assert ask(prediction_event({"records": [RECORD]}))[0] == 200
    aws.script += [error(403, "AccessDeniedException", Message="not yours")]
    assert ask(prediction_event({"records": [RECORD]}))[0] == 502
    assert len(aws.asked("/invocations")) == 2


def test_an_endpoint_that_is_gone_is_503(aws: Any, ask: Any) -> None:
    del aws.variants["sluicegate-churn"]
    status, body, headers = ask(prediction_event({"records": [RECORD]}))
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "not in service" in body["detail"]


def test_a_model_named_after_the_errors_words_is_told_apart(aws: Any, ask: Any) -> None:
    aws.objects["routing/variant.json"] = routing([lane(1, model="variant")], model="variant")
    status, body, _ = ask(prediction_event({"records": [RECORD]}, model="variant"))
    assert status == 503
    assert "not in service" in body["detail"]


def test_a_first_version_that_is_being_deployed_is_503_and_says_so(aws: Any, ask: Any) -> None:
    aws.objects["routing/churn.json"] = routing([], [lane(1)])
    aws.variants.clear()
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert status == 503
    assert "Version 1 of churn is being deployed" in body["detail"]


def test_the_coming_lane_answers_with_its_own_encoding_while_the_endpoint_switches(aws: Any, ask: Any) -> None:
    wider = Schema((*SCHEMA.columns, Column("color", "category", categories=("red", "green"))))
    aws.objects["routing/churn.json"] = routing([lane(1)], [lane(2, wider)])
    aws.variants["sluicegate-churn"] = {"v2": score(0.1)}
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert (status, body["errors"][0]["field"]) == (400, "color")
    aws.objects["routing/churn.json"] = routing(
        [lane(1)], [lane(2, Schema(SCHEMA.columns[:2], ignored=("autopay", "joined")))]
    )
    fresh = load("predict").handler(prediction_event({"records": [RECORD]}), LambdaContext())
    body = json.loads(fresh["body"])
    assert (fresh["statusCode"], body["version"]) == (200, 2)
    assert verify(body["predictions"][0]["inference_id"], KEY).version == 2
    fields = {
        seen.headers["x-amzn-sagemaker-target-variant"]: seen.body.count(b",") for seen in aws.asked("/invocations")
    }
    assert fields["v2"] < fields["v1"]


def test_an_answer_of_another_version_than_was_asked_is_no_answer(aws: Any, ask: Any) -> None:
    """Should SageMaker take no notice of the target where there is one variant only: the answer says who gave it."""
    aws.objects["routing/churn.json"] = routing([lane(1)], [lane(2)])
    aws.variants["sluicegate-churn"] = {"v2": score(0.1)}
    aws.deaf_to_targets = True
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert (status, body["version"]) == (200, 2)


def test_a_version_that_the_copy_does_not_know_is_found_by_reading_again(aws: Any, ask: Any) -> None:
    assert ask(prediction_event({"records": [RECORD]}))[1]["version"] == 1
    aws.objects["routing/churn.json"] = routing([lane(2)])
    aws.variants["sluicegate-churn"] = {"v2": score(0.1)}
    assert ask(prediction_event({"records": [RECORD]}))[1]["version"] == 2


def test_no_request_fails_while_versions_change(aws: Any, ask: Any) -> None:
    """The endpoint has for a moment neither variant, and the routing is written late."""
    assert ask(prediction_event({"records": [RECORD]}))[0] == 200
    refused = threading.Event()
    aws.variants["sluicegate-churn"] = {}

    def before(seen: Any) -> None:
        if "/invocations" not in seen.path:
            return
        if len(aws.asked("/invocations")) == 4:
            aws.objects["routing/churn.json"] = routing([lane(2)])
            aws.variants["sluicegate-churn"] = {"v2": score(0.1)}
            refused.set()

    aws.before = before
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert refused.is_set()
    assert (status, body["version"]) == (200, 2)


def test_a_switch_that_never_ends_is_503(aws: Any, ask: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sluicegate.services.predict.SWITCH_SECONDS", 0.2)
    aws.variants["sluicegate-churn"] = {}
    status, body, headers = ask(prediction_event({"records": [RECORD]}))
    assert (status, headers["Retry-After"]) == (503, "2")
    assert "changing versions" in body["detail"]


def test_a_stale_routing_serves_on_while_s3_fails(aws: Any, ask: Any, monkeypatch: Any) -> None:
    assert ask(prediction_event({"records": [RECORD]}))[0] == 200
    monkeypatch.setattr("sluicegate.adapters.routes.FRESH_SECONDS", 0)
    app = load("predict")
    assert app.handler(prediction_event({"records": [RECORD]}), LambdaContext())["statusCode"] == 200
    aws.script += [(500, {}, b"")] * 3
    assert app.handler(prediction_event({"records": [RECORD]}), LambdaContext())["statusCode"] == 200
    assert aws.script == []


def test_an_unchanged_routing_is_asked_for_conditionally(aws: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sluicegate.adapters.routes.FRESH_SECONDS", 0)
    app = load("predict")
    for _ in range(2):
        assert app.handler(prediction_event({"records": [RECORD]}), LambdaContext())["statusCode"] == 200
    first, second = aws.asked("/routing/")
    assert "if-none-match" not in first.headers
    assert second.headers["if-none-match"].startswith('"')


def test_a_secret_that_is_too_short_is_refused(aws: Any, ask: Any, caplog: Any) -> None:
    aws.secret = "short"
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert status == 503
    cause = caplog.records[-1].cause
    assert "at least 16" in cause
    assert "'short'" not in cause
    assert SECRET not in body["detail"]


def test_logs_hold_neither_records_nor_the_secret(aws: Any, ask: Any, caplog: Any) -> None:
    record = RECORD | {"joined": "2026-02-03"}
    ask(prediction_event({"records": [record]}))
    [logged] = [record for record in caplog.records if record.getMessage() == "prediction"]
    line = vars(logged)
    assert (line["model"], line["status"], line["records"]) == ("churn", 200, 1)
    assert "2026-02-03" not in repr(line)
    assert SECRET_TEXT not in repr(line)


def test_a_large_body_is_sent_in_pieces_in_order(aws: Any, ask: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sluicegate.services.predict.LARGEST_PAYLOAD", 40)
    aws.variants["sluicegate-churn"]["v1"] = lambda body: b"".join(
        b"0.%s\n" % line.split(b",")[0].split(b".")[0] for line in body.splitlines()
    )
    records = [RECORD | {"tenure": number} for number in range(1, 8)]
    status, body, _ = ask(prediction_event({"records": records}))
    assert status == 200
    found = [prediction["probabilities"]["yes"] for prediction in body["predictions"]]
    assert found == pytest.approx([number / 10 for number in range(1, 8)])
    assert len(aws.asked("/invocations")) > 1


def test_boto3_is_not_imported_by_predict() -> None:
    import subprocess

    code = (
        "import sys; sys.path[:0] = ['layers/core/src', 'functions/predict']; import app; "
        "print([name for name in ('boto3', 'botocore.client', 'botocore.session', 'duckdb', 'numpy', 'pydantic') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_body_of_a_binary_request_is_decoded() -> None:
    event = prediction_event(b'{"records": []}')
    assert base64.b64decode(event["body"]) == b'{"records": []}'


def two_lanes(**more: Any) -> bytes:
    """Version 2 as the challenger, with an endpoint of its own; it reads a column less."""
    narrower = Schema(SCHEMA.columns[:2], ignored=("autopay", "joined"), target="churned", id_column="customer_id")
    challenger = {**lane(2, narrower), "slot": "challenger", "endpoint": "sluicegate-churn-V2", "weight": 0.5}
    champion = {**lane(1), "slot": "champion", "weight": 0.5}
    document = json.loads(routing([champion, challenger])) | {"cause": "0123abcd", "salt": "0123abcd"}
    return json.dumps(document | more).encode()


def test_subjects_keep_their_lanes_and_lanes_their_own_encoding(aws: Any, ask: Any) -> None:
    aws.objects["routing/churn.json"] = two_lanes()
    aws.variants["sluicegate-churn-V2"] = {"v2": score(0.1)}
    seen: dict[int, str] = {}
    for number in range(20):
        for _ in range(2):
            event = prediction_event({"records": [RECORD]}, headers={"X-Subject": f"customer-{number}"})
            status, body, _ = ask(event)
            assert status == 200
            read = verify(body["predictions"][0]["inference_id"], KEY)
            assert (read.slot, read.version, read.cause) == (body["lane"], body["version"], "0123abcd")
            assert seen.setdefault(number, body["lane"]) == body["lane"]
    assert set(seen.values()) == {"champion", "challenger"}
    encodings = {(sent.path.split("/")[2], sent.body.count(b",")) for sent in aws.asked("/invocations")}
    fields = dict(encodings)
    assert len(encodings) == 2
    assert fields["sluicegate-churn-V2"] < fields["sluicegate-churn"]


def test_a_field_that_the_model_does_not_know_may_name_the_subject(aws: Any, ask: Any) -> None:
    aws.objects["routing/churn.json"] = two_lanes(subject="visitor")
    aws.variants["sluicegate-churn-V2"] = {"v2": score(0.1)}
    status, body, _ = ask(prediction_event({"records": [RECORD | {"visitor": number} for number in range(20)]}))
    assert status == 200
    assert body["versions"] == [1, 2]
    for one in body["predictions"]:
        read = verify(one["inference_id"], KEY)
        assert (read.version, read.slot) == (one["version"], one["lane"])
        assert one["probabilities"]["yes"] == pytest.approx(0.8 if one["version"] == 1 else 0.1)


def test_while_sagemaker_shifts_an_answer_names_both_versions_and_its_id_the_live_one(aws: Any, ask: Any) -> None:
    aws.objects["routing/churn.json"] = routing([{**lane(1), "shifting_to": 2}])
    status, body, headers = ask(prediction_event({"records": [RECORD]}))
    assert (status, body["version"], body["versions"]) == (200, 1, [1, 2])
    assert set(body["predictions"][0]) == {"prediction", "probabilities", "inference_id"}
    assert verify(body["predictions"][0]["inference_id"], KEY).version == 1
    event = prediction_event({"records": [RECORD]}, headers={"Accept": "text/csv"})
    for found in (headers, load("predict").handler(event, LambdaContext())["headers"]):
        assert (found["X-Version"], found["X-Versions"]) == ("1", "1, 2")
        assert "X-Lane" not in found


def test_a_challenger_is_named_exactly_while_the_champion_shifts(aws: Any, ask: Any) -> None:
    document = json.loads(two_lanes())
    document["lanes"][0]["shifting_to"] = 3
    aws.objects["routing/churn.json"] = json.dumps(document).encode()
    aws.variants["sluicegate-churn-V2"] = {"v2": score(0.1)}
    answers = {}
    for name in ("challenger", "champion"):
        status, body, _ = ask(prediction_event({"records": [RECORD]}, headers={"X-Lane": name}))
        assert status == 200
        answers[name] = (body["version"], body.get("versions"))
    assert answers == {"challenger": (2, None), "champion": (1, [1, 3])}


def test_several_lanes_answer_in_one_csv_though_they_know_other_classes(aws: Any) -> None:
    document = json.loads(two_lanes(subject="visitor"))
    document["lanes"][1]["problem"] = Problem("binary", ("no", "maybe"), "maybe").to_json()
    aws.objects["routing/churn.json"] = json.dumps(document).encode()
    aws.variants["sluicegate-churn-V2"] = {"v2": score(0.9)}
    records = [RECORD | {"visitor": number} for number in range(20)]
    event = prediction_event({"records": records}, headers={"Accept": "text/csv"})
    answer = load("predict").handler(event, LambdaContext())
    header, *rows = csv.reader(answer["body"].splitlines())
    assert answer["headers"]["X-Versions"] == "1, 2"
    assert (answer["headers"]["X-Version"], answer["headers"]["X-Lane"]) == (rows[0][4], rows[0][5])
    assert set(header[1:4]) == {"probability_no", "probability_yes", "probability_maybe"}
    assert header[4:] == ["version", "lane", "inference_id"]
    found = {(row[0], row[header.index("probability_yes")], row[4], row[5]) for row in rows}
    assert found == {("yes", "0.8", "1", "champion"), ("maybe", "", "2", "challenger")}


def test_a_missing_lane_is_answered_for_by_the_champion(aws: Any, ask: Any) -> None:
    aws.objects["routing/churn.json"] = two_lanes()
    found = [
        ask(prediction_event({"records": [RECORD]}, headers={"X-Subject": f"customer-{number}"}))
        for number in range(10)
    ]
    assert {(status, body["version"], body["lane"]) for status, body, _ in found} == {(200, 1, "champion")}
    causes = [verify(body["predictions"][0]["inference_id"], KEY).cause for _, body, _ in found]
    assert set(causes) == {None, "0123abcd"}


def test_a_tester_asks_a_lane(aws: Any, ask: Any) -> None:
    aws.objects["routing/churn.json"] = two_lanes()
    aws.variants["sluicegate-churn-V2"] = {"v2": score(0.1)}
    for name, version in (("challenger", 2), ("v1", 1)):
        status, body, _ = ask(prediction_event({"records": [RECORD]}, headers={"x-lane": name}))
        assert (status, body["version"]) == (200, version)
        assert verify(body["predictions"][0]["inference_id"], KEY).cause is None
    status, body, _ = ask(prediction_event({"records": [RECORD]}, headers={"x-lane": "v7"}))
    assert (status, body["detail"]) == (400, "X-Lane: given 'v7'; accepted are champion, v1, challenger, v2.")


def test_a_subject_is_no_document(ask: Any) -> None:
    status, body, _ = ask(prediction_event({"records": [RECORD]}, headers={"X-Subject": "x" * 257}))
    assert (status, "257 characters" in body["detail"]) == (400, True)


def asleep(model: dict[str, Any] | None, state: str = "asleep") -> dict[str, bytes]:
    document = json.loads(routing([lane(1)])) | {"state": state}
    objects = {}
    if model is not None:
        document["lanes"][0]["local"] = {"key": "artifacts/churn/j/local.json"}
        objects["artifacts/churn/j/local.json"] = json.dumps(model).encode()
    return {**objects, "routing/churn.json": json.dumps(document).encode()}


def constant(probability: float) -> dict[str, Any]:
    """A model without splits, as wide as the sample lane's encoding."""
    width = len(Encoder.from_json(lane(1)["encoder"]).feature_names)
    member = {"base": 0.0, "outputs": 1, "groups": [0], "roots": [0], "categories": {}}
    leaf = math.log(probability / (1 - probability))
    member |= {"features": pack("i", [-1]), "values": pack("f", [leaf]), "left": pack("i", [-1])}
    member |= {"missing": pack("B", [0])}
    return {"format": 1, "kind": "trees", "link": "logistic", "width": width, "members": [member]}


def test_while_the_endpoint_sleeps_the_function_answers_and_asks_for_it_once(aws: Any, ask: Any) -> None:
    aws.objects |= asleep(constant(0.8))
    del aws.variants["sluicegate-churn"]
    for _ in range(3):
        status, body, _headers = ask(prediction_event({"records": [RECORD, RECORD]}))
        assert (status, body["served_by"], body["version"]) == (200, "function", 1)
        assert [one["prediction"] for one in body["predictions"]] == ["yes", "yes"]
        assert body["predictions"][0]["probabilities"]["yes"] == pytest.approx(0.8, abs=1e-6)
        assert verify(body["predictions"][1]["inference_id"], KEY).version == 1
    assert not aws.asked("/endpoints/"), "an endpoint that sleeps is not called"
    assert len(aws.asked("local.json")) == 1
    [event] = aws.events
    assert (event["Source"], event["DetailType"]) == ("sluicegate", "Wake Asked")
    assert json.loads(event["Detail"]) == {"prefix": "sluicegate", "model": "churn"}
    assert event["Time"] == 1_795_348_800.0


def test_other_models_answer_202_with_a_place_to_look(aws: Any, ask: Any) -> None:
    aws.objects |= asleep(None)
    status, body, headers = ask(prediction_event({"records": [RECORD]}))
    assert (status, body["state"], body["status_url"]) == (202, "waking", "/v1/models/churn")
    assert headers["Retry-After"] == str(body["retry_after"])
    assert headers["Location"] == "/v1/models/churn"
    assert len(aws.events) == 1
    aws.objects |= asleep(None, "serving")  # the copy of some seconds ago does not hold it up
    assert ask(prediction_event({"records": [RECORD]}))[0] == 200


def test_a_model_whose_file_is_not_there_waits_for_its_endpoint(aws: Any, ask: Any) -> None:
    aws.objects |= asleep(constant(0.8))
    del aws.objects["artifacts/churn/j/local.json"]
    assert [ask(prediction_event({"records": [RECORD]}))[0] for _ in range(3)] == [202] * 3
    assert len(aws.asked("local.json")) == 1


@pytest.mark.parametrize("trouble", ["gone", "failing"])
def test_while_the_endpoint_fails_the_function_answers(aws: Any, ask: Any, trouble: str) -> None:
    aws.objects |= asleep(constant(0.8), "serving")
    if trouble == "gone":
        del aws.variants["sluicegate-churn"]
    else:
        aws.before = lambda seen: aws.script.append((503, {}, b"")) if "/endpoints/" in seen.path else None
    status, body, _ = ask(prediction_event({"records": [RECORD]}))
    assert (status, body["served_by"]) == (200, "function")
    assert not aws.events, "it does not sleep"


def test_an_error_of_the_models_own_is_told(aws: Any, ask: Any) -> None:
    def broken(body: bytes) -> bytes:
        raise ArithmeticError("no such feature")

    aws.objects |= asleep(constant(0.8), "serving")
    aws.variants["sluicegate-churn"]["v1"] = broken
    assert ask(prediction_event({"records": [RECORD]}))[0] == 502


def test_a_version_that_is_still_coming_is_answered_for_by_its_endpoint_alone(aws: Any, ask: Any) -> None:
    aws.objects |= asleep(constant(0.8), "serving")
    document = json.loads(aws.objects["routing/churn.json"])
    document["lanes"], document["coming"] = [], document["lanes"]
    aws.objects["routing/churn.json"] = json.dumps(document).encode()
    del aws.variants["sluicegate-churn"]
    assert ask(prediction_event({"records": [RECORD]}))[0] == 503
