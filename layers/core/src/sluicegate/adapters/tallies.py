"""Sums in the registry's table that each fact enters once.

A fact's marker and what it adds are one transaction: the marker is put only if it is absent, the sums grow by ``ADD``
(which knows no starting value, so the first is as good as any). Facts of one call go together, up to DynamoDB's 100
actions a transaction ("TransactWriteItems", Amazon DynamoDB API Reference). Sums are spread over a few items, because
transactions that meet at an item cancel each other; who reads adds them up.

Markers and sums are forgotten by DynamoDB's time to live (attribute ``expires_at``, epoch seconds).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sluicegate.adapters.aws import translate, translated
from sluicegate.adapters.registry import number
from sluicegate.domain.errors import Transient
from sluicegate.domain.experiment.tally import Bucket, Latency, Tally
from sluicegate.domain.names import digest
from sluicegate.ports import Counted, Fact, Place

#: how long a fact is known to have been counted: longer than any window of feedback and any redelivery
REMEMBERED_SECONDS = 100 * 86400
KEPT_SECONDS = 800 * 86400
SHARDS = 4
_ACTIONS = 100
#: attributes that one update adds to: an expression has at most 4 KB ("Quotas in Amazon DynamoDB"). Two of each bucket,
#: which is the most that a single fact has, are fewer
_TERMS = 150
_TRIES = 6
#: DynamoDB adds with 38 digits and refuses a sum that takes more: what is smaller than this many decimals adds nothing
_DECIMALS = 20
_LATENCY_BUCKET = "latency_bucket_"
_NUMBERS = ("exposures", "outcomes", "total", "squares", "errors")
#: of a bucket of subjects: the attribute is this and the bucket's number, short because there may be some hundreds
_OF_A_BUCKET = {
    "n": "exposures",
    "o": "outcomes",
    "t": "total",
    "e": "errors",
    "c": "timed",
    "l": "log_sum",
}
_FRACTIONS = ("total", "log_sum")
_LATENCIES = ("count", "log_sum", "log_squares")


class DynamoTallies:
    """``ports.Tallies`` over ``table``; ``dynamodb`` is boto3's low-level client."""

    def __init__(self, dynamodb: Any, table: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._dynamodb, self._table, self._pause = dynamodb, table, pause

    def add(self, model: str, facts: Sequence[Fact], at: datetime) -> list[Counted]:
        first: dict[str, Fact] = {}
        for fact in facts:
            first.setdefault(fact.once, fact)
        found: dict[str, Counted] = {}
        epoch = int(at.timestamp())
        for chunk in _chunks(list(first.values())):
            found |= self._write(model, chunk, epoch)
        answers: list[Counted] = []
        for fact in facts:
            kept = first[fact.once]
            again: Counted = "repeated" if fact.said == kept.said else "contradicted"
            answers.append(found[fact.once] if fact is kept else again)
        return answers

    def _write(self, model: str, chunk: Sequence[Fact], epoch: int) -> dict[str, Counted]:
        left, found = list(chunk), dict[str, Counted]()
        for attempt in range(_TRIES):
            reasons = self._transact(model, left, epoch)
            if reasons is None:
                return found | {fact.once: "counted" for fact in left}
            again = [
                (fact, reason)
                for fact, reason in zip(left, reasons, strict=False)
                if reason.get("Code") == "ConditionalCheckFailed"
            ]
            for fact, reason in again:
                said = reason.get("Item", {}).get("said", {}).get("S", "")
                found[fact.once] = "repeated" if said == fact.said else "contradicted"
            left = [fact for fact in left if fact.once not in found]
            if not left:
                return found
            if not again:  # it met another transaction
                self._pause(0.02 * 2**attempt * (0.5 + random.random()))  # noqa: S311 jitter
        raise Transient(f"the sums of {model} were written by others {_TRIES} times in a row")

    def _transact(self, model: str, facts: Sequence[Fact], epoch: int) -> Sequence[Mapping[str, Any]] | None:
        """None when it was written, else why it wasn't, an entry a fact first."""
        actions = [self._marker(model, fact, epoch) for fact in facts]
        actions += [self._sum(key, tally, epoch) for key, tally in _sums(model, facts).items()]
        try:
            self._dynamodb.transact_write_items(TransactItems=actions)
        except ClientError as error:
            reasons: list[Mapping[str, Any]] = error.response.get("CancellationReasons") or []  # type: ignore[assignment]
            codes = {reason.get("Code", "None") for reason in reasons}
            passing = {"None", "ConditionalCheckFailed", "TransactionConflict", "ThrottlingError"}
            passing.add("ProvisionedThroughputExceeded")
            if error.response.get("Error", {}).get("Code") == "TransactionCanceledException" and codes <= passing:
                return reasons or [{}]
            raise translate(error) from error
        except BotoCoreError as error:
            raise Transient(f"{type(error).__name__}: {error}") from error
        return None

    def _marker(self, model: str, fact: Fact, epoch: int) -> dict[str, Any]:
        item = {
            "pk": {"S": f"COUNTED#{model}#{fact.once}"},
            "sk": {"S": "COUNTED"},
            "said": {"S": fact.said},
            "expires_at": {"N": str(epoch + REMEMBERED_SECONDS)},
        }
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _sum(self, key: tuple[str, str], tally: Tally, epoch: int) -> dict[str, Any]:
        numbers = _attributes(tally)
        names = {f"#a{place}": name for place, name in enumerate(numbers)}
        values = {f":a{place}": {"N": f"{number(value):f}"} for place, value in enumerate(numbers.values())}
        terms = ", ".join(f"#a{place} :a{place}" for place in range(len(numbers)))
        added = f" ADD {terms}" if terms else ""
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
                "UpdateExpression": "SET expires_at = if_not_exists(expires_at, :until)" + added,
                "ExpressionAttributeValues": {":until": {"N": str(epoch + KEPT_SECONDS)}, **values},
                **({"ExpressionAttributeNames": names} if names else {}),
            }
        }

    def read(self, model: str, scope: str) -> dict[str, dict[str, Tally]]:
        found: dict[str, dict[str, Tally]] = {}
        pages = self._dynamodb.get_paginator("query")
        with translated():
            for page in pages.paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _partition(model, scope)}},
                ConsistentRead=True,
            ):
                for raw in page["Items"]:
                    lane, hour, _ = raw["sk"]["S"].split("#")
                    hours = found.setdefault(lane, {})
                    hours[hour] = hours.get(hour, Tally()) + _tally(raw)
        return found


