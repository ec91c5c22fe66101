"""What the region relies on in moto: its queues under several threads, and EventBridge's patterns."""

from __future__ import annotations

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from moto.events.models import EventPattern, Rule
from moto.sqs.models import sqs_backends

from local_region.events.bus import silence_moto
from local_region.functions import sqs_store
from local_region.ports import AwsError

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture
def queues() -> sqs_store.Queues:
    return sqs_store.Queues(ACCOUNT, REGION)


def make(**attributes: Any) -> str:
    name = f"q-{uuid.uuid4().hex[:8]}"
    return str(sqs_backends[ACCOUNT][REGION].create_queue(name, **attributes).queue_arn)


def test_no_message_is_lost_while_others_are_deleted(queues: sqs_store.Queues) -> None:
    arn = make()
    sent, got, stop = 400, set[str](), threading.Event()

    def consume() -> None:
        while not stop.is_set():
            for message in queues.receive(arn, 10):
                got.add(message.body)
                queues.delete(arn, [message.receipt_handle])

    with ThreadPoolExecutor(4) as pool:
        consumers = [pool.submit(consume) for _ in range(2)]
        list(pool.map(lambda n: queues.send(arn, str(n)), range(sent)))
        deadline = time.monotonic() + 10
        while len(got) < sent and time.monotonic() < deadline:
            time.sleep(0.005)
        stop.set()
        for consumer in consumers:
            consumer.result(5)
    assert got == {str(n) for n in range(sent)}


def test_a_listener_hears_of_a_message_and_of_its_return(queues: sqs_store.Queues) -> None:
    arn, heard = make(VisibilityTimeout=30), threading.Event()
    sqs_store.listen(arn, heard.set)
    try:
        queues.send(arn, "x")
        assert heard.wait(1)
        heard.clear()
        message = queues.receive(arn, 1)[0]
        name = arn.rsplit(":", 1)[1]
        sqs_backends[ACCOUNT][REGION].change_message_visibility(name, message.receipt_handle, 0)
        assert heard.wait(1)
    finally:
        sqs_store.unlisten(arn, heard.set)


def test_when_the_next_message_is_due(queues: sqs_store.Queues) -> None:
    arn = make(VisibilityTimeout=20)
    assert sqs_store.next_available(queues.get(arn)) is None
    queues.send(arn, "x")
    assert queues.receive(arn, 1)
    due = sqs_store.next_available(queues.get(arn))
    assert due is not None and 19 < due < 20.1
    assert queues.receive(arn, 1) == []


def test_long_polling_wakes_at_once(queues: sqs_store.Queues) -> None:
    arn = make()
    backend, name = sqs_backends[ACCOUNT][REGION], arn.rsplit(":", 1)[1]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(backend.receive_message, name, 1, 5, 30, [])
        queues.send(arn, "x")
        began = time.monotonic()
        assert [message.body for message in waiting.result(5)] == ["x"]
        assert time.monotonic() - began < 1


def test_an_unknown_queue(queues: sqs_store.Queues) -> None:
    with pytest.raises(AwsError, match="does not exist"):
        queues.send(f"arn:aws:sqs:{REGION}:{ACCOUNT}:nowhere", "x")


EVENT: Any = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "b"}, "object": {"key": "data/churn/a b.csv", "size": 10}, "tags": ["x", "y"]},
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"source": ["aws.s3"]}, True),
        ({"source": ["aws.s4"]}, False),
        ({"detail": {"object": {"key": [{"prefix": "data/"}]}}}, True),
        ({"detail": {"object": {"key": [{"prefix": "models/"}]}}}, False),
        ({"detail": {"object": {"key": [{"suffix": ".csv"}]}}}, True),
        ({"detail": {"object": {"key": [{"wildcard": "data/*/*.csv"}]}}}, True),
        ({"detail": {"object": {"key": [{"wildcard": "models/*/model.yaml"}]}}}, False),
        ({"detail": {"object": {"key": [{"prefix": "models/"}, {"suffix": "b.csv"}]}}}, True),
        ({"detail": {"bucket": {"name": [{"anything-but": ["c"]}]}}}, True),
        ({"detail": {"bucket": {"name": [{"anything-but": {"prefix": "b"}}]}}}, False),
        ({"detail": {"object": {"size": [{"numeric": [">", 5, "<=", 10]}]}}}, True),
        ({"detail": {"object": {"size": [{"numeric": ["<", 5]}]}}}, False),
        ({"detail": {"object": {"etag": [{"exists": False}]}}}, True),
        ({"detail": {"object": {"key": [{"exists": True}]}}}, True),
        ({"detail": {"tags": ["y"]}}, True),
        ({"$or": [{"source": ["x"]}, {"detail-type": ["Object Created"]}]}, True),
        ({"$or": [{"source": ["x"]}, {"detail-type": ["y"]}]}, False),
        ({"detail": {"bucket": {"name": [{"equals-ignore-case": "B"}]}}}, True),
    ],
)
def test_patterns(pattern: dict[str, Any], matches: bool) -> None:
    assert EventPattern.load(json.dumps(pattern)).matches_event(EVENT) is matches


def test_moto_delivers_nothing_itself() -> None:
    silence_moto()
    rule = Rule("r", ACCOUNT, REGION, None, '{"source": ["aws.s3"]}', None, None, "default", None)  # type: ignore[abstract]
    rule.put_targets([{"Id": "1", "Arn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"}])
    rule.send_to_targets(EVENT)  # moto's own raises for this target
