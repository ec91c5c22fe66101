"""What moto would keep for ever, or copy whole, is neither kept nor copied; transactions are still all or nothing."""

from __future__ import annotations

import gc
import inspect
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from local_region.front import moto_memory
from tests.support.tables import make_table


@pytest.fixture(scope="module", params=["hash and range", "hash"])
def table(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str, bool]]:
    """Client, table, and whether it has a range key."""
    ranged = request.param != "hash"
    moto_memory.install()
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        make_table(client, "kept", ranged=ranged)
        yield client, "kept", ranged


def key(ranged: bool, number: int) -> dict[str, Any]:
    return {"pk": {"S": f"p{number % 2 if ranged else number}"}, **({"sk": {"S": f"s{number}"}} if ranged else {})}


def content(client: Any, name: str) -> list[Any]:
    items: list[Any] = client.scan(TableName=name, ConsistentRead=True)["Items"]
    return sorted(items, key=str)


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "add", "delete"]), st.integers(0, 5)),
    min_size=1,
    max_size=4,
    unique_by=lambda o: o[1],
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=OPERATIONS, cancelled=OPERATIONS)
def test_a_cancelled_transaction_leaves_everything_as_it_was(
    table: tuple[Any, str, bool], done: list[tuple[str, int]], cancelled: list[tuple[str, int]]
) -> None:
    client, name, ranged = table

    def operation(kind: str, number: int) -> dict[str, Any]:
        where = {"TableName": name, "Key": key(ranged, number)}
        if kind == "put":
            return {"Put": {"TableName": name, "Item": {**key(ranged, number), "n": {"N": "1"}, "l": {"L": []}}}}
        if kind == "delete":
            return {"Delete": where}
        values = {":one": {"N": "1"}}
        return {"Update": {**where, "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": values}}

    client.transact_write_items(TransactItems=[operation(*one) for one in done])
    before = content(client, name)
    never = {
        "TableName": name,
        "Key": key(ranged, 99),
        "ConditionExpression": "attribute_exists(pk)",
    }
    with pytest.raises(ClientError) as refused:
        client.transact_write_items(TransactItems=[*(operation(*one) for one in cancelled), {"ConditionCheck": never}])
    assert refused.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert content(client, name) == before


def test_nothing_is_kept_of_what_is_replaced_or_copied(table: tuple[Any, str, bool]) -> None:
    from moto.dynamodb.models.dynamo_type import Item

    client, name, ranged = table

    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, Item) for one in gc.get_objects())

    for item in content(client, name):
        client.delete_item(TableName=name, Key={part: item[part] for part in ("pk", "sk") if part in item})
    put = {"Put": {"TableName": name, "Item": {**key(ranged, 1), "n": {"S": uuid.uuid4().hex}}}}
    client.transact_write_items(TransactItems=[put])
    held = alive()
    for number in range(20):
        client.transact_write_items(
            TransactItems=[put, {"Put": {"TableName": name, "Item": {**key(ranged, 2), "n": {"S": str(number)}}}}]
        )
    assert alive() == held + 1


def test_moto_is_as_it_is_mended() -> None:
    from moto.core.common_models import BaseModel
    from moto.dynamodb.models import DynamoDBBackend

    assert "instances_tracked.append" in inspect.getsource(BaseModel)
    source = inspect.getsource(DynamoDBBackend)
    assert source.count("copy.deepcopy(\n                    self.tables[table_name]") == 1
