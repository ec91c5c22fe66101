"""The registry in one DynamoDB table (``docs/architecture.md`` has its keys).

Numbers go in as ``Decimal`` (DynamoDB has no floats) and come out as ``int`` or ``float``. A model's schema can be
larger than DynamoDB's 400 KB for an item, so it is kept as deflated JSON. Lists are read by ``Query``, page by page;
nothing scans the table. Reads are consistent: what one function wrote, the function that it wakes must see.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, cast

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from sluicegate.adapters.aws import translate, translated
from sluicegate.domain.errors import Conflict, NotFound, Refused, Transient, UserError
from sluicegate.domain.experiment_items import ExperimentItem
from sluicegate.domain.items import VERSION_DIGITS, BatchItem, ModelItem, RunItem, SummaryItem, UploadItem, VersionItem
from sluicegate.domain.numbers import TINY
from sluicegate.ports import Awaited, Change

_PACKED = frozenset({"schema", "columns"})
#: DynamoDB takes 400 KB an item, and a model has two such descriptions beside the 64 KB of its model.yaml
_PACKED_LIMIT = 150_000
_SUMMARY = ("model", "state", "live_version", "problem", "target", "updated_at", "message")
#: kept in the list, so that one query finds the models that are due
_LISTED = (*_SUMMARY, "active_run", "scheduled_for", "asked", "experiment", "challenging", "moving", "awaited")
_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()
#: DynamoDB keeps 38 digits; a float has 17
_DIGITS = Context(prec=17)
_HUGE = 1e126


def key(kind: str, model: str | None, name: str | int) -> dict[str, str]:
    """The primary key of an item."""
    if model is None:
        if kind != "upload":
            raise ValueError(f"a {kind} belongs to a model")
        return {"pk": "UNPLACED", "sk": f"UPLOAD#{name}"}
    sort = {"model": "MODEL", "upload": f"UPLOAD#{name}", "run": f"RUN#{name}", "batch": f"BATCH#{name}"}
    sort["experiment"] = f"EXPERIMENT#{name}"
    if kind == "version":
        return {"pk": f"MODEL#{model}", "sk": f"VERSION#{int(name):0{VERSION_DIGITS}d}"}
    return {"pk": f"MODEL#{model}", "sk": sort[kind]}


def number(value: float) -> Decimal:
    """A finite number below 1e126 as DynamoDB takes it. It has none below 1e-130 but 0, and nobody tells them apart."""
    return _DIGITS.create_decimal(repr(value)) if abs(value) >= TINY else Decimal(0)


def _plain(value: Any) -> Any:
    """JSON's values as DynamoDB takes them."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, int, bytes)):
        return value
    if isinstance(value, float):
        if not abs(value) < _HUGE:
            return None  # not a number, infinite (JSON has no such numbers either), or none of DynamoDB's
        return number(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise TypeError(f"the registry keeps JSON, not {type(value).__name__}")


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        return json.loads(zlib.decompress(cast("Any", value).value))
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value


def _serialize(name: str, value: Any) -> dict[str, Any]:
    if name in _PACKED and value is not None:
        packed = zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 6)
        if len(packed) > _PACKED_LIMIT:
            raise UserError(
                "Too many columns",
                f"The description of the model's columns takes {len(packed):,} bytes packed; {_PACKED_LIMIT:,} fit.",
                "Drop columns that can't help the prediction, or move free text out of the file.",
            )
        value = packed
    return cast("dict[str, Any]", _SERIALIZER.serialize(_plain(value)))


def _item(raw: Mapping[str, Any]) -> dict[str, Any]:
    item = {name: _json(_DESERIALIZER.deserialize(value)) for name, value in raw.items()}
    item.pop("pk", None)
    item.pop("sk", None)
    return item


