"""Templates, parameters, functions and ordering: everything that needs no region."""

# ruff: noqa: E501  (templates and long answers stay on one line)

from __future__ import annotations

from typing import Any

import pytest

from local_region.cloudformation import graph, loading, parameters, template
from local_region.cloudformation.errors import TemplateError
from local_region.cloudformation.intrinsics import UNKNOWN, references, resolve
from local_region.cloudformation.resources import registry
from local_region.cloudformation.resources.functions import reachable
from local_region.cloudformation.scope import Made, StackScope

QUEUE = {"Type": "AWS::SQS::Queue"}


def scope(raw: dict[str, Any], made: dict[str, Made] | None = None, **given: str) -> StackScope:
    parsed = template.parse({"Resources": {"Q": QUEUE}, **raw})
    pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    values = parameters.bind(parsed.parameters, pairs, {}, lambda name: f"ssm:{name}")
    pseudo = {"AWS::Region": "eu-west-1", "AWS::StackName": "demo", "AWS::AccountId": "123456789012"}
    exports = {"other-q": "queue-of-other"}
    return StackScope(parsed, values, pseudo, made or {}, exports.get)


def test_short_forms_and_dates() -> None:
    loaded = loading.load(
        "Resources:\n  Q: {Type: AWS::SQS::Queue}\nX:\n  Version: 2012-10-17\n  A: !GetAtt Q.Arn\n"
        "  B: !Join ['-', [!Ref Q, !Sub '${Q}']]\n  C: !If [Yes, 1, !Ref AWS::NoValue]\n  200: code\n"
    )
    assert loaded["X"] == {
        "Version": "2012-10-17",
        "A": {"Fn::GetAtt": ["Q", "Arn"]},
        "B": {"Fn::Join": ["-", [{"Ref": "Q"}, {"Fn::Sub": "${Q}"}]]},
        "C": {"Fn::If": [True, 1, {"Ref": "AWS::NoValue"}]},
        "200": "code",
    }


@pytest.mark.parametrize("text", ["a: [", "- 1", "x: !Nonsense y", '{"Resources": '])
def test_unreadable_templates_are_format_errors(text: str) -> None:
    with pytest.raises(TemplateError, match="Template format error"):
        loading.load(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]}, "a-eu-west-1"),
        ({"Fn::Sub": "${AWS::StackName}-${!Literal}-${Q}-${Q.Arn}"}, "demo-${Literal}-url-arn"),
        ({"Fn::Sub": ["${x}/${Q}", {"x": {"Ref": "AWS::Region"}}]}, "eu-west-1/url"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "a,b,c"]}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", "small", "count"]}, 3),
        ({"Fn::If": ["Big", "yes", "no"]}, "no"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}, {"b": [1]}),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::ImportValue": "other-q"}, "queue-of-other"),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::Length": [1, 2]}, 2),
        ({"Fn::ToJsonString": {"a": {"Ref": "Q"}}}, '{"a":"url"}'),
        ({"Fn::GetAtt": "Q.Arn"}, "arn"),
    ],
)
def test_functions(value: Any, expected: Any) -> None:
    raw = {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Size": {"Type": "String", "Default": "small"}},
        "Mappings": {"Sizes": {"small": {"count": 3}}},
        "Conditions": {"Big": {"Fn::And": [{"Fn::Equals": [{"Ref": "Size"}, "big"]}, {"Fn::Not": [{"Condition": "No"}]}]},
                       "No": {"Fn::Or": [{"Fn::Equals": [1, 2]}, {"Fn::Equals": [2, 3]}]}},
    }  # fmt: skip
    assert resolve(value, scope(raw, {"Q": Made("url", {"Arn": "arn"})})) == expected


