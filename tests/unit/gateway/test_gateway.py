"""Routing, keys, limits, proxy events and answers, with a function that isn't one."""

# ruff: noqa: E501  (templates and long answers stay on one line)

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from local_region.gateway.definition import compile_body, problems
from local_region.gateway.model import Quota, TokenBucket, period_start
from local_region.gateway.proxy import MalformedAnswer, response_of
from local_region.gateway.service import GatewayService
from local_region.ports import AwsError, AwsRequest, InvocationResult, Principal

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:f/invocations"
Json = dict[str, Any]


def proxied(*, key: bool = False, **more: Any) -> Json:
    security: Json = {"security": [{"api_key": []}]} if key else {}
    return {
        **security,
        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": URI, **more},
    }


MOCK = {
    "x-amazon-apigateway-integration": {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode" : 204}'},
        "responses": {
            "default": {
                "statusCode": "204",
                "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
            }
        },
    }
}
BODY: Json = {
    "swagger": "2.0",
    "info": {"title": "t"},
    "securityDefinitions": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-gateway-responses": {
        "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}
    },
    "paths": {
        "/models": {"get": proxied(key=True), "options": MOCK},
        "/models/{model}": {"get": proxied()},
        "/models/list": {"get": proxied()},
        "/files/{proxy+}": {"x-amazon-apigateway-any-method": proxied()},
        "/slow": {"get": proxied(timeoutInMillis=50)},
    },
}


class Gate:
    """A gateway whose function is ``self.function``."""

    def __init__(self) -> None:
        self.events: list[Json] = []
        self.metrics: list[tuple[str, float]] = []
        self.lines: list[str] = []
        self.written = threading.Event()
        self.now = NOW
        self.permitted = True
        self.sources: list[str] = []
        self.function: Callable[[Json], Any] = lambda event: {"statusCode": 200, "body": "ok"}
        region: Any = SimpleNamespace(
            config=SimpleNamespace(
                endpoint="http://127.0.0.1:4566", account_id="1", region_name="us-east-1", partition="aws"
            ),
            clock=SimpleNamespace(now=lambda: self.now),
            functions=SimpleNamespace(invoke=self._invoke, permits=self._permits),
            metrics=SimpleNamespace(put=lambda space, name, value, unit, where: self.metrics.append((name, value))),
            logs=SimpleNamespace(write=self._log),
        )
        self.service = GatewayService(region)

    def _permits(self, name: str, service: str, source: str) -> bool:
        self.sources.append(source)
        return self.permitted and service == "apigateway.amazonaws.com"

    def _log(self, group: str, stream: str, messages: list[str]) -> None:
        self.lines += [f"{group} {message}" for message in messages]
        self.written.set()

    def _invoke(self, name: str, payload: bytes) -> InvocationResult:
        assert name == "arn:aws:lambda:us-east-1:1:function:f"
        event = json.loads(payload)
        self.events.append(event)
        answer = self.function(event)
        return answer if isinstance(answer, InvocationResult) else InvocationResult(json.dumps(answer).encode(), None)

    def open(self, **stage: Any) -> str:
        self.api = self.service.put_rest_api(None, "api", {}, BODY)
        self.service.put_stage(self.api, "v1", {"DeploymentId": self.service.put_deployment(self.api, {}), **stage})
        return self.api

    def call(
        self, path: str, verb: str = "GET", body: bytes = b"", query: str = "", **headers: str
    ) -> tuple[int, dict[str, list[str]], bytes]:
        environ = {
            "REQUEST_METHOD": verb,
            "REQUEST_URI": f"/_api/{self.api}/v1{path}",
            "QUERY_STRING": query,
            "REMOTE_ADDR": "10.0.0.9",
            "HTTP_HOST": "localhost:4566",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.input": io.BytesIO(body),
            **{f"HTTP_{name.upper()}": value for name, value in headers.items() if name != "content_type"},
            **({"CONTENT_TYPE": headers["content_type"]} if "content_type" in headers else {}),
        }
        seen: list[Any] = []
        content = b"".join(self.service.wsgi(environ, lambda status, given: seen.extend([status, given])))
        grouped: dict[str, list[str]] = {}
        for name, value in seen[1]:
            grouped.setdefault(name.lower(), []).append(value)
        return int(seen[0].split()[0]), grouped, content


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.service.stop()


@pytest.fixture
def opened(gate: Gate) -> Gate:
    gate.open()
    return gate


def key_for(gate: Gate, **plan: Any) -> str:
    value = "k" * 30
    key = gate.service.put_api_key(None, {"Name": "n", "Value": value, "Enabled": True})
    made = gate.service.put_usage_plan(None, {"ApiStages": [{"ApiId": gate.api, "Stage": "v1"}], **plan})
    gate.service.put_usage_plan_key(made, key)
    return value


