"""What moto remembers and copies beyond need: fine in a test that ends, not in a region that runs for days.

* moto keeps a reference to every model object ever made (``instances_tracked``), for a page of its own that the region
  doesn't serve and for resets that it doesn't make. Nothing would ever be freed: neither a deleted object nor the
  copies below.
* A transaction of DynamoDB begins with a copy of all its tables, to put back if it is cancelled. Its cost grows with
  what the tables hold; here it copies the items that it names.

Requests to DynamoDB run one at a time (``MotoGate``), so nothing comes between the copies and their putting back.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


@cache
def install() -> None:
    """Put the sparing ways in the place of moto's, once in a process."""
    from moto.core.common_models import BaseModel
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    def new(cls: type, *_args: Any, **_kwargs: Any) -> Any:
        return super(BaseModel, cls).__new__(cls)  # type: ignore[misc]

    setattr(BaseModel, "__new__", staticmethod(new))  # noqa: B010 (a method of moto's class)

    whole = DynamoDBBackend.transact_write_items

    def transact_write_items(backend: Any, transact_items: Sequence[Mapping[str, Any]]) -> None:
        before = [_Before(backend, operation) for item in transact_items for operation in item.values()]
        token = _in_transaction.set(True)
        try:
            whole(backend, transact_items)  # type: ignore[arg-type]
        except BaseException:
            for one in before:
                one.put_back()
            raise
        finally:
            _in_transaction.reset(token)

    def copied(table: Any, memo: dict[int, Any]) -> Any:
        if _in_transaction.get() and table.stream_shard is None:
            return table
        made = table.__class__.__new__(table.__class__)
        memo[id(table)] = made
        made.__dict__.update({name: copy.deepcopy(value, memo) for name, value in table.__dict__.items()})
        return made

    setattr(DynamoDBBackend, "transact_write_items", transact_write_items)  # noqa: B010
    setattr(Table, "__deepcopy__", copied)  # noqa: B010


class _Before:
    """One item of a transaction as it was. A table with a stream is moto's to put back: its stream would tell, too."""

    def __init__(self, backend: Any, operation: Mapping[str, Any]) -> None:
        from moto.dynamodb.models.dynamo_type import DynamoType

        self._table = backend.tables.get(operation.get("TableName"))
        if self._table is None or self._table.stream_shard is not None:
            self._table = None
            return
        named = operation.get("Key") or operation.get("Item") or {}
        keys = [DynamoType(named[name]) for name in self._table.table_key_attrs if name in named]
        if len(keys) != len(self._table.table_key_attrs):
            self._table = None  # moto refuses it before it writes
            return
        self._hash, self._range = keys[0], keys[1] if len(keys) > 1 else None
        self._item = copy.deepcopy(self._found())

    def _found(self) -> Any:
        if self._hash not in self._table.items:
            return None
        held = self._table.items[self._hash]
        return held if self._range is None else held.get(self._range)

    def put_back(self) -> None:
        if self._table is None:
            return
        items = self._table.items
        if self._range is None:
            if self._item is None:
                items.pop(self._hash, None)
            else:
                items[self._hash] = self._item
        elif self._item is not None:
            items[self._hash][self._range] = self._item
        elif self._hash in items:
            items[self._hash].pop(self._range, None)
