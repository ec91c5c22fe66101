"""Asynchronous calls: queued, retried, and in the end sent to a destination or a dead-letter queue.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_region.events.targets import Deliverer, Undeliverable, kind_of
from local_region.functions.model import Function
from local_region.ports import AwsError, InvocationResult, Json, Region

_log = logging.getLogger(__name__)
#: calls at a time, over all functions and for one: fewer than the region's, so synchronous calls get through
_THREADS = 8
_PER_FUNCTION = 5
#: seconds before a throttled call is tried again; Lambda starts with one second too
_THROTTLE_DELAY = 1.0
_DEFAULT_AGE = 21_600
_DEFAULT_RETRIES = 2

Invoke = Callable[[Function, bytes, str], InvocationResult]


@dataclass(frozen=True)
class Settings:
    """What an asynchronous call needs to know: the function now, and its EventInvokeConfig (CloudFormation's form)."""

    function: Function
    config: Json

    @property
    def retries(self) -> int:
        value = self.config.get("MaximumRetryAttempts")
        return _DEFAULT_RETRIES if value is None else int(value)

    @property
    def maximum_age(self) -> float:
        return float(self.config.get("MaximumEventAgeInSeconds") or _DEFAULT_AGE)

    def destination(self, outcome: str) -> str | None:
        entry = ((self.config.get("DestinationConfig") or {}).get(outcome)) or {}
        return entry.get("Destination") or None


@dataclass
class Event:
    """One accepted call and what has become of it."""

    name: str
    payload: bytes
    request_id: str
    accepted: float
    invokes: int = 0
    failures: int = 0
    last: InvocationResult | None = field(default=None)


def _json_or_text(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload.decode(errors="replace")


def destination_record(event: Event, arn: str, condition: str, timestamp: str) -> Json:
    """What a destination receives.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    record: Json = {
        "version": "1.0",
        "timestamp": timestamp,
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": event.invokes,
        },
        "requestPayload": _json_or_text(event.payload),
    }
    if event.last is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if event.last.function_error is not None:
            record["responseContext"]["functionError"] = event.last.function_error
        record["responsePayload"] = _json_or_text(event.last.payload)
    return record


def dead_letter_attributes(event: Event) -> dict[str, tuple[str, str]]:
    """The message attributes of a dead letter: RequestID, ErrorCode (a status) and ErrorMessage (at most 1 KB)."""
    answer = _json_or_text(event.last.payload) if event.last is not None else None
    text = str(answer.get("errorMessage", "")) if isinstance(answer, dict) else str(answer or "")
    return {
        "RequestID": ("String", event.request_id),
        "ErrorCode": ("Number", "200" if event.last is not None else "429"),
        "ErrorMessage": ("String", text.encode()[:1024].decode(errors="ignore") or "The event was not processed."),
    }


class AsyncCalls:
    """``settings(name)`` is None when the function is gone; ``invoke`` makes one attempt; ``dropped`` is told the
    function's name for each call that is given up."""

    def __init__(
        self,
        region: Region,
        settings: Callable[[str], Settings | None],
        invoke: Invoke,
        deliverer: Deliverer,
        seconds: Callable[[], float] | None = None,
        dropped: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._region = region
        self._dropped = dropped
        self._settings = settings
        self._invoke = invoke
        self._deliverer = deliverer
        # The region's time, so that retries and the age of events follow a clock that is moved
        self._seconds = seconds or (lambda: region.clock.now().timestamp())
        self._change = threading.Condition()
        self._later: list[tuple[float, int, Event]] = []
        self._order = itertools.count()
        self._ready: dict[str, deque[Event]] = {}
        self._running: dict[str, int] = {}
        self._stopped = False
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="async-call")
        self._thread = threading.Thread(target=self._dispatch, name="async-calls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # timeline.Timekeeper

    def next_due(self) -> datetime | None:
        """When a call is tried again."""
        with self._change:
            return datetime.fromtimestamp(self._later[0][0], UTC) if self._later else None

    def catch_up(self) -> None:
        with self._change:
            self._change.notify_all()

    def busy(self) -> list[str]:
        with self._change:
            now = self._seconds()
            names = {*self._ready, *self._running, *(event.name for due, _, event in self._later if due <= now)}
        return [f"function {name}" for name in sorted(names)]

    def put(self, name: str, payload: bytes, request_id: str) -> None:
        with self._change:
            self._ready.setdefault(name, deque()).append(Event(name, payload, request_id, self._seconds()))
            self._change.notify_all()

    def _put_later(self, event: Event, delay: float) -> None:
        with self._change:
            heapq.heappush(self._later, (self._seconds() + delay, next(self._order), event))
            self._change.notify_all()

    def _dispatch(self) -> None:
        while True:
            with self._change:
                if self._stopped:
                    return
                now = self._seconds()
                while self._later and self._later[0][0] <= now:
                    event = heapq.heappop(self._later)[2]
                    self._ready.setdefault(event.name, deque()).append(event)
                event_or_none = self._pick()
                if event_or_none is None:
                    self._change.wait(self._later[0][0] - now if self._later else None)
                    continue
                self._running[event_or_none.name] = self._running.get(event_or_none.name, 0) + 1
                self._pool.submit(self._run, event_or_none)

    def _pick(self) -> Event | None:
        """The next event that may run: fair between functions, so a burst for one doesn't hold up the others."""
        if sum(self._running.values()) >= _THREADS:
            return None
        for name in sorted(self._ready, key=lambda n: self._running.get(n, 0)):
            settings = self._settings(name)
            reserved = settings.function.spec.reserved_concurrency if settings else None
            if self._running.get(name, 0) >= min(reserved or _PER_FUNCTION, _PER_FUNCTION):
                continue
            waiting = self._ready[name]
            event = waiting.popleft()
            if not waiting:
                del self._ready[name]
            return event
        return None

    def _run(self, event: Event) -> None:
        try:
            self._attempt(event)
        except Exception:  # noqa: BLE001 - one event's failure must not end the pool's thread silently
            _log.exception("the asynchronous call %s of %s failed", event.request_id, event.name)
        finally:
            with self._change:
                self._running[event.name] -= 1
                if not self._running[event.name]:
                    del self._running[event.name]
                self._change.notify_all()

    def _attempt(self, event: Event) -> None:
        settings = self._settings(event.name)
        if settings is None:
            _log.warning("the function %s is gone; its call %s is dropped", event.name, event.request_id)
            return
        age = self._seconds() - event.accepted
        if settings.function.spec.reserved_concurrency == 0:
            self._conclude(event, settings, "ZeroReservedConcurrency")
        elif age > settings.maximum_age:
            self._conclude(event, settings, "EventAgeExceeded")
        else:
            self._try(event, settings, age)

    def _try(self, event: Event, settings: Settings, age: float) -> None:
        event.invokes += 1
        try:
            event.last = self._invoke(settings.function, event.payload, event.request_id)
        except AwsError as error:
            if error.code != "TooManyRequestsException" and error.status < 500:
                raise
            event.invokes -= 1
            self._put_later(event, _THROTTLE_DELAY)
            return
        if event.last.function_error is None:
            self._conclude(event, settings, "Success")
            return
        event.failures += 1
        delays = self._region.config.retry_delays or (0.0,)
        delay = delays[min(event.failures, len(delays)) - 1]
        if event.failures > settings.retries:
            self._conclude(event, settings, "RetriesExhausted")
        elif age + delay > settings.maximum_age:
            self._conclude(event, settings, "EventAgeExceeded")
        else:
            self._put_later(event, delay)

    def _conclude(self, event: Event, settings: Settings, condition: str) -> None:
        function = settings.function
        good = condition == "Success"
        if not good:
            self._dropped(event.name)
        destination = settings.destination("OnSuccess" if good else "OnFailure")
        now = f"{self._region.clock.now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        try:
            if destination is not None:
                record = destination_record(event, function.arn, condition, now)
                if kind_of(destination) == "event-bus":
                    record = self._envelope(record, function.arn, destination, good)
                self._deliverer.send(destination, json.dumps(record))
            if not good and function.spec.dead_letter_arn:
                text = event.payload.decode(errors="replace")
                self._deliverer.send(function.spec.dead_letter_arn, text, attributes=dead_letter_attributes(event))
        except Undeliverable as error:
            _log.error("%s of %s could not be sent on: %s", event.request_id, event.name, error)
        if not good and destination is None and not function.spec.dead_letter_arn:
            _log.error("%s of %s failed (%s) and has no dead-letter queue", event.request_id, event.name, condition)

    @staticmethod
    def _envelope(record: Json, function_arn: str, destination: str, good: bool) -> Json:
        """As an event of the bus; the bus fills in the rest."""
        return {
            "source": "lambda",
            "detail-type": f"Lambda Function Invocation Result - {'Success' if good else 'Failure'}",
            "resources": [destination, f"{function_arn}:$LATEST"],
            "detail": record,
        }
