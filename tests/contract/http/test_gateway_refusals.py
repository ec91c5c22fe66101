"""What API Gateway answers by itself has the form that the API's description promises, and any site may read it that
may read the rest."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from sluice.packaging import read_template

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
API: dict[str, Any] = TEMPLATE["Resources"]["Api"]["Properties"]
RESPONSES: dict[str, Any] = API["GatewayResponses"]
DOCUMENT = json.loads((ROOT / "functions/serve_web/site/openapi.json").read_text())
#: what a mapping template of API Gateway may name (the message string has its quotes)
CONTEXT = {"$context.error.messageString": '"Forbidden"', "$context.requestId": "5b1c-7"}


def body(kind: str) -> dict[str, Any]:
    ((content_type, template),) = RESPONSES[kind]["ResponseTemplates"].items()
    assert content_type == "application/problem+json"
    for name, value in CONTEXT.items():
        template = template.replace(name, value)
    assert "$" not in template, "an unknown variable"
    found: dict[str, Any] = json.loads(template)
    return found


@pytest.mark.parametrize("kind", sorted(RESPONSES))
def test_a_refusal_is_a_problem_as_described(kind: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = body(kind)
    jsonschema.Draft202012Validator(DOCUMENT["components"]["schemas"]["Problem"]).validate(found)
    assert found["status"] == RESPONSES[kind]["StatusCode"]
    assert found["title"] in (HTTPStatus(found["status"]).phrase, "Content Too Large")
    assert found["request_id"] == "5b1c-7"


@pytest.mark.parametrize("kind", sorted(RESPONSES))
def test_the_page_of_another_site_may_read_it_as_it_may_read_the_rest(kind: str) -> None:
    headers = RESPONSES[kind]["ResponseParameters"]["Headers"]
    assert headers["Access-Control-Allow-Origin"] == API["Cors"]["AllowOrigin"]
    assert headers["Cache-Control"] == "'no-store'"


def test_functions_and_gateway_name_the_same_origin() -> None:
    for name in ("PredictFunction", "ManageModelsFunction", "ServeWebFunction"):
        variables = TEMPLATE["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert variables["CORS_ALLOW_ORIGIN"] == {"Ref": "CorsAllowOrigin"}
    assert API["Cors"]["AllowOrigin"] == {"Fn::Sub": "'${CorsAllowOrigin}'"}


def test_whatever_is_not_named_is_a_problem_too() -> None:
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "INVALID_API_KEY", "THROTTLED", "QUOTA_EXCEEDED"} <= set(RESPONSES)
    assert all(re.fullmatch("[A-Z0-9_]+", kind) for kind in RESPONSES)


def test_the_description_says_so() -> None:
    refused = [
        answers[status]["content"]
        for path in DOCUMENT["paths"].values()
        for answers in (operation["responses"] for operation in path.values())
        for status in ("403", "429")
        if status in answers
    ]
    keyed = [
        operation
        for path, item in DOCUMENT["paths"].items()
        if path not in ("/", "/openapi.json")
        for operation in item
    ]
    assert len(refused) == 2 * len(keyed)
    reference = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert all(content == reference for content in refused)