def _partition(model: str, scope: str) -> str:
    return f"TALLY#{model}#{scope}"


def _chunks(facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    """As many facts as fit into a transaction with their sums, and their sums' attributes into an expression each."""
    chunk: list[Fact] = []
    grown: dict[Place, set[str]] = {}
    for fact in facts:
        own = {place: set(_attributes(tally)) for place, tally in fact.adds.items()}
        after = grown | {place: names | grown.get(place, set()) for place, names in own.items()}
        most = max(map(len, after.values()), default=0)
        if chunk and (len(chunk) + 1 + len(after) > _ACTIONS or most > _TERMS):
            yield chunk
            chunk, after = [], own
        chunk.append(fact)
        grown = after
    if chunk:
        yield chunk


def _sums(model: str, facts: Sequence[Fact]) -> dict[tuple[str, str], Tally]:
    """What all of them add, by item; one call's facts share a shard, so that they are few items."""
    shard = int(digest(["tally-shard", facts[0].once], 4), 16) % SHARDS
    found: dict[tuple[str, str], Tally] = {}
    for fact in facts:
        for place, tally in fact.adds.items():
            key = (_partition(model, place.scope), f"{place.lane}#{place.hour}#{shard}")
            found[key] = found.get(key, Tally()) + tally
    return found


def _attributes(tally: Tally) -> dict[str, float]:
    """The numbers that aren't 0, by attribute: ADD takes top-level attributes only."""
    found: dict[str, float] = {name: getattr(tally, name) for name in _NUMBERS}
    found |= {f"latency_{name}": getattr(tally.latency, name) for name in _LATENCIES}
    found |= {f"{_LATENCY_BUCKET}{index}": count for index, count in tally.latency.buckets.items()}
    for name, of in _OF_A_BUCKET.items():
        found |= {f"{name}{number}": getattr(one, of) for number, one in tally.buckets.items()}
    return {name: rounded for name, value in found.items() if (rounded := round(value, _DECIMALS))}


def _tally(raw: Mapping[str, Any]) -> Tally:
    item = {name: float(value["N"]) for name, value in raw.items() if "N" in value}
    latencies: dict[int, int] = {}
    buckets: dict[int, dict[str, Any]] = {}
    for name, value in item.items():
        if name.startswith(_LATENCY_BUCKET):
            latencies[int(name.removeprefix(_LATENCY_BUCKET))] = int(value)
        elif name[0] in _OF_A_BUCKET and name[1:].isdigit():
            of = _OF_A_BUCKET[name[0]]
            buckets.setdefault(int(name[1:]), {})[of] = value if of in _FRACTIONS else int(value)
    return Tally(
        int(item.get("exposures", 0)),
        int(item.get("outcomes", 0)),
        item.get("total", 0.0),
        item.get("squares", 0.0),
        int(item.get("errors", 0)),
        Latency(
            int(item.get("latency_count", 0)),
            item.get("latency_log_sum", 0.0),
            item.get("latency_log_squares", 0.0),
            latencies,
        ),
        {number: Bucket(**numbers) for number, numbers in buckets.items()},
    )
