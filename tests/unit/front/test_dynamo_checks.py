"""DynamoDB's refusals of values, keys and expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.front.dynamo_checks import KeySchema, refuse
from local_region.ports import AwsError, Json

SCHEMA = KeySchema(("pk", "sk"), {"by-g": ("g", "sk")}, {"pk": "S", "sk": "N", "g": "S"})
KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}


def parse(expression: str, _names: Mapping[str, str], _values: Mapping[str, Any]) -> None:
    if expression.count("(") != expression.count(")"):
        raise ValueError(expression)


def check(operation: str, params: Json) -> None:
    refuse(operation, {"TableName": "table", **params}, {"table": SCHEMA}.get, parse)


def put(**values: Json) -> Json:
    return {"Item": {**KEY, **values}}


CONDITION = {"ConditionExpression": "v = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}}
QUERY = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}}}
TAKEN: dict[str, tuple[str, Json]] = {
    "numbers at their limits": ("PutItem", put(a={"N": "1" * 38}, b={"N": "-9.9E+125"}, c={"N": "1E-130"})),
    "zeros beside the digits": ("PutItem", put(a={"N": "1" + "0" * 60})),
    "nested values": ("PutItem", put(a={"M": {"x": {"L": [{"NS": ["1", "2"]}, {"NULL": True}]}}})),
    "a condition with all its values": ("PutItem", {**put(), **CONDITION}),
    "a key of equal numbers": ("GetItem", {"Key": {"pk": {"S": "a"}, "sk": {"N": "1.0"}}}),
    "a name used in a projection": (
        "GetItem",
        {"Key": KEY, "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "status"}},
    ),
    "a filter behind a path": ("Query", {**QUERY, "FilterExpression": "m.sk = :p and begins_with(v, :p)"}),
    "a filter on the table's key in an index": (
        "Query",
        {**QUERY, "IndexName": "by-g", "KeyConditionExpression": "g = :p", "FilterExpression": "pk = :p"},
    ),
    "a range of keys": (
        "Query",
        {
            "KeyConditionExpression": "pk = :p AND #s BETWEEN :a AND :b",
            "ExpressionAttributeNames": {"#s": "sk"},
            "ExpressionAttributeValues": {":p": {"S": "a"}, ":a": {"N": "1"}, ":b": {"N": "2"}},
        },
    ),
    "an index's key that isn't there": ("PutItem", put()),
    "a batch": (
        "BatchWriteItem",
        {"RequestItems": {"table": [{"PutRequest": put()}, {"DeleteRequest": {"Key": KEY}}]}},
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_dynamodb_takes(case: str) -> None:
    check(*TAKEN[case])


REFUSED: dict[str, tuple[str, Json, str]] = {
    "a short table name": ("CreateTable", {"TableName": "ab"}, "at least 3 characters"),
    "no type": ("PutItem", put(v={}), "is empty, must contain exactly one"),
    "two types": ("PutItem", put(v={"S": "a", "N": "1"}), "more than one datatypes"),
    "two types deep inside": ("PutItem", put(v={"L": [{"M": {"x": {"S": "a", "N": "1"}}}]}), "more than one datatypes"),
    "a set with duplicates": ("PutItem", put(v={"SS": ["a", "a"]}), r"Input collection \[a, a\] contains duplicates"),
    "a set of equal numbers": ("PutItem", put(v={"NS": ["1", "1.0"]}), "contains duplicates"),
    "not a number": ("PutItem", put(v={"N": "abc"}), "cannot be converted to a numeric value: abc"),
    "no finite number": ("PutItem", put(v={"N": "NaN"}), "cannot be converted"),
    "too many digits": ("PutItem", put(v={"N": "1" * 39}), "more than 38 significant digits"),
    "too large": ("PutItem", put(v={"N": "1E126"}), "Number overflow"),
    "too small": ("PutItem", put(v={"N": "1E-131"}), "Number underflow"),
    "an undefined value": (
        "PutItem",
        {**put(), "ConditionExpression": "v = :v"},
        "Invalid ConditionExpression: .* is not defined; attribute value: :v",
    ),
    "an undefined name": (
        "PutItem",
        {**put(), **CONDITION, "ConditionExpression": "#v = :v"},
        "is not defined; attribute name: #v",
    ),
    "an unused value": (
        "PutItem",
        {**put(), **CONDITION, "ConditionExpression": "attribute_exists(v)"},
        r"ExpressionAttributeValues unused in expressions: keys: \{:v\}",
    ),
    "an unused name": (
        "UpdateItem",
        {"Key": KEY, "UpdateExpression": "REMOVE a", "ExpressionAttributeNames": {"#x": "a"}},
        r"ExpressionAttributeNames unused in expressions: keys: \{#x\}",
    ),
    "values without an expression": (
        "PutItem",
        {**put(), "ExpressionAttributeValues": {":v": {"S": "x"}}},
        "can only be specified when using expressions",
    ),
    "no values": ("PutItem", {**put(), **CONDITION, "ExpressionAttributeValues": {}}, "must not be empty"),
    "an empty expression": ("PutItem", {**put(), "ConditionExpression": " "}, "The expression can not be empty"),
    "an open bracket": ("PutItem", {**put(), "ConditionExpression": "attribute_exists(v"}, "Syntax error"),
    "half a key": ("GetItem", {"Key": {"pk": {"S": "a"}}}, "does not match the schema"),
    "a key of another type": ("DeleteItem", {"Key": {**KEY, "sk": {"S": "1"}}}, "does not match the schema"),
    "an index's key of another type": (
        "PutItem",
        put(g={"N": "1"}),
        "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
    ),
    "a query for another type": (
        "Query",
        {**QUERY, "ExpressionAttributeValues": {":p": {"N": "1"}}},
        "Condition parameter type does not match schema type",
    ),
    "a query with OR": (
        "Query",
        {**QUERY, "KeyConditionExpression": "pk = :p OR pk = :p"},
        "Invalid operator used in KeyConditionExpression: OR",
    ),
    "a filter on the key": (
        "Query",
        {**QUERY, "FilterExpression": "attribute_exists(sk)"},
        "Primary key attribute: sk",
    ),
    "a batch with a wrong key": (
        "BatchGetItem",
        {"RequestItems": {"table": {"Keys": [KEY, {"pk": {"S": "a"}}]}}},
        "does not match the schema",
    ),
    "a transaction with an undefined value": (
        "TransactWriteItems",
        {"TransactItems": [{"Delete": {"TableName": "table", "Key": KEY, "ConditionExpression": "v = :v"}}]},
        "attribute value: :v",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_dynamodb_refuses(case: str) -> None:
    operation, params, words = REFUSED[case]
    with pytest.raises(AwsError, match=words) as caught:
        check(operation, params)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=6))
def test_any_number_within_the_limits_is_taken(number: Any) -> None:
    check("PutItem", put(v={"N": str(number)}))