def test_what_is_not_made_yet_is_unknown_and_spreads() -> None:
    assert resolve({"Fn::Join": ["", ["a", {"Ref": "Q"}]]}, scope({})) is UNKNOWN
    assert resolve({"Fn::Sub": "x${Q.Arn}"}, scope({})) is UNKNOWN
    assert resolve({"k": [{"Ref": "Q"}]}, scope({})) == {"k": [UNKNOWN]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Fn::Cidr": ["10.0.0.0/8", 2, 8]}, "Fn::Cidr is not supported"),
        ({"Fn::Length": []}, "needs the transform AWS::LanguageExtensions"),
        ({"Fn::FindInMap": ["A", "b", "c"]}, "Unable to get mapping for A::b::c"),
        ({"Fn::Select": [5, ["a"]]}, "cannot select nonexistent value at index 5"),
        ({"Fn::ImportValue": "nobody"}, "No export named nobody found"),
    ],
)
def test_function_errors(value: Any, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolve(value, scope({}))


def test_references_see_through_everything() -> None:
    value = {"Fn::If": ["C", {"Fn::Sub": ["${A}-${b}", {"b": {"Ref": "B"}}]}, {"Fn::GetAtt": ["D", "Arn"]}]}
    assert {(item.name, item.attribute) for item in references(value)} == {("A", None), ("B", None), ("D", "Arn")}


@pytest.mark.parametrize(
    ("spec", "text", "message"),
    [
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "must be one of AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", r"must match pattern \[a-z\]\+"),
        ({"Type": "String", "MinLength": 3}, "ab", "must contain at least 3 characters"),
        ({"Type": "String", "MaxLength": 3}, "abcd", "must contain at most 3 characters"),
        ({"Type": "Number", "MinValue": 5}, "4", "must be a number not less than 5"),
        ({"Type": "Number", "MaxValue": 5}, "6", "must be a number not greater than 5"),
        ({"Type": "Number"}, "six", "must be a number"),
        (
            {"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "be x"},
            "y",
            "failed to satisfy constraint: be x",
        ),
        ({"Type": "AWS::EC2::VPC::Id"}, "vpc-1", "AWS::EC2::VPC::Id, which the local region does not support"),
    ],
)
def test_parameter_constraints(spec: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        parameters.bind({"P": spec}, [{"ParameterKey": "P", "ParameterValue": text}], {}, str)


def test_parameter_sources() -> None:
    declared = {
        "Kept": {"Type": "String"},
        "Default": {"Type": "Number", "Default": 7},
        "List": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Hidden": {"Type": "String", "NoEcho": True},
        "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"},
    }
    given: list[dict[str, Any]] = [
        {"ParameterKey": "Kept", "UsePreviousValue": True},
        {"ParameterKey": "Hidden", "ParameterValue": "s3cret"},
    ]
    bound = parameters.bind(
        declared, given, {"Kept": parameters.Parameter("Kept", "old", "old")}, lambda name: f"value of {name}"
    )
    assert {name: item.value for name, item in bound.items()} == {
        "Kept": "old",
        "Default": "7",
        "List": ["a", "b"],
        "Hidden": "s3cret",
        "Stored": "value of /x",
    }
    assert bound["Hidden"].described()["ParameterValue"] == "****"
    with pytest.raises(TemplateError, match=r"Parameters: \[Nope\] do not exist in the template"):
        parameters.bind(declared, [{"ParameterKey": "Nope", "ParameterValue": ""}], {}, str)
    with pytest.raises(TemplateError, match=r"Parameters: \[Kept, Hidden\] must have values"):
        parameters.bind(declared, [], {}, str)


def test_cycles_are_named_without_those_that_wait() -> None:
    with pytest.raises(TemplateError, match=r"Circular dependency between resources: \[b, c\]"):
        graph.order({"a": ["b"], "b": ["c"], "c": ["b"]})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"Resources": {}}, "At least one Resources member must be defined"),
        ({"Resources": {"Q": QUEUE}, "Rules": {}}, "section Rules is not supported"),
        ({"Resources": {"Q": QUEUE}, "Extra": 1}, r"Invalid template property or properties \[Extra\]"),
        ({"Resources": {"Q-1": QUEUE}}, "Resource name Q-1 is non alphanumeric"),
        ({"Resources": {"Q": {}}}, "must contain a Type member"),
        (
            {"Resources": {"Q": {**QUEUE, "DependsOn": "X"}}},
            r"Unresolved resource dependencies \[X\] in the Resources block",
        ),
        ({"Resources": {"Q": QUEUE}, "Outputs": {"O": {"Value": {"Ref": "X"}}}}, r"\[X\] in the Outputs block"),
        (
            {"Resources": {"Q": QUEUE}, "Outputs": {"O": {"Value": {"Fn::GetAtt": ["Q", "Nope"]}}}},
            "does not support attribute type Nope",
        ),
        ({"Resources": {"Q": {**QUEUE, "Condition": "C"}}}, "Unresolved condition dependency C"),
        ({"Resources": {"Q": {**QUEUE, "UpdatePolicy": {}}}}, "has the attribute UpdatePolicy"),
        ({"Resources": {"Q": {**QUEUE, "DeletionPolicy": "Snapshot"}}}, "has the policy Snapshot"),
        ({"Resources": {"Q": QUEUE}, "Transform": "Mine"}, "The transform Mine is not supported"),
        (
            {"Resources": {"Q": QUEUE}, "Conditions": {"C": {"Fn::Equals": [{"Ref": "Q"}, 1]}}},
            "Cannot reference resources in the Conditions",
        ),
        (
            {"Resources": {f"Q{n}": QUEUE for n in range(501)}},
            "Number of resources, 501, is greater than maximum allowed, 500",
        ),
    ],
)
def test_templates_that_can_not_be(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        template.parse(raw)


def test_conditions_take_resources_out() -> None:
    seen = scope(
        {
            "Parameters": {"On": {"Type": "String", "Default": "no"}},
            "Conditions": {"IsOn": {"Fn::Equals": [{"Ref": "On"}, "yes"]}},
            "Resources": {"Q": QUEUE, "P": {**QUEUE, "Condition": "IsOn"}},
        }
    )
    assert list(seen.active()) == ["Q"]


def test_addresses_become_the_region_s() -> None:
    value = "see https://a1.execute-api.us-east-1.amazonaws.com/v1/x"
    assert reachable(value, "http://127.0.0.1:4566") == "see http://127.0.0.1:4566/_api/a1/v1/x"


def test_every_type_is_consistent() -> None:
    for name, handler in registry().items():
        assert name.startswith("AWS::")
        declared = handler.honoured | handler.recorded
        assert handler.required <= declared, name
        assert handler.replaces <= declared, name
        assert not handler.honoured & handler.recorded, name
        assert handler.name_property is None or handler.name_property in handler.replaces, name
