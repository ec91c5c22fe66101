"""A queue's consumer by a clock that is moved. The queues are moto's, their time is the region's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto.core import utils
from moto.sqs.models import sqs_backends

from local_region.clock import RegionClock
from local_region.functions import sqs_store
from local_region.functions.sqs_source import SqsSource
from local_region.ports import InvocationResult
from local_region.stores.moto_time import follow
from tests.support.region import wait_for

#: an account of its own: moto's backends belong to the process
ACCOUNT = "210987654323"


class Bench:
    def __init__(self, **properties: Any) -> None:
        self.clock = RegionClock()
        follow(self.clock)
        self.backend = sqs_backends[ACCOUNT]["us-east-1"]
        self.backend.reset()
        queue = self.backend.create_queue("work", VisibilityTimeout="600")
        self.batches: list[list[str]] = []
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()
        self.source = SqsSource(
            sqs_store.Queues(ACCOUNT, "us-east-1"),
            {"EventSourceArn": queue.queue_arn, **properties},
            "us-east-1",
            self.call,
            self.clock,
        )
        self.source.start()

    def call(self, payload: bytes, patience: float) -> InvocationResult:
        del patience
        assert self.gate.wait(10)
        self.batches.append([record["body"] for record in json.loads(payload)["Records"]])
        return InvocationResult(b"{}", "Unhandled" if self.fails else None)

    def move(self, span: timedelta) -> None:
        self.clock.move_ahead(self.clock.ahead + span)
        sqs_store.clock_moved()

    def settle(self) -> None:
        wait_for(lambda: not self.source.busy())


@pytest.fixture
def bench() -> Iterator[type[Bench]]:
    made: list[Bench] = []

    class Made(Bench):
        def __init__(self, **properties: Any) -> None:
            super().__init__(**properties)
            made.append(self)

    before = vars(utils)["datetime"]
    yield Made
    vars(utils)["datetime"] = before
    for each in made:
        each.source.stop()


def test_it_is_busy_from_the_message_on_until_it_is_handled(bench: type[Bench]) -> None:
    here = bench()
    here.settle()
    assert here.source.next_due() is None
    here.gate.clear()
    here.backend.send_message("work", "a")
    assert here.source.busy()
    here.gate.set()
    here.settle()
    assert here.batches == [["a"]]
    assert here.source.next_due() is None


def test_a_failed_message_is_due_again_after_its_visibility_timeout(bench: type[Bench]) -> None:
    here = bench()
    here.fails = True
    here.backend.send_message("work", "a")
    wait_for(lambda: here.batches)
    here.settle()
    due = here.source.next_due()
    assert due is not None
    assert abs(due - here.clock.now() - timedelta(minutes=10)) < timedelta(minutes=1)
    here.fails = False
    here.move(timedelta(minutes=11))
    assert here.source.busy()
    here.settle()
    assert here.batches == [["a"], ["a"]]
    assert here.source.next_due() is None


def test_a_delayed_message_arrives_when_the_clock_is_there(bench: type[Bench]) -> None:
    here = bench()
    here.backend.send_message("work", "late", delay_seconds=900)
    here.settle()
    assert here.batches == []
    here.move(timedelta(minutes=16))
    wait_for(lambda: here.batches)
    here.settle()


def test_a_batch_waits_for_its_window_by_the_regions_clock(bench: type[Bench]) -> None:
    here = bench(BatchSize=10, MaximumBatchingWindowInSeconds=300)
    here.backend.send_message("work", "a")
    wait_for(lambda: here.source._closes is not None)
    assert not here.source.busy()  # it waits for an instant
    due = here.source.next_due()
    assert due is not None
    assert timedelta() < due - here.clock.now() <= timedelta(minutes=5)
    here.move(timedelta(minutes=5))
    wait_for(lambda: here.batches == [["a"]])
    here.settle()
