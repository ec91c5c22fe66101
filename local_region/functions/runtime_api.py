"""The Lambda Runtime API (version 2018-06-01) as one worker sees it, on a loopback port of its own.

Written on plain sockets: one connection that lives as long as the worker, answers written in one piece with Nagle's
algorithm off. Format: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Protocol

_log = logging.getLogger(__name__)
_PREFIX = "/2018-06-01/runtime/"
#: Lambda's limit for an answer to a synchronous call (bytes)
MAX_RESPONSE = 6_291_556


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # keys in lower case
    body: bytes


class Runtime(Protocol):
    """The worker's side of the API."""

    def next(self) -> tuple[Mapping[str, str], bytes] | None: ...  # None: the worker is being ended
    def responded(self, request_id: str, payload: bytes) -> None: ...
    def failed(self, request_id: str, payload: bytes) -> None: ...
    def init_failed(self, payload: bytes) -> None: ...


class Sink(Protocol):
    def sendall(self, data: bytes, /) -> object: ...


def read_request(stream: IO[bytes], sink: Sink) -> Request | None:
    """One HTTP/1.1 request, or None at the end of the connection. ``ValueError`` when it isn't HTTP."""
    line = stream.readline(65536)
    if not line.strip():
        return None
    try:
        method, path, _ = line.decode("latin-1").split()
    except ValueError as error:
        raise ValueError(f"not an HTTP request: {line[:80]!r}") from error
    headers: dict[str, str] = {}
    while (line := stream.readline(1 << 21).strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        sink.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return Request(method, path, headers, _chunks(stream))
    return Request(method, path, headers, stream.read(int(headers.get("content-length") or 0)))


def _chunks(stream: IO[bytes]) -> bytes:
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass  # trailers say nothing that Lambda uses
    return body


def render(status: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """One HTTP answer. Always with Content-Type: AWS's C client crashes without one."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(request: Request, runtime: Runtime) -> bytes | None:
    """What the API answers to ``request``; None when the worker is being ended."""
    if not request.path.startswith(_PREFIX):
        return render("404 Not Found", b'{"errorMessage":"no such path","errorType":"InvalidPath"}')
    match request.method, request.path.removeprefix(_PREFIX).split("/"):
        case "GET", ["invocation", "next"]:
            event = runtime.next()
            return None if event is None else render("200 OK", event[1], event[0])
        case "POST", ["invocation", request_id, "response"]:
            runtime.responded(request_id, request.body)
            if len(request.body) > MAX_RESPONSE:
                return render(
                    "413 Payload Too Large", b'{"errorMessage":"too large","errorType":"RequestEntityTooLarge"}'
                )
        case "POST", ["invocation", request_id, "error"]:
            runtime.failed(request_id, request.body)
        case "POST", ["init", "error"]:
            runtime.init_failed(request.body)
        case _:
            return render("404 Not Found", b'{"errorMessage":"no such path","errorType":"InvalidPath"}')
    return render("202 Accepted", b'{"status":"OK"}')


class RuntimeApi:
    """Serves ``runtime`` until ``close``."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4)
        self._connections: set[socket.socket] = set()
        self._closed = False
        self._lock = threading.Lock()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name=f"runtime-api-{self.address}", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="runtime-api-worker", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while (request := read_request(stream, connection)) is not None:
                    reply = answer(request, self._runtime)
                    if reply is None:
                        return
                    connection.sendall(reply)
        except (OSError, ValueError) as error:
            if not self._closed:
                _log.debug("runtime API connection ended: %s", error)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for opened in (self._listener, *connections):
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                _log.debug("already closed: %s", error)
            opened.close()
