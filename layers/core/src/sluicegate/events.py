"""What wakes the functions: EventBridge events and SQS batches, read and refused.

A malformed event is a mistake in a rule or a test, and trying again will not mend it; it ends in the dead-letter queue,
where somebody sees it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluicegate.domain.items import moment


class MalformedEvent(ValueError):
    """The event lacks something; the message names its path."""


@dataclass(frozen=True)
class BusEvent:
    """An EventBridge event. ``id`` and ``at`` stay the same when it is delivered again."""

    id: str
    at: datetime
    detail: Mapping[str, Any]
    kind: str = ""  # its detail-type

    def text(self, *path: str) -> str:
        """The text at ``path`` of the detail."""
        value = self.optional(*path)
        if not value:
            raise MalformedEvent(f"the event has no detail.{'.'.join(path)}")
        return value

    def optional(self, *path: str) -> str:
        """The text at ``path`` of the detail, "" when there is none."""
        value: Any = self.detail
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) else ""


def bus_event(event: Any) -> BusEvent:
    """
    >>> bus_event({"id": "1", "time": "2026-01-02T03:04:05Z", "detail": {"EndpointName": "a"}}).text("EndpointName")
    'a'
    >>> str(bus_event({"id": "1", "time": "1583831889050", "detail": {}}).at)
    '2020-03-10 09:18:09.050000+00:00'
    """
    if not isinstance(event, Mapping):
        raise MalformedEvent("the event is no JSON object")
    identity, time, detail = event.get("id"), event.get("time"), event.get("detail")
    if not isinstance(identity, str) or not identity:
        raise MalformedEvent("the event has no id")
    if not isinstance(detail, Mapping):
        raise MalformedEvent("the event has no detail")
    if not isinstance(time, str):
        raise MalformedEvent("the event has no time")
    try:
        # AWS's own example of an endpoint's event has milliseconds there ("Automating SageMaker with EventBridge")
        at = datetime.fromtimestamp(int(time) / 1000, UTC) if time.isdecimal() else moment(time)
    except (ValueError, OverflowError) as error:
        raise MalformedEvent(f"the event's time is {time!r}") from error
    kind = event.get("detail-type")
    return BusEvent(identity, at, detail, kind if isinstance(kind, str) else "")


@dataclass(frozen=True)
class QueueRecord:
    """A message of the training queue. ``at`` is when it was received. A message that comes again does so now: with the
    time of its first delivery, the work that it takes up again would at once look abandoned."""

    id: str
    body: str
    at: datetime


def queue_records(event: Any) -> list[QueueRecord]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise MalformedEvent("the event has no Records")
    return [_queue_record(record) for record in records]


def _queue_record(record: Any) -> QueueRecord:
    if not isinstance(record, Mapping) or not isinstance(record.get("messageId"), str):
        raise MalformedEvent("a record has no messageId")
    attributes = record.get("attributes")
    received = attributes.get("ApproximateFirstReceiveTimestamp") if isinstance(attributes, Mapping) else None
    if not isinstance(record.get("body"), str) or not str(received).isdigit():
        raise MalformedEvent("a record has no body or no ApproximateFirstReceiveTimestamp")
    again = isinstance(attributes, Mapping) and attributes.get("ApproximateReceiveCount", "1") != "1"
    at = datetime.now(UTC) if again else datetime.fromtimestamp(int(str(received)) / 1000, UTC)
    return QueueRecord(record["messageId"], record["body"], at)


@dataclass(frozen=True)
class LogBatch:
    """Events of one log stream that a subscription filter chose. ``at`` is the newest's time."""

    messages: list[str]
    at: datetime


#: a batch inflated; CloudWatch Logs' are of about a megabyte
_LARGEST_BATCH = 64 * 1024 * 1024


def log_batch(event: Any) -> LogBatch | None:
    """What CloudWatch Logs delivers; None for its own control messages.

    Format: "Subscription filters with AWS Lambda", Amazon CloudWatch Logs User Guide.
    """
    given = event.get("awslogs") if isinstance(event, Mapping) else None
    data = given.get("data") if isinstance(given, Mapping) else None
    if not isinstance(data, str):
        raise MalformedEvent("the event has no awslogs.data")
    try:
        inflated = zlib.decompressobj(zlib.MAX_WBITS | 16)
        document = json.loads(inflated.decompress(base64.b64decode(data, validate=True), _LARGEST_BATCH))
    except (ValueError, zlib.error) as error:
        raise MalformedEvent(f"awslogs.data is not gzipped JSON in base64: {error}") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("logEvents"), list):
        raise MalformedEvent("awslogs.data has no logEvents")
    if document.get("messageType") == "CONTROL_MESSAGE":
        return None
    events = document["logEvents"]
    if not all(
        isinstance(one, Mapping) and isinstance(one.get("message"), str) and isinstance(one.get("timestamp"), int)
        for one in events
    ):
        raise MalformedEvent("an event of awslogs.data has no message or no timestamp")
    newest = max((one["timestamp"] for one in events), default=0)
    return LogBatch([one["message"] for one in events], datetime.fromtimestamp(newest / 1000, UTC))
