"""Where the values of alarms' metrics come from: moto's CloudWatch, the region's own counters, SQS's queues."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from moto.sqs.models import sqs_backends

from local_region.functions.sqs_store import GUARD
from local_region.ports import Region

QUEUE_NAMESPACE = "AWS/SQS"
#: an unchanged value is written again after this long, as SQS does each minute
_REPEAT = timedelta(minutes=1)
_UNITS = {
    "ApproximateNumberOfMessagesVisible": "Count",
    "ApproximateNumberOfMessagesNotVisible": "Count",
    "ApproximateNumberOfMessagesDelayed": "Count",
    "ApproximateAgeOfOldestMessage": "Seconds",
}


class QueueMetrics:
    """Writes ``AWS/SQS`` metrics of queues that alarms look at; nobody else asks for them all the time."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._written: dict[tuple[str, str], tuple[float, datetime]] = {}

    def sample(self, queues: Iterable[str], now: datetime) -> None:
        """Write what changed since the last call, and what was not written for a minute."""
        config = self._region.config
        known = sqs_backends[config.account_id][config.region_name].queues
        for name in queues:
            queue = known.get(name)
            for metric, value in measured(queue, now).items() if queue is not None else ():
                before = self._written.get((name, metric))
                if before is None or before[0] != value or now - before[1] >= _REPEAT:
                    self._written[(name, metric)] = (value, now)
                    self._region.metrics.put(QUEUE_NAMESPACE, metric, value, _UNITS[metric], {"QueueName": name})


def measured(queue: Any, now: datetime) -> dict[str, float]:
    """The metrics of one of moto's queues now. The age is that of the oldest message not deleted, 0 without any."""
    with GUARD:
        messages = list(queue._messages)
        delayed = sum(message.delayed for message in messages)
        hidden = sum(not message.visible for message in messages)
        visible = sum(message.visible and not message.delayed for message in messages)
    oldest = min((message.sent_timestamp for message in messages), default=None)
    age = 0.0 if oldest is None else max(0.0, now.timestamp() - oldest / 1000)
    return {
        "ApproximateNumberOfMessagesVisible": float(visible),
        "ApproximateNumberOfMessagesNotVisible": float(hidden),
        "ApproximateNumberOfMessagesDelayed": float(delayed),
        "ApproximateAgeOfOldestMessage": float(int(age)),
    }