def test_the_most_specific_resource_answers(opened: Gate) -> None:
    for path, resource, parameters in (
        ("/models/list", "/models/list", None),
        ("/models/a%2Fb%20c/", "/models/{model}", {"model": "a/b c"}),
        ("/files/x/y.css", "/files/{proxy+}", {"proxy": "x/y.css"}),
    ):
        assert opened.call(path)[0] == 200
        assert (opened.events[-1]["resource"], opened.events[-1]["pathParameters"]) == (resource, parameters)
    for path, verb in (("/nothing", "GET"), ("/models/x", "POST"), ("/files", "GET")):
        status, headers, body = opened.call(path, verb)
        assert (status, body) == (403, b'{"message":"Missing Authentication Token"}')
        assert headers["access-control-allow-origin"] == ["*"]


def test_event_has_aws_s_shape(opened: Gate) -> None:
    opened.call("/files/a%20b", "POST", b'{"x": 1}', "a=1&a=2&b=", content_type="application/json", user_agent="u")
    event = opened.events[-1]
    assert event["path"] == "/files/a%20b"
    assert event["requestContext"]["path"] == "/v1/files/a%20b"
    assert event["queryStringParameters"] == {"a": "2", "b": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [""]}
    assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
    assert event["headers"]["Content-Type"] == "application/json"
    assert event["requestContext"]["requestTimeEpoch"] == int(NOW.timestamp() * 1000)
    assert event["requestContext"]["requestTime"] == "22/Nov/2026:12:00:00 +0000"
    assert event["requestContext"]["identity"]["sourceIp"] == "10.0.0.9"
    assert set(event) == {
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body", "isBase64Encoded",
    }  # fmt: skip


def test_the_stages_own_address_keeps_its_form(gate: Gate) -> None:
    body = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/": {"get": proxied()}}}
    gate.api = gate.service.put_rest_api(None, "api", {}, body)
    gate.service.put_stage(gate.api, "v1", {"DeploymentId": gate.service.put_deployment(gate.api, {})})
    for sent, path in (("", "/v1"), ("/", "/v1/"), ("?a=1", "/v1")):
        assert gate.call(sent)[0] == 200
        assert (gate.events[-1]["path"], gate.events[-1]["requestContext"]["path"]) == ("/", path)


def test_binary_both_ways(opened: Gate) -> None:
    opened.function = lambda event: {
        "statusCode": 200,
        "body": event["body"],
        "isBase64Encoded": event["isBase64Encoded"],
    }
    raw = bytes(range(256))
    assert opened.call("/files/x", "PUT", raw, content_type="image/png", accept="image/png")[2] == raw
    assert opened.call("/files/x", "PUT", raw, content_type="image/png", accept="text/html")[2] == base64.b64encode(raw)


def test_mock_and_head(opened: Gate) -> None:
    status, headers, body = opened.call("/models", "OPTIONS")
    assert (status, body, headers["access-control-allow-origin"]) == (204, b"", ["*"])
    status, headers, body = opened.call("/files/x", "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", ["2"])


def test_keys_open_only_their_stages(opened: Gate) -> None:
    assert opened.call("/models")[0::2] == (403, b'{"message":"Forbidden"}')
    value = key_for(opened)
    assert opened.call("/models", x_api_key=value)[0] == 200
    assert opened.events[-1]["requestContext"]["identity"]["apiKey"] == value
    assert opened.call("/models", x_api_key="wrong" * 6)[0] == 403


def test_quota_and_throttle(opened: Gate) -> None:
    value = key_for(opened, Quota={"Limit": 2, "Period": "DAY"})
    assert [opened.call("/models", x_api_key=value)[0] for _ in range(2)] == [200, 200]
    assert opened.call("/models", x_api_key=value)[0::2] == (429, b'{"message":"Limit Exceeded"}')
    opened.now += timedelta(days=1)
    assert opened.call("/models", x_api_key=value)[0] == 200
    bucket = TokenBucket(rate=10, burst=2)
    start = bucket._at
    assert [bucket.take(start) for _ in range(3)] == [True, True, False]
    # a little more than a tenth: the clock is a float, and how it rounds depends on how long the machine is up
    assert bucket.take(start + 0.11)
    assert not bucket.take(start + 0.16)


def test_stage_throttle(gate: Gate) -> None:
    gate.open(
        MethodSettings=[
            {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 1}
        ]
    )
    assert gate.call("/files/x")[0] == 200
    assert gate.call("/files/x")[0::2] == (429, b'{"message":"Too Many Requests"}')


@pytest.mark.parametrize(("period", "expected"), [("DAY", (22, 11)), ("WEEK", (22, 11)), ("MONTH", (1, 11))])
def test_quota_periods(period: str, expected: tuple[int, int]) -> None:
    began = period_start(NOW, period)  # 2026-11-22 is a Sunday
    assert (began.day, began.month, began.hour) == (*expected, 0)
    assert Quota(0, period).take(NOW) is False


