"""The Runtime API, request by request, without a socket."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from local_region.functions.runtime_api import MAX_RESPONSE, Request, answer, read_request

BASE = "/2018-06-01/runtime"


class Runtime:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.ending = False

    def next(self) -> tuple[Mapping[str, str], bytes] | None:
        return None if self.ending else ({"Lambda-Runtime-Aws-Request-Id": "r1"}, b'{"a":1}')

    def responded(self, request_id: str, payload: bytes) -> None:
        self.seen.append(("responded", request_id, payload))

    def failed(self, request_id: str, payload: bytes) -> None:
        self.seen.append(("failed", request_id, payload))

    def init_failed(self, payload: bytes) -> None:
        self.seen.append(("init", "", payload))


class Wire:
    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes, /) -> None:
        self.sent += data


def read(raw: bytes, wire: Wire | None = None) -> Request | None:
    return read_request(io.BytesIO(raw), wire or Wire())


def test_a_request_with_a_body() -> None:
    found = read(b"POST /x HTTP/1.1\r\nContent-Length: 2\r\nX-Thing:  v \r\n\r\nhi and more")
    assert found == Request("POST", "/x", {"content-length": "2", "x-thing": "v"}, b"hi")


def test_the_end_of_the_connection() -> None:
    assert read(b"") is None


def test_what_is_not_http() -> None:
    with pytest.raises(ValueError, match="not an HTTP request"):
        read(b"hello\r\n\r\n")


def test_a_client_that_waits_for_continue_gets_it() -> None:
    wire = Wire()
    found = read(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nz", wire)
    assert found is not None and found.body == b"z"
    assert wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_chunked_body() -> None:
    found = read(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    assert found is not None and found.body == b"abcde"


def test_next_has_a_content_type_without_which_awss_client_crashes() -> None:
    reply = answer(Request("GET", f"{BASE}/invocation/next", {}, b""), Runtime())
    assert reply is not None
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: application/json" in head and b"Lambda-Runtime-Aws-Request-Id: r1" in head
    assert body == b'{"a":1}' and b"Content-Length: 7" in head


def test_a_worker_that_is_being_ended_gets_no_answer() -> None:
    runtime = Runtime()
    runtime.ending = True
    assert answer(Request("GET", f"{BASE}/invocation/next", {}, b""), runtime) is None


def test_what_a_worker_reports() -> None:
    runtime = Runtime()
    for path, body in (("invocation/r1/response", b"1"), ("invocation/r2/error", b"2"), ("init/error", b"3")):
        reply = answer(Request("POST", f"{BASE}/{path}", {}, body), runtime)
        assert reply is not None and reply.startswith(b"HTTP/1.1 202 ")
    assert runtime.seen == [("responded", "r1", b"1"), ("failed", "r2", b"2"), ("init", "", b"3")]


def test_an_answer_that_is_too_large_is_told() -> None:
    reply = answer(Request("POST", f"{BASE}/invocation/r/response", {}, bytes(MAX_RESPONSE + 1)), Runtime())
    assert reply is not None and reply.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/", f"{BASE}/invocation", "/2020-01-01/runtime/invocation/next"])
def test_an_unknown_path(path: str) -> None:
    reply = answer(Request("GET", path, {}, b""), Runtime())
    assert reply is not None and reply.startswith(b"HTTP/1.1 404 ")
