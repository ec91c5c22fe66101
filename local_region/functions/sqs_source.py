"""An SQS event source mapping at work: a thread that waits for messages and hands batches to the function."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from moto.events.models import EventPattern

from local_region.functions import sqs_store
from local_region.functions.model import MAX_SYNC_PAYLOAD
from local_region.functions.sqs_records import failed_messages, filterable, record, split_by_size
from local_region.ports import AwsError, Clock, InvocationResult, Json

_log = logging.getLogger(__name__)
#: batches at a time when the mapping doesn't say: Lambda starts with five
_CONCURRENCY = 5
#: ``invoke(payload, patience)``: a call that waits up to ``patience`` seconds for a place
Call = Callable[[bytes, float], InvocationResult]


class SqsSource:
    """One enabled mapping. ``properties`` are CloudFormation's."""

    def __init__(self, queues: sqs_store.Queues, properties: Json, region_name: str, call: Call, clock: Clock) -> None:
        self._queues = queues
        self._clock = clock
        self._arn = str(properties["EventSourceArn"])
        self._region_name = region_name
        self._call = call
        self._size = int(properties.get("BatchSize") or 10)
        self._window = timedelta(seconds=float(properties.get("MaximumBatchingWindowInSeconds") or 0))
        self._partial = "ReportBatchItemFailures" in (properties.get("FunctionResponseTypes") or [])
        filters = (properties.get("FilterCriteria") or {}).get("Filters") or []
        self._filters = [EventPattern.load(entry["Pattern"]) for entry in filters]
        places = int((properties.get("ScalingConfig") or {}).get("MaximumConcurrency") or _CONCURRENCY)
        self._places = threading.Semaphore(places)
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="sqs-batch")
        self._woken = threading.Event()
        self._stopped = False
        self._count = threading.Lock()
        self._in_hand = 0  # batches taken and not handled yet, the one being collected included
        self._closes: datetime | None = None  # when the batch being collected is handed over, full or not
        self.last_result = "No records processed"
        self._thread = threading.Thread(target=self._run, name=f"sqs-source-{self._arn}", daemon=True)

    def start(self) -> None:
        sqs_store.listen(self._arn, self._woken.set)
        self._thread.start()

    def stop(self) -> None:
        """No further batch begins. One under way is not waited for."""
        self._stopped = True
        sqs_store.unlisten(self._arn, self._woken.set)
        self._woken.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # timeline.Timekeeper

    def next_due(self) -> datetime | None:
        """When its batch closes or, without one, a message becomes available."""
        if self._closes is not None:
            return self._closes
        try:
            return sqs_store.next_instant(self._queues.get(self._arn))
        except AwsError:
            return None  # the queue is gone: nothing becomes available

    def busy(self) -> bool:
        """Messages are handled, or could be taken now."""
        now, closes = self._clock.now(), self._closes
        with self._count:
            in_hand = self._in_hand
        if closes is not None:
            return in_hand > 1 or closes <= now
        due = self.next_due()
        return in_hand > 0 or (due is not None and due <= now)

    def _run(self) -> None:
        while not self._stopped:
            # A place first: a message that is received must be handled within its visibility timeout.
            self._places.acquire()
            try:
                batch = self._next_batch()
                if not batch:
                    self._places.release()
                    return
                self._pool.submit(self._handle_all, batch)
            except RuntimeError as error:  # the pool is closed: stop() was called
                _log.debug("mapping of %s ended: %s", self._arn, error)
                return

    def _receive(self, count: int, beginning: bool) -> list[Any]:
        """A look at the queue; what it finds is in hand from the same moment on."""
        if not beginning:
            return self._queues.receive(self._arn, count)
        found: list[Any] = []
        with self._count:
            self._in_hand += 1
        try:
            found = self._queues.receive(self._arn, count)
        finally:
            with self._count:
                if found:
                    self._closes = self._clock.now() + self._window
                else:
                    self._in_hand -= 1
        return found

    def _next_batch(self) -> list[Any]:
        """Messages, when the batch is full or its window has passed; nothing when the mapping is stopped."""
        batch: list[Any] = []
        while not self._stopped:
            self._woken.clear()
            wait: float | None
            try:
                batch += self._receive(self._size - len(batch), not batch)
                wait = sqs_store.next_available(self._queues.get(self._arn))
            except AwsError as error:
                self.last_result = f"PROBLEM: {error.message}"
                _log.warning("event source %s: %s", self._arn, error.message)
                wait = 5.0  # the queue may be made again under the same name
            if batch:
                left = ((self._closes or self._clock.now()) - self._clock.now()).total_seconds()
                if len(batch) >= self._size or left <= 0:
                    self._closes = None
                    return batch
                wait = left if wait is None else min(wait, left)
            self._woken.wait(wait)
        return []

    def _handle_all(self, batch: list[Any]) -> None:
        try:
            entries = [record(message, self._arn, self._region_name) for message in batch]
            wanted: list[Json] = []
            for entry in entries:
                if self._wanted(entry):
                    wanted.append(entry)
                else:  # what a filter drops is deleted, as on Lambda
                    self._queues.delete(self._arn, [entry["receiptHandle"]])
            for part in split_by_size(wanted, MAX_SYNC_PAYLOAD - 64):
                if part:
                    self._handle(part)
        except Exception:  # noqa: BLE001 - a batch that breaks must not end the mapping; its messages become visible again
            self.last_result = "PROBLEM: Function call failed"
            _log.exception("a batch of %s could not be handled", self._arn)
        finally:
            with self._count:
                self._in_hand -= 1
            self._places.release()

    def _wanted(self, entry: Json) -> bool:
        seen: Any = filterable(entry)
        return not self._filters or any(pattern.matches_event(seen) for pattern in self._filters)

    def _handle(self, entries: list[Json]) -> None:
        patience = float(self._queues.get(self._arn).visibility_timeout)
        try:
            result = self._call(json.dumps({"Records": entries}).encode(), patience)
        except AwsError as error:
            self.last_result = f"PROBLEM: {error.message}"
            _log.warning("event source %s: %s", self._arn, error)
            return
        if result.function_error is not None:
            self.last_result = "PROBLEM: Function call failed"
            return
        failed: set[str] = set()
        if self._partial:
            failed = failed_messages(result.payload, [entry["messageId"] for entry in entries])
        self.last_result = "OK" if not failed else "PROBLEM: Function reported failed messages"
        self._queues.delete(self._arn, [e["receiptHandle"] for e in entries if e["messageId"] not in failed])
