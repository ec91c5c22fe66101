"""The region's SQS, in process: moto's backend, made safe for several threads and able to wake those who wait.

moto's queues are lists that are replaced while others append, so a message sent while another is deleted could be
lost. ``install`` puts one lock around the operations that change a queue and tells listeners when a message may have
become available. It changes moto's classes, once; ``tests/contract/functions`` holds what it relies on.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs import models as moto_sqs
from moto.sqs.exceptions import SQSException

from local_region.ports import AwsError

GUARD = threading.RLock()
_listeners: dict[str, list[Callable[[], None]]] = {}
_installed = False


def _tell(queue_arn: str) -> None:
    for listener in list(_listeners.get(queue_arn, ())):
        listener()


def _guarded(owner: type, name: str, tells: Callable[..., str | None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **named: Any) -> Any:
        with GUARD:
            result = original(self, *args, **named)
        arn = tells(self, *args, **named)
        if arn is not None:
            _tell(arn)
        return result

    setattr(owner, name, wrapper)


def _nobody(*_: Any, **__: Any) -> None:
    return None


def _queue_arn_of(backend: Any, queue_name: str, *_: Any, **__: Any) -> str | None:
    queue = backend.queues.get(queue_name)
    return None if queue is None else str(queue.queue_arn)


def _receive(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Long polling that holds the lock only while it looks."""

    @functools.wraps(original)
    def receive_message(
        self: Any,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Any]:
        woken = threading.Event()
        deadline = time.monotonic() + float(wait_seconds_timeout or 0)
        arn = str(self.get_queue(queue_name).queue_arn)
        listen(arn, woken.set)
        try:
            while True:
                woken.clear()
                with GUARD:
                    _forget_expired(self.get_queue(queue_name))
                    found = original(self, queue_name, count, 0, visibility_timeout, message_attribute_names)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                until = next_available(self.get_queue(queue_name))
                woken.wait(left if until is None else min(left, until))
        finally:
            unlisten(arn, woken.set)

    return receive_message


def _forget_expired(queue: Any) -> None:
    """moto hands out nothing behind a message that is older than MessageRetentionPeriod; SQS deletes that one."""
    oldest = unix_time_millis() - float(queue.message_retention_period) * 1000
    expired = [message for message in queue._messages if message.sent_timestamp <= oldest]
    if expired:
        queue._messages = [message for message in queue._messages if message.sent_timestamp > oldest]
        queue.pending_messages.difference_update(expired)


def install() -> None:
    """Guard moto's SQS. Doing it twice is doing it once."""
    global _installed
    with GUARD:
        if _installed:
            return
        _installed = True
        queue, backend = moto_sqs.Queue, moto_sqs.SQSBackend
        _guarded(queue, "add_message", lambda self, *_, **__: str(self.queue_arn))
        _guarded(queue, "delete_message", _nobody)
        _guarded(backend, "change_message_visibility", _queue_arn_of)
        _guarded(backend, "purge_queue", _nobody)
        described: Any = vars(queue)["attributes"].fget
        setattr(queue, "attributes", property(lambda self: _whole_seconds(described(self))))  # noqa: B010
        backend.receive_message = _receive(backend.receive_message)  # type: ignore[method-assign]


def _whole_seconds(attributes: dict[str, Any]) -> dict[str, Any]:
    """moto's times have fractions; SQS's are whole seconds, and clients read them as such."""
    times = {name: int(value) for name, value in attributes.items() if name.endswith("Timestamp")}
    return {**attributes, **times}


def listen(queue_arn: str, listener: Callable[[], None]) -> None:
    """Call ``listener`` (quickly done, from any thread) whenever a message may have become available."""
    with GUARD:
        _listeners.setdefault(queue_arn, []).append(listener)


def unlisten(queue_arn: str, listener: Callable[[], None]) -> None:
    with GUARD:
        found = _listeners.get(queue_arn, [])
        if listener in found:
            found.remove(listener)
        if not found:
            _listeners.pop(queue_arn, None)


def clock_moved() -> None:
    """Messages may have become available by time alone."""
    with GUARD:
        arns = list(_listeners)
    for arn in arns:
        _tell(arn)


def next_instant(queue: Any) -> datetime | None:
    """When a message of ``queue`` that is delayed or in flight becomes available; a past time when one is."""
    groups: dict[Any, float] = {}
    with GUARD:
        for number, message in enumerate(queue._messages):
            # a message of a FIFO queue that is in flight holds back those of its group
            group = message.group_id if queue.fifo_queue else number
            at = max(float(message.visible_at), float(message.delayed_until))
            groups[group] = max(groups.get(group, at), at)
    times = groups.values()
    # a message is available *after* its millisecond
    return datetime.fromtimestamp(min(times) / 1000 + 0.001, UTC) if times else None


def next_available(queue: Any) -> float | None:
    """Seconds until a message of ``queue`` that is delayed or in flight becomes available; None when there is none."""
    now = unix_time_millis()
    with GUARD:
        times = [max(m.visible_at, m.delayed_until) for m in queue._messages]
    if not times:
        return None
    # A message of a FIFO queue that is available now can be held back by its group: don't look again at once.
    soonest = 0.05 if queue.fifo_queue else 0.001
    return max(float(min(times) - now) / 1000 + 0.001, soonest)


class Queues:
    """The queues of the region by ARN. Every method raises ``AwsError`` when the queue doesn't exist."""

    def __init__(self, account_id: str, region_name: str) -> None:
        install()
        self._backend = moto_sqs.sqs_backends[account_id][region_name]

    def get(self, arn: str) -> Any:
        queue = self._backend.queues.get(arn.rsplit(":", 1)[-1])
        if queue is None or queue.queue_arn != arn:
            raise AwsError("AWS.SimpleQueueService.NonExistentQueue", f"The queue {arn} does not exist.", 400)
        return queue

    def receive(self, arn: str, count: int) -> list[Any]:
        """Available messages, now in flight for the queue's visibility timeout. Moves those received too often to the
        queue's dead-letter queue, as any receive does."""
        queue = self.get(arn)
        return self._backend.receive_message(queue.name, count, 0, queue.visibility_timeout, ["All"])

    def delete(self, arn: str, receipt_handles: Sequence[str]) -> None:
        queue = self.get(arn)
        for handle in receipt_handles:
            self._backend.delete_message(queue.name, handle)

    def send(
        self, arn: str, body: str, attributes: Mapping[str, tuple[str, str]] | None = None, group: str | None = None
    ) -> str:
        """Send; ``attributes`` is ``{name: (data type, value)}``. Returns the message id."""
        queue = self.get(arn)
        message_attributes = {
            name: {"DataType": kind, "StringValue": value} for name, (kind, value) in (attributes or {}).items()
        }
        try:
            message = self._backend.send_message(
                queue.name, body, message_attributes=message_attributes, group_id=group
            )
        except SQSException as error:
            raise AwsError("InvalidParameterValue", str(error.message), 400) from error
        return str(message.id)
