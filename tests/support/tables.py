"""Tables of DynamoDB as tests make them."""

from __future__ import annotations

from typing import Any


def make_table(dynamodb: Any, name: str = "registry", *, ranged: bool = True) -> None:
    """A table with the keys of the application's, ``pk`` and ``sk``; with ``pk`` alone if it is not ``ranged``."""
    keys = {"pk": "HASH", **({"sk": "RANGE"} if ranged else {})}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
    )