@pytest.mark.parametrize(
    "answer",
    ["text", {"body": "x"}, {"statusCode": "abc"}, {"statusCode": 200, "body": {}}, {"statusCode": 200, "headers": {"a": ["b"]}},
     {"statusCode": 200, "headers": {"a": "b\r\nc"}}, {"statusCode": 1000}],
)  # fmt: skip
def test_malformed_answers_are_502(opened: Gate, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    opened.function = lambda event: answer
    assert opened.call("/files/x")[0::2] == (502, b'{"message":"Internal server error"}')
    assert "Malformed Lambda proxy response" in caplog.text
    with pytest.raises(MalformedAnswer):
        response_of(json.dumps(answer).encode(), None, ())


def test_failing_and_missing_functions(opened: Gate) -> None:
    opened.function = lambda event: InvocationResult(b'{"errorMessage": "no"}', "Unhandled")
    assert opened.call("/files/x")[0] == 502

    def gone(event: Json) -> Any:
        raise AwsError("ResourceNotFoundException", "no such function", 404)

    opened.function = gone
    assert opened.call("/files/x")[0] == 500


def test_a_function_without_permission_is_not_called(opened: Gate, caplog: pytest.LogCaptureFixture) -> None:
    opened.permitted = False
    assert opened.call("/models/x")[0::2] == (500, b'{"message":"Internal server error"}')
    assert opened.sources == [f"arn:aws:execute-api:us-east-1:1:{opened.api}/v1/GET/models/{{model}}"]
    assert "Invalid permissions on Lambda function" in caplog.text
    assert not opened.events


def test_late_answers_are_504(opened: Gate) -> None:
    release = threading.Event()
    opened.function = lambda event: release.wait(5) and {"statusCode": 200}
    try:
        assert opened.call("/slow")[0::2] == (504, b'{"message":"Endpoint request timed out"}')
    finally:
        release.set()


def test_long_bodies_are_413(opened: Gate) -> None:
    assert opened.call("/files/x", "POST", b"x" * (10 * 1024 * 1024 + 1))[0::2] == (
        413,
        b'{"message":"Request Too Long"}',
    )
    assert not opened.events


def test_headers_of_answers(opened: Gate) -> None:
    opened.function = lambda event: {
        "statusCode": 200,
        "headers": {"Date": "today", "Content-Length": "999", "X-One": 1},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
    }
    headers = opened.call("/files/x")[1]
    assert headers["set-cookie"] == ["a=1", "b=2"]
    assert (headers["x-amzn-remapped-date"], headers["content-length"], headers["x-one"]) == (["today"], ["0"], ["1"])
    assert headers["content-type"] == ["application/json"]
    assert {"x-amzn-requestid", "x-amz-apigw-id"} <= set(headers)


def test_metrics_and_access_log(gate: Gate) -> None:
    gate.open(
        AccessLogSetting={
            "DestinationArn": "arn:aws:logs:r:1:log-group:g",
            "Format": "$context.httpMethod $context.status $context.path",
        }
    )
    gate.call("/nothing")
    assert dict(gate.metrics) | {"Latency": 0} == {"Count": 1, "4XXError": 1, "5XXError": 0, "Latency": 0}
    assert gate.written.wait(5)
    assert gate.lines == ["g GET 403 /v1/nothing"]


def test_a_stage_serves_what_was_deployed(opened: Gate) -> None:
    changed = {**BODY, "paths": {"/new": {"get": proxied()}}}
    opened.service.put_rest_api(opened.api, "api", {}, changed)
    assert opened.call("/new")[0] == 403
    opened.service.put_stage(opened.api, "v1", {"DeploymentId": opened.service.put_deployment(opened.api, {})})
    assert opened.call("/new")[0] == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"paths": {"/x": {"get": {"x-amazon-apigateway-integration": {"type": "http_proxy"}}}}},
            "GET /x: the integration type HTTP_PROXY",
        ),
        ({"paths": {"/x": {"get": {}}}}, "GET /x: no x-amazon-apigateway-integration"),
        (
            {"securityDefinitions": {"C": {"type": "apiKey", "x-amazon-apigateway-authtype": "cognito_user_pools"}}},
            "the authorizer C",
        ),
        ({"x-amazon-apigateway-policy": {}}, "x-amazon-apigateway-policy"),
    ],
)
def test_what_is_not_served_is_named(change: Json, message: str) -> None:
    found = " ".join(problems({"swagger": "2.0", **change}))
    assert message in found
    with pytest.raises(ValueError, match=r"not supported|no x-amazon"):
        compile_body({"swagger": "2.0", **change}, {})


def test_reading(opened: Gate) -> None:
    value = key_for(opened, Throttle={"RateLimit": 5, "BurstLimit": 9})
    operations = opened.service.operations()

    def ask(operation: str, **params: Any) -> Json:
        return operations[operation](AwsRequest("apigateway", operation, params, Principal("k", "arn"), {}))

    assert [item["id"] for item in ask("GetRestApis")["items"]] == [opened.api]
    assert [item["stageName"] for item in ask("GetStages", restApiId=opened.api)["item"]] == ["v1"]
    assert "value" not in ask("GetApiKeys")["items"][0]
    assert ask("GetApiKeys", includeValues=True)["items"][0]["value"] == value
    assert ask("GetUsagePlans")["items"][0]["throttle"] == {"rateLimit": 5.0, "burstLimit": 9}
    with pytest.raises(AwsError, match="NotFoundException"):
        ask("GetRestApi", restApiId="nope")
