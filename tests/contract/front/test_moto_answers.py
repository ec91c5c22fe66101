"""Items come out of DynamoDB as they went in, whatever they hold: our way of writing answers, botocore's of reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from local_region.front import moto_answers
from tests.support.tables import make_table

NUMBERS = st.integers(-(10**15), 10**15).map(str)
LEAVES = st.one_of(
    st.text(max_size=20).map(lambda text: {"S": text}),
    NUMBERS.map(lambda text: {"N": text}),
    st.binary(max_size=20).map(lambda content: {"B": content}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.sets(st.text(min_size=1, max_size=5), min_size=1, max_size=3).map(lambda texts: {"SS": sorted(texts)}),
    st.sets(NUMBERS, min_size=1, max_size=3).map(lambda texts: {"NS": sorted(texts)}),
    st.sets(st.binary(min_size=1, max_size=5), min_size=1, max_size=3).map(lambda found: {"BS": sorted(found)}),
)
NAMES = st.text("abcS NMLB.#", min_size=1, max_size=5)
VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda values: {"L": values}),
        st.dictionaries(NAMES, inner, max_size=4).map(lambda values: {"M": values}),
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def table() -> Iterator[Any]:
    moto_answers.install()
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        make_table(client, "kept", ranged=False)
        yield client


def alike(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes whose sets, which have no order, are sorted."""
    return {name: _alike(value) for name, value in attributes.items()}


def _alike(value: dict[str, Any]) -> dict[str, Any]:
    [(kind, content)] = value.items()
    if kind == "M":
        return {kind: alike(content)}
    if kind == "L":
        return {kind: [_alike(inner) for inner in content]}
    return {kind: sorted(content) if kind in ("SS", "NS", "BS") else content}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(NAMES.filter(lambda name: name != "pk"), VALUES, max_size=5))
def test_what_was_put_is_read(table: Any, values: dict[str, Any]) -> None:
    key = {"pk": {"S": "one"}}
    item = alike(key | values)
    table.put_item(TableName="kept", Item=item)
    assert alike(table.get_item(TableName="kept", Key=key, ConsistentRead=True)["Item"]) == item
    of_the_key = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": key["pk"]}}
    assert [alike(found) for found in table.query(TableName="kept", **of_the_key)["Items"]] == [item]
    assert [alike(found) for found in table.scan(TableName="kept")["Items"]] == [item]
    assert alike(table.delete_item(TableName="kept", Key=key, ReturnValues="ALL_OLD")["Attributes"]) == item


def test_numbers_that_were_added_are_texts(table: Any) -> None:
    request = {"UpdateExpression": "ADD counted :one, said :names", "ReturnValues": "ALL_NEW"}
    values = {":one": {"N": "1"}, ":names": {"SS": ["a"]}}
    for expected in ("1", "2"):
        found = table.update_item(
            TableName="kept", Key={"pk": {"S": "sum"}}, ExpressionAttributeValues=values, **request
        )
        assert found["Attributes"] == {"pk": {"S": "sum"}, "counted": {"N": expected}, "said": {"SS": ["a"]}}
