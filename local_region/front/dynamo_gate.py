"""DynamoDB's requests on their way to moto: checked, and a transaction's token honoured.

A client that got no answer sends its transaction again with the same ``ClientRequestToken`` (SDKs make one themselves);
DynamoDB carries it out once within ten minutes. moto would carry it out twice.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from local_region.front.dynamo_checks import KeySchema, refuse
from local_region.front.errors import Answer
from local_region.front.request import Incoming
from local_region.ports import AwsError, Json

_BODY = 32 * 1024 * 1024
_TOKEN_SECONDS = 600.0
_EXAMPLES: Mapping[str, Any] = {"L": [], "M": {}, "SS": ["0"], "NS": ["0"], "BS": ["0"], "BOOL": True, "NULL": True}


class DynamoGate:
    """Call its methods while no other request to DynamoDB runs (``MotoGate`` lets in one at a time)."""

    def __init__(self, account_id: str, region_name: str) -> None:
        from moto.dynamodb.models import dynamodb_backends

        self._backend = dynamodb_backends[account_id][region_name]
        #: token → digest of the request, and when it was carried out
        self._tokens: dict[str, tuple[str, float]] = {}
        #: of the transaction that is on its way: its token, and the digest of the request
        self._asked: tuple[str, str] | None = None

    def before(self, operation: str, request: Incoming) -> Answer | None:
        """``AwsError`` for what DynamoDB refuses; the answer itself, where nothing is left to do."""
        params: Json = json.loads(request.body(_BODY) or b"{}")
        refuse(operation, params, self._schema, _parse)
        if operation == "UpdateItem" and not {"UpdateExpression", "AttributeUpdates"} & set(params):
            # An item of its key alone; moto wants the old form for that, empty.
            request.replace_body(json.dumps({**params, "AttributeUpdates": {}}).encode())
        token = params.get("ClientRequestToken") if operation == "TransactWriteItems" else None
        self._asked = None
        if token is None:
            return None
        digest, known = _digest(params), self._known(token)
        if known is None:
            self._asked = token, digest
            return None
        if known != digest:
            text = "The request uses the same client token as a previous, but non-identical request."
            raise AwsError("IdempotentParameterMismatchException", text)
        headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", request.request_id)]
        return 200, headers, b"{}"

    def after(self, status: int) -> None:
        """Remember a transaction that was carried out."""
        if self._asked is not None and status == 200:
            token, digest = self._asked
            self._tokens[token] = (digest, time.monotonic())

    def _known(self, token: str) -> str | None:
        oldest = time.monotonic() - _TOKEN_SECONDS
        while self._tokens and next(iter(self._tokens.values()))[1] < oldest:
            del self._tokens[next(iter(self._tokens))]
        found = self._tokens.get(token)
        return found[0] if found else None

    def _schema(self, name: str) -> KeySchema | None:
        table: Any = self._backend.tables.get(name.rpartition("/")[2])
        if table is None:
            return None
        indexes = {index.name: tuple(index.schema_key_attrs) for index in (*table.indexes, *table.global_indexes)}
        types = {one["AttributeName"]: one["AttributeType"] for one in table.attr}
        return KeySchema(tuple(table.table_key_attrs), indexes, types)


def _digest(params: Mapping[str, Any]) -> str:
    asked = {name: value for name, value in params.items() if name != "ReturnConsumedCapacity"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _parse(expression: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """``ValueError`` for an expression that moto's parser fails on. What it refuses itself it says itself."""
    kinds = tuple(sorted((name, next(iter(value))) for name, value in values.items()))
    _readable(expression, tuple(sorted(names.items())), kinds)


@lru_cache(maxsize=1024)
def _readable(expression: str, names: tuple[tuple[str, str], ...], kinds: tuple[tuple[str, str], ...]) -> None:
    """Programs send the same few expressions with other values: each is tried once, with a value of each type."""
    from moto.core.exceptions import ServiceException
    from moto.dynamodb.comparisons import create_condition_expression_parser
    from werkzeug.exceptions import HTTPException

    values = {name: {kind: _EXAMPLES.get(kind, "0")} for name, kind in kinds}
    try:
        create_condition_expression_parser(expression, dict(names), values).parse()
    except (ServiceException, HTTPException):
        return
    except (AssertionError, IndexError, KeyError) as error:
        raise ValueError(expression) from error
