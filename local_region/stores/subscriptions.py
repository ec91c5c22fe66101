"""Subscription filters: what functions log reaches the function that asked for it.

moto keeps the filters; here they are checked when they are put, and their events are delivered as CloudWatch Logs does:
batches of one stream, gzipped JSON in base64 under ``awslogs.data``, by an asynchronous call, so Lambda's retries and
the function's dead-letter queue apply.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample

It changes moto's classes, once; ``tests/contract/functions`` holds what it relies on.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from moto.logs import models as moto_logs
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException

from local_region.front.errors import not_implemented
from local_region.ports import AwsError, Json, Region
from local_region.stores.filter_patterns import Matches, UnknownPattern, compiled

_log = logging.getLogger(__name__)
#: how long a batch is collected, seconds; CloudWatch Logs doesn't say how long it waits
_WINDOW = 0.2
#: characters of messages in a batch; CloudWatch Logs keeps below what Lambda takes
_BATCH = 512 * 1024
_PRINCIPAL = "logs.amazonaws.com"
_LEFT_OUT = ("applyOnTransformedLogs", "emitSystemFields", "fieldSelectionCriteria")
_current: list[Subscriptions] = []
_installed = False


class _Source(NamedTuple):
    destination: str
    filter_name: str
    group: str
    stream: str


def refuse_unread(body: bytes) -> None:
    """``AwsError`` 501 for a PutSubscriptionFilter that the region would not act on as AWS does."""
    try:
        asked = json.loads(body)
    except ValueError:
        return  # moto says so in AWS's words
    destination = str(asked.get("destinationArn") or "")
    if destination and ":lambda:" not in destination:
        raise not_implemented("logs", f"PutSubscriptionFilter with the destination {destination}; name a function")
    for name in _LEFT_OUT:
        if asked.get(name):
            raise not_implemented("logs", f"PutSubscriptionFilter with {name}")
    try:
        compiled(str(asked.get("filterPattern") or ""))
    except UnknownPattern as error:
        raise not_implemented("logs", f"PutSubscriptionFilter with {error}") from error


class Subscriptions:
    """One of the region's parts: started with it, stopped with it."""

    def __init__(self, region: Region, window: float = _WINDOW) -> None:
        self._region, self._window = region, window
        self._patterns: dict[str, Matches] = {}
        self._waiting: dict[_Source, list[Json]] = {}
        self._delivering = 0
        self._since: float | None = None
        self._change = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="log-subscriptions", daemon=True)

    def start(self) -> None:
        _install()
        _current[:] = [self]
        self._thread.start()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join(5)
        if _current == [self]:
            _current.clear()

    def pending(self) -> int:
        """Events that wait for their delivery."""
        with self._change:
            return self._delivering + sum(len(events) for events in self._waiting.values())

    # As a timekeeper: batches are collected by the machine's time, and nothing is due at an instant.

    def next_due(self, until: datetime) -> datetime | None:  # noqa: ARG002 as every timekeeper has it
        return None

    def catch_up(self) -> None:
        """Nothing was put off."""

    def busy(self) -> list[str]:
        count = self.pending()
        return [f"{count} log events wait for their subscriber"] if count else []

    def check(self, group_arn: str, destination: str) -> None:
        """As CloudWatch Logs does with a dry run: may it call the function for this group?"""
        try:
            permitted = self._region.functions.permits(destination, _PRINCIPAL, f"{group_arn}:*")
        except AwsError:
            permitted = False
        if not permitted:
            raise InvalidParameterException(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to "
                "execute your function."
            )

    def put(self, source: _Source, pattern: str, events: Sequence[Json]) -> None:
        matches = self._patterns.get(pattern)
        if matches is None:
            matches = self._patterns.setdefault(pattern, compiled(pattern))
        wanted = [{**event, "id": _identifier(event)} for event in events if matches(event["message"])]
        if not wanted:
            return
        with self._change:
            self._waiting.setdefault(source, []).extend(wanted)
            if self._since is None:
                self._since = time.monotonic()
                self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._stopped:
                    left = None if self._since is None else self._since + self._window - time.monotonic()
                    if left is not None and left <= 0:
                        break
                    self._change.wait(left)
                if self._stopped:
                    return
                due, self._waiting, self._since = self._waiting, {}, None
                self._delivering = sum(len(events) for events in due.values())
            for source, events in due.items():
                for batch in _batches(events):
                    self._deliver(source, batch)
            with self._change:
                self._delivering = 0

    def _deliver(self, source: _Source, events: Sequence[Json]) -> None:
        document = {
            "messageType": "DATA_MESSAGE",
            "owner": self._region.config.account_id,
            "logGroup": source.group,
            "logStream": source.stream,
            "subscriptionFilters": [source.filter_name],
            "logEvents": events,
        }
        data = base64.b64encode(gzip.compress(json.dumps(document).encode(), 6)).decode()
        try:
            self._region.functions.invoke_async(source.destination, json.dumps({"awslogs": {"data": data}}).encode())
        except AwsError as error:
            if error.code == "RequestTooLargeException" and len(events) > 1:
                middle = len(events) // 2
                self._deliver(source, events[:middle])
                self._deliver(source, events[middle:])
                return
            _log.error("%d events of %s reached not %s: %s", len(events), source.group, source.destination, error)


def _identifier(event: Json) -> str:
    """56 digits, as CloudWatch Logs' have. moto counts anew in each life of the region; the time keeps them apart."""
    return f"3{event['timestamp']:015d}{event['id']:040d}"


def _batches(events: Sequence[Json]) -> list[list[Json]]:
    batches: list[list[Json]] = [[]]
    size = 0
    for event in events:
        if batches[-1] and size + len(event["message"]) > _BATCH:
            batches.append([])
            size = 0
        batches[-1].append(event)
        size += len(event["message"])
    return batches


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True

    def send(self: Any, service: str, destination_arn: str, filter_name: str, log_events: list[Json]) -> None:  # noqa: ARG001 moto's own signature
        found = self.log_group.subscription_filters[filter_name]
        for subscriptions in list(_current):
            source = _Source(destination_arn, filter_name, self.log_group.name, self.log_stream_name)
            subscriptions.put(source, found.filter_pattern, log_events)

    put_filter = moto_logs.LogGroup.put_subscription_filter

    @functools.wraps(moto_logs.LogsBackend.put_subscription_filter)
    def put(
        self: Any, log_group_name: str, filter_name: str, filter_pattern: str, destination_arn: str, role_arn: str
    ) -> None:
        group = self.groups.get(log_group_name)
        if not group:
            raise ResourceNotFoundException
        for subscriptions in list(_current):
            subscriptions.check(group.arn, destination_arn)
        put_filter(group, filter_name, filter_pattern, destination_arn, role_arn)

    moto_logs.LogStream._send_log_events = send  # type: ignore[method-assign]
    moto_logs.LogsBackend.put_subscription_filter = put  # type: ignore[method-assign]
