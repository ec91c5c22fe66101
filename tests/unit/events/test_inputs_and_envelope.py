"""What targets receive, and what PutEvents accepts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from local_region.events.envelope import entry_problem, entry_size, envelope
from local_region.events.inputs import payload
from local_region.events.targets import kind_of

EVENT: dict[str, Any] = {
    "version": "0",
    "id": "e1",
    "detail-type": "Thing Done",
    "source": "test",
    "account": "123456789012",
    "time": "2026-11-22T10:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:one"],
    "detail": {"name": 'a "quoted" name', "count": 3, "list": [1, 2], "deep": {"x": None}},
}


def given(**target: Any) -> Any:
    return json.loads(payload(target, EVENT, "arn:rule", "rule", "2026-11-22T10:00:01Z"))


def test_without_settings_the_event_itself() -> None:
    assert given() == EVENT


def test_a_constant_and_a_part() -> None:
    assert given(Input='{"fixed": true}') == {"fixed": True}
    assert given(InputPath="$.detail.list") == [1, 2]
    assert given(InputPath="$.detail-type") == "Thing Done"
    assert given(InputPath="$.detail.nothing") is None


@pytest.mark.parametrize(
    ("paths", "template", "expected"),
    [
        ({"n": "$.detail.name"}, '{"name": <n>}', {"name": 'a "quoted" name'}),
        ({"n": "$.detail.name"}, '{"name": "it is <n>!"}', {"name": 'it is a "quoted" name!'}),
        ({"c": "$.detail.count", "l": "$.detail.list"}, '{"c": <c>, "l": <l>}', {"c": 3, "l": [1, 2]}),
        ({"c": "$.detail.count"}, '{"text": "<c> things"}', {"text": "3 things"}),
        ({"t": "$.detail-type"}, '"<t> happened"', "Thing Done happened"),
        ({"t": "$.detail-type"}, "<t> happened", "Thing Done happened"),
        ({"m": "$.detail.missing"}, '{"m": <m>}', {"m": ""}),
        ({}, '{"rule": "<aws.events.rule-name>", "arn": <aws.events.rule-arn>}', {"rule": "rule", "arn": "arn:rule"}),
        ({}, '{"event": <aws.events.event.json>}', {"event": EVENT}),
    ],
)
def test_a_template(paths: dict[str, str], template: str, expected: Any) -> None:
    assert given(InputTransformer={"InputPathsMap": paths, "InputTemplate": template}) == expected


def test_a_template_that_gives_no_json() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        given(InputTransformer={"InputTemplate": '{"a": }'})


def test_the_envelope_is_awss() -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    made = envelope(
        "test", "Thing Done", EVENT["detail"], ["arn:one"], moment, EVENT["account"], EVENT["region"], EVENT["id"]
    )
    assert made == EVENT


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"DetailType": "t", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "s", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "s", "DetailType": "t"}, "InvalidArgument"),
        ({"Source": "s", "DetailType": "t", "Detail": "{"}, "MalformedDetail"),
        ({"Source": "s", "DetailType": "t", "Detail": "[]"}, "MalformedDetail"),
    ],
)
def test_entries_that_are_refused(entry: dict[str, str], code: str) -> None:
    problem = entry_problem(entry)
    assert problem is not None and problem[0] == code


def test_the_size_of_an_entry() -> None:
    entry = {"Source": "s", "DetailType": "tt", "Detail": "{}", "Resources": ["ü"], "Time": datetime.now()}
    assert entry_problem(entry) is None
    assert entry_size(entry) == 14 + 1 + 2 + 2 + 2


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        ("arn:aws:lambda:us-east-1:123456789012:function:f", "lambda"),
        ("arn:aws:sqs:us-east-1:123456789012:q", "sqs"),
        ("arn:aws:sns:us-east-1:123456789012:t", "sns"),
        ("arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/x", "logs"),
        ("arn:aws:events:us-east-1:123456789012:event-bus/other", "event-bus"),
        ("arn:aws:states:us-east-1:123456789012:stateMachine:m", None),
        ("arn:aws:events:us-east-1:123456789012:api-destination/x", None),
        ("text", None),
    ],
)
def test_what_can_be_delivered_to(arn: str, kind: str | None) -> None:
    assert kind_of(arn) == kind
