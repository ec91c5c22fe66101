"""The check of answers that every test's client makes (``tests/support/shapes.py``) finds what it is for."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest

from tests.support.shapes import deviations

SESSION = botocore.session.get_session()


def found(service: str, operation: str, body: str, headers: dict[str, str] | None = None) -> list[str]:
    model = SESSION.get_service_model(service).operation_model(operation)
    return list(deviations({"status_code": 200, "headers": headers or {}, "body": body.encode()}, model))


RULE = {"Name": "r", "State": "ENABLED"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"Rules": [RULE]}, []),
        ({"Rules": [{**RULE, "CreatedBy": "x"}]}, [".Rules[].CreatedBy is unknown"]),
        ({"Rules": [{**RULE, "Name": 1}]}, [".Rules[].Name is no string: 1"]),
        ({"Rules": {}}, [".Rules is no list: {}"]),
    ],
)
def test_json(answer: dict[str, Any], expected: list[str]) -> None:
    assert found("events", "ListRules", json.dumps(answer)) == expected


def test_json_with_required_members_and_enums() -> None:
    found_in = found("sagemaker", "DescribeModel", json.dumps({"ModelName": "m", "CreationTime": 1}))
    assert found_in == [".ModelArn is missing"]
    status = json.dumps({"EndpointArn": "a", "EndpointName": "e", "EndpointStatus": "Up", "CreationTime": 1})
    assert [text[:24] for text in found("sagemaker", "DescribeEndpoint", status)] == [
        ".EndpointStatus is 'Up',",
        ".LastModifiedTime is mis",
    ]


def test_xml_of_the_query_protocol() -> None:
    members = {"Path": "/", "RoleName": "r", "RoleId": "i", "Arn": "a", "CreateDate": "2026-01-01T00:00:00Z"}
    role = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
    whole = "<GetRoleResponse><GetRoleResult><Role>{}</Role></GetRoleResult><ResponseMetadata/></GetRoleResponse>"
    assert found("iam", "GetRole", whole.format(role)) == []
    assert found("iam", "GetRole", whole.format(role + "<Color>red</Color>")) == [".Role.Color is unknown"]
    assert found("iam", "GetRole", "<GetRoleResponse/>") == [".Role is missing"]


def test_xml_of_s3() -> None:
    listed = (
        "<ListBucketResult><Contents><Key>k</Key><Size>{}</Size></Contents><KeyCount>1</KeyCount></ListBucketResult>"
    )
    assert found("s3", "ListObjectsV2", listed.format(1)) == []
    assert found("s3", "ListObjectsV2", listed.format("big")) == [
        ".Contents[].Size is no number: 'big'".replace("[]", "")
    ]