class _Expression:
    """Collects the names and values that a DynamoDB expression refers to."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        for short, known in self.names.items():
            if known == attribute:
                return short
        short = f"#n{len(self.names)}"
        self.names[short] = attribute
        return short

    def value(self, attribute: str, value: Any) -> str:
        short = f":v{len(self.values)}"
        self.values[short] = _serialize(attribute, value)
        return short


def _condition(change: Change, terms: _Expression) -> str:
    conditions = []
    for attribute, value in change.expect.items():
        name = terms.name(attribute)
        conditions.append(
            f"attribute_not_exists({name})" if value is None else f"{name} = {terms.value(attribute, value)}"
        )
    if change.status_in is not None:
        status = terms.name("status")
        options = [
            f"attribute_not_exists({status})" if value is None else f"{status} = {terms.value('status', value)}"
            for value in change.status_in
        ]
        conditions.append("(" + " OR ".join(options) + ")")
    return " AND ".join(conditions)


def update(table: str, change: Change) -> dict[str, Any]:
    """``change`` as the parameters of DynamoDB's Update."""
    terms = _Expression()
    sets: list[str] = []
    removes: list[str] = []
    for attribute, value in change.set.items():
        if value is None:
            removes.append(terms.name(attribute))
        else:
            sets.append(f"{terms.name(attribute)} = {terms.value(attribute, value)}")
    if change.status is not None:
        lines = [{"at": change.at, "status": status, "message": ""} for status in change.passing]
        lines.append({"at": change.at, "status": change.status, "message": change.message})
        history, none = terms.name("history"), terms.value("history", [])
        sets.append(f"{terms.name('status')} = {terms.value('status', change.status)}")
        sets.append(f"{history} = list_append(if_not_exists({history}, {none}), {terms.value('history', lines)})")
    expression = ("SET " + ", ".join(sets) if sets else "") + (" REMOVE " + ", ".join(removes) if removes else "")
    parameters: dict[str, Any] = {
        "TableName": table,
        "Key": {name: {"S": value} for name, value in key(change.kind, change.model, change.name).items()},
    }
    if expression:
        parameters["UpdateExpression"] = expression.strip()
    condition = _condition(change, terms)
    if condition:
        parameters["ConditionExpression"] = condition
    if terms.names:
        parameters["ExpressionAttributeNames"] = terms.names
    if terms.values:
        parameters["ExpressionAttributeValues"] = terms.values
    return parameters


