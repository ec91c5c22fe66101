"""Where the values of alarms' metrics come from: moto's CloudWatch, the region's own counters, SQS's queues."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from moto.sqs.models import sqs_backends

from local_region.alarms.evaluation import Sample
from local_region.functions.sqs_store import GUARD
from local_region.ports import Region

QUEUE_NAMESPACE = "AWS/SQS"
#: an unchanged value is written again after this long, as SQS does each minute
_REPEAT = timedelta(minutes=1)
#: of minutes left out, the last ones
_CAUGHT_UP = timedelta(hours=1)
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

    def expected(self, name: str, metric: str, now: datetime, until: datetime) -> list[Sample]:
        """What ``sample`` will have written of ``metric`` by then, a value each minute, if nothing happens; nothing for
        an empty queue."""
        queue = self._known.get(name)
        found: list[Sample] = []
        at = now + _REPEAT
        while queue is not None and at <= until:
            value = measured(queue, at).get(metric)
            if not value:
                break
            found.append(Sample(at, 1, value, value, value))
            at += _REPEAT
        return found

    def sample(self, queues: Iterable[str], now: datetime) -> None:
        """Write what changed since the last call, and what was not written for a minute.

        A clock that was moved leaves minutes out in which nothing happened: a value above 0 is written for them, too.
        """
        for name in queues:
            queue = self._known.get(name)
            for metric, value in measured(queue, now).items() if queue is not None else ():
                before = self._written.get((name, metric))
                if before is None or before[0] != value or now - before[1] >= _REPEAT:
                    if before is not None:
                        self._fill(queue, name, metric, before, now)
                    self._written[(name, metric)] = (value, now)
                    self._put(name, metric, value, now)

    def _fill(self, queue: Any, name: str, metric: str, before: tuple[float, datetime], now: datetime) -> None:
        at = max(before[1], now - _CAUGHT_UP) + _REPEAT
        while at < now:
            # an age grows, the numbers of messages are as they were
            value = measured(queue, at)[metric] if _UNITS[metric] == "Seconds" else before[0]
            if value > 0:
                self._put(name, metric, value, at)
            at += _REPEAT

    def _put(self, name: str, metric: str, value: float, at: datetime) -> None:
        self._region.metrics.put(QUEUE_NAMESPACE, metric, value, _UNITS[metric], {"QueueName": name}, at)

    @property
    def _known(self) -> Any:
        config = self._region.config
        return sqs_backends[config.account_id][config.region_name].queues


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
