"""Named things with a request, runtime fields and tags; listing, filtering, answers in botocore's shape."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import botocore.session
from botocore.model import ServiceModel, StructureShape

from local_region.ports import AwsError, Json

Item = TypeVar("Item")
PAGE = 10  # SageMaker's default MaxResults; at most 100


@lru_cache(maxsize=1)
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sagemaker")


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def refuse(what: str) -> AwsError:
    """Something SageMaker takes and the local region doesn't."""
    return AwsError("ValidationException", f"The local region does not support {what}.")


def refuse_members(params: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Refuse members that would change what happens. Empty ones change nothing."""
    for name in names:
        if params.get(name):
            raise refuse(f"{name} in {where}")


@dataclass(eq=False)
class Record:
    """``request`` as it was given, ``state`` what Describe adds to it. Change ``state`` under ``lock``."""

    name: str
    arn: str
    request: Json
    created: datetime
    modified: datetime
    state: Json = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def view(self, operation: str) -> Json:
        """The answer of a Describe: request and state, filtered by the output shape."""
        with self.lock:
            return shaped(operation, {**self.request, **self.state})


def shaped(operation: str, values: Mapping[str, Any]) -> Json:
    """A copy of ``values`` with the members that the operation's output has."""
    shape = model().operation_model(operation).output_shape
    members = shape.members if isinstance(shape, StructureShape) else {}
    return {name: copy.deepcopy(value) for name, value in values.items() if name in members and value is not None}


def tags_of(params: Mapping[str, Any]) -> dict[str, str]:
    """The request's tags; refused when a key is there twice or is AWS's own."""
    tags = params.get("Tags") or []
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) != len(tags):
        raise invalid("Duplicate tag keys found. Tag keys must be unique.")
    for key in found:
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag key {key}: aws: prefixed tag key names are not allowed for external use.")
    return found


class Table:
    """The records of one kind, by name; names are unique."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def add(self, record: Record, taken: Callable[[], AwsError]) -> None:
        with self._lock:
            if record.name in self._records:
                raise taken()
            self._records[record.name] = record

    def get(self, name: str, missing: Callable[[], AwsError]) -> Record:
        record = self._records.get(name)
        if record is None:
            raise missing()
        return record

    def find(self, name: str) -> Record | None:
        return self._records.get(name)

    def remove(self, record: Record) -> None:
        with self._lock:
            if self._records.get(record.name) is record:
                del self._records[record.name]

    def all(self) -> list[Record]:
        with self._lock:
            return list(self._records.values())

    def by_arn(self, arn: str) -> Record | None:
        return next((record for record in self.all() if record.arn == arn), None)


def listed(
    params: Mapping[str, Any],
    records: Iterable[Record],
    status: Callable[[Record], str] | None = None,
    default_sort: str = "CreationTime",
    default_order: str = "Descending",
) -> tuple[list[Record], Json]:
    """One page of ``records`` by the filters that SageMaker's lists share, and ``{"NextToken": …}`` if more follow."""
    kept = [record for record in records if _matches(params, record, status)]
    key: Callable[[Record], Any] = lambda record: (record.created, record.name)  # noqa: E731
    sort = params.get("SortBy", default_sort)
    if sort == "Name":
        key = lambda record: record.name  # noqa: E731
    elif sort == "Status" and status is not None:
        key = lambda record: (status(record), record.name)  # noqa: E731
    kept.sort(key=key, reverse=params.get("SortOrder", default_order) == "Descending")
    return paged(params, kept)


def paged(params: Mapping[str, Any], items: list[Item], size: int = PAGE) -> tuple[list[Item], Json]:
    """The page of ``items`` that MaxResults and NextToken ask for, and ``{"NextToken": …}`` if more follow.

    A token is of the query that it was given for: the same parameters but for MaxResults.
    """
    query = _query(params)
    start = _offset(params.get("NextToken"), query)
    end = start + int(params.get("MaxResults", size))
    token = base64.urlsafe_b64encode(f"{query}:{end}".encode()).decode()
    return items[start:end], {"NextToken": token} if end < len(items) else {}


def _query(params: Mapping[str, Any]) -> str:
    asked = {name: value for name, value in params.items() if name not in ("NextToken", "MaxResults")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _offset(token: str | None, query: str) -> int:
    if not token:
        return 0
    try:
        given, _, offset = base64.urlsafe_b64decode(token).decode().partition(":")
        if given == query:
            return int(offset)
    except (ValueError, binascii.Error):
        raise invalid("The NextToken is not one that this operation gave.") from None
    raise invalid("The NextToken was given for a request with other parameters.")


def _matches(params: Mapping[str, Any], record: Record, status: Callable[[Record], str] | None) -> bool:
    contains = params.get("NameContains")
    if contains and contains.lower() not in record.name.lower():
        return False
    if status is not None and params.get("StatusEquals") and status(record) != params["StatusEquals"]:
        return False
    bounds = {"CreationTime": record.created, "LastModifiedTime": record.modified}
    for name, value in bounds.items():
        after, before = params.get(f"{name}After"), params.get(f"{name}Before")
        if (after and value <= after) or (before and value >= before):
            return False
    return True
