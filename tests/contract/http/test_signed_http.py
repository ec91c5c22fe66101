"""Connections that are kept, dropped, and slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sluicegate.adapters import signed_http
from sluicegate.adapters.signed_http import S3, SAGEMAKER_RUNTIME, Refused, SignedHttp, TimedOut
from sluicegate.domain.errors import Transient
from tests.contract.http.stub_aws import BUCKET, Seen, StubAws, error, running


@pytest.fixture
def aws() -> Iterator[StubAws]:
    with running(StubAws({"a": b"content"}, {"e": {"v1": lambda body: b"1\n"}})) as stub:
        yield stub


def send(http: SignedHttp, **more: Any) -> signed_http.Answer:
    return http.send(S3, "GET", "/a", bucket=BUCKET, **more)


def test_one_connection_serves_many_requests(aws: StubAws) -> None:
    http = SignedHttp(aws.environment())
    opened = count_connections(http, aws)
    for _ in range(5):
        assert send(http).body == b"content"
    assert opened() == 1


def count_connections(http: SignedHttp, aws: StubAws) -> Any:
    origin, _ = http._address(S3, "/", BUCKET)
    made: list[bool] = []
    take = origin.take

    def counting() -> Any:
        connection, used = take()
        if not used:
            made.append(True)
        return connection, used

    origin.take = counting  # type: ignore[method-assign]
    return lambda: len(made)


def test_a_kept_connection_that_was_closed_is_replaced_without_counting_as_a_try(
    aws: StubAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    http = SignedHttp(aws.environment(), pause=pauses.append)
    send(http)
    aws.script.append("close")
    assert send(http).body == b"content"
    assert pauses == []


def test_a_connection_that_rested_too_long_is_not_trusted(aws: StubAws, monkeypatch: pytest.MonkeyPatch) -> None:
    http = SignedHttp(aws.environment())
    opened = count_connections(http, aws)
    send(http)
    monkeypatch.setattr(signed_http, "IDLE_SECONDS", -1)
    send(http)
    assert opened() == 2


def test_tries_are_bounded_and_wait_longer_each_time(aws: StubAws) -> None:
    pauses: list[float] = []
    http = SignedHttp(aws.environment(), pause=pauses.append)
    aws.script += ["close"] * 3
    with pytest.raises(Transient, match=r"RemoteDisconnected|ConnectionReset"):
        send(http)
    assert len(pauses) == 2
    assert pauses[0] < 0.08 < pauses[1]
    assert aws.script == []


def test_nothing_listens() -> None:
    http = SignedHttp(StubAws(url="http://127.0.0.1:9").environment(), pause=lambda seconds: None)
    with pytest.raises(Transient, match="ConnectionRefused"):
        send(http)


def test_a_slow_service_is_asked_once(aws: StubAws) -> None:
    release = threading.Event()

    def hold(seen: Seen) -> None:
        release.wait(10)

    aws.before = hold
    with pytest.raises(TimedOut, match=r"0\.1 s"):
        send(SignedHttp(aws.environment()), timeout=0.1)
    release.set()
    assert len(aws.seen) == 1


def test_a_client_error_is_answered_as_it_is(aws: StubAws) -> None:
    with pytest.raises(Refused, match="404") as caught:
        SignedHttp(aws.environment()).send(S3, "GET", "/b", bucket=BUCKET)
    assert caught.value.answer.status == 404
    aws.script.append(error(400, "ValidationError:http://internal.amazon.com/", Message="no"))
    with pytest.raises(Refused) as caught:
        SignedHttp(aws.environment()).send(SAGEMAKER_RUNTIME, "POST", "/endpoints/e/invocations")
    assert (caught.value.answer.error_code, caught.value.answer.error_message) == ("ValidationError", "no")


def test_threads_share_one_sender(aws: StubAws) -> None:
    http = SignedHttp(aws.environment())
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(send(http).body)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [b"content"] * 8