class DynamoRegistry:
    """``ports.Registry`` over ``table``; ``dynamodb`` is boto3's low-level client."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def _get(self, kind: str, model: str | None, name: str | int) -> dict[str, Any]:
        with translated():
            answer = self._dynamodb.get_item(
                TableName=self._table,
                Key={part: {"S": value} for part, value in key(kind, model, name).items()},
                ConsistentRead=True,
            )
        if "Item" not in answer:
            raise NotFound(f"{kind} {name or model} of {model or 'no model'}")
        return _item(answer["Item"])

    def _query(self, partition: str, prefix: str = "") -> list[dict[str, Any]]:
        parameters: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": partition}},
            "ConsistentRead": True,
        }
        if prefix:
            parameters["KeyConditionExpression"] += " AND begins_with(sk, :sk)"
            parameters["ExpressionAttributeValues"][":sk"] = {"S": prefix}
        items: list[dict[str, Any]] = []
        with translated():
            for page in self._dynamodb.get_paginator("query").paginate(**parameters):
                items.extend(_item(raw) for raw in page["Items"])
        return items

    def models(self) -> list[SummaryItem]:
        return cast("list[SummaryItem]", self._query("MODELS"))

    def model(self, model: str) -> ModelItem:
        return cast("ModelItem", self._get("model", model, ""))

    def uploads(self, model: str) -> list[UploadItem]:
        return cast("list[UploadItem]", _newest(self._query(f"MODEL#{model}", "UPLOAD#"), "received_at"))

    def upload(self, model: str | None, upload: str) -> UploadItem:
        return cast("UploadItem", self._get("upload", model, upload))

    def unplaced(self) -> list[UploadItem]:
        return cast("list[UploadItem]", _newest(self._query("UNPLACED", "UPLOAD#"), "received_at"))

    def runs(self, model: str) -> list[RunItem]:
        return cast("list[RunItem]", _newest(self._query(f"MODEL#{model}", "RUN#"), "created_at"))

    def run(self, model: str, run: str) -> RunItem:
        return cast("RunItem", self._get("run", model, run))

    def versions(self, model: str) -> list[VersionItem]:
        return cast("list[VersionItem]", _newest(self._query(f"MODEL#{model}", "VERSION#"), "version"))

    def version(self, model: str, version: int) -> VersionItem:
        return cast("VersionItem", self._get("version", model, version))

    def batches(self, model: str) -> list[BatchItem]:
        return cast("list[BatchItem]", _newest(self._query(f"MODEL#{model}", "BATCH#"), "received_at"))

    def batch(self, model: str, batch: str) -> BatchItem:
        return cast("BatchItem", self._get("batch", model, batch))

    def predicting(self) -> list[Awaited]:
        return [Awaited(line["model"], line["batch"]) for line in self._query("PREDICTING")]

    def experiments(self, model: str) -> list[ExperimentItem]:
        return cast("list[ExperimentItem]", _newest(self._query(f"MODEL#{model}", "EXPERIMENT#"), "created_at"))

    def experiment(self, model: str, experiment: str) -> ExperimentItem:
        return cast("ExperimentItem", self._get("experiment", model, experiment))

    def commit(self, changes: Sequence[Change]) -> None:
        """See ``ports.Registry.commit``. One change is one UpdateItem; several are one transaction."""
        updates = [update(self._table, change) for change in changes]
        updates += [self._line(change) for change in changes if change.kind == "model"]
        actions = [{"Update": one} for one in updates]
        actions += [
            self._awaited(change) for change in changes if change.kind == "batch" and _awaits(change) is not None
        ]
        try:
            if len(actions) == 1:
                self._dynamodb.update_item(**updates[0])
            else:
                self._dynamodb.transact_write_items(TransactItems=actions)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "TransactionCanceledException":
                raise _cancelled(error) from error
            raise translate(error) from error

    def _line(self, change: Change) -> dict[str, Any]:
        """The model's line in the list of models."""
        line = {name: change.set[name] for name in _LISTED if name in change.set}
        parameters = update(self._table, Change("model", change.model, "", set=line))
        parameters["Key"] = {"pk": {"S": "MODELS"}, "sk": {"S": str(change.model)}}
        return parameters

    def _awaited(self, change: Change) -> dict[str, Any]:
        """The batch's line among those that are predicted, in all models: it comes, or goes."""
        where = {"pk": {"S": "PREDICTING"}, "sk": {"S": f"{change.model}#{change.name}"}}
        if not _awaits(change):
            return {"Delete": {"TableName": self._table, "Key": where}}
        line = {"model": {"S": str(change.model)}, "batch": {"S": str(change.name)}}
        return {"Put": {"TableName": self._table, "Item": {**where, **line}}}


def _awaits(change: Change) -> bool | None:
    """Whether a batch waits for its job from now on; None when that stays as it is."""
    return None if change.status in (None, "received", "preparing") else change.status == "predicting"


def _newest(items: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: item[by], reverse=True)


def _cancelled(error: ClientError) -> Exception:
    given = error.response.get("CancellationReasons", [])
    reasons = [str(reason.get("Code", "None")) for reason in given]
    message = f"transaction cancelled: {', '.join(reasons) or error}"
    if any(code in ("ConditionalCheckFailed", "TransactionConflict") for code in reasons):
        return Conflict(message)
    if "ValidationError" in reasons:  # an item has grown beyond 400 KB, say: it will be refused again
        return Refused(f"{message}: {', '.join(str(reason['Message']) for reason in given if reason.get('Message'))}")
    return Transient(message)
