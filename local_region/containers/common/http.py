"""A small HTTP/1.1 server for one kind of client: keep-alive, Content-Length bodies, short answers.

One thread waits for all sockets and answers small requests itself: for predictions of a fraction of a millisecond that
is faster than a thread a connection, which would fight over the interpreter. Bodies over ``INLINE`` bytes are answered
by a pool, so that a large batch doesn't hold up the others.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from queue import SimpleQueue

INLINE = 64 * 1024
MAX_HEAD = 64 * 1024
RECEIVE = 256 * 1024
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


@dataclass(frozen=True)
class Request:
    method: bytes
    path: bytes
    headers: dict[bytes, bytes]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    content_type: bytes = b"text/html; charset=utf-8"


Handler = Callable[[Request], Answer]


@dataclass(eq=False)
class _Connection:
    sock: socket.socket
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    head_end: int = -1
    request_line: tuple[bytes, bytes] = (b"", b"")
    headers: dict[bytes, bytes] = field(default_factory=dict)
    length: int = 0
    closing: bool = False


class BadRequest(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def render(answer: Answer, close: bool) -> bytes:
    head = b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (
        answer.status,
        _REASONS.get(answer.status, b"Unknown"),
        answer.content_type,
        len(answer.body),
        b"Connection: close\r\n" if close else b"",
    )
    return head + answer.body


class Server:
    """``handler`` must not raise. ``max_body`` bytes at most; more is answered 413 without reading it."""

    def __init__(
        self, handler: Handler, max_body: int, host: str = "127.0.0.1", port: int = 0, workers: int = 2
    ) -> None:
        self._handler, self._max_body = handler, max_body
        self._listener = socket.create_server((host, port), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._done: SimpleQueue[tuple[_Connection, bytes]] = SimpleQueue()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="batch")
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask ``serve`` to return; safe in a signal handler."""
        self._stopping.set()
        self._wake_write.send(b"s")

    def serve(self) -> None:
        selector = self._selector
        selector.register(self._listener, selectors.EVENT_READ, None)
        selector.register(self._wake_read, selectors.EVENT_READ, self._wake_read)
        while not self._stopping.is_set():
            for key, events in selector.select():
                if key.data is None:
                    self._accept()
                elif key.data is self._wake_read:
                    self._finish_large()
                elif events & selectors.EVENT_WRITE:
                    self._flush(key.data)
                else:
                    self._receive(key.data)
        self._pool.shutdown(wait=False)
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # the client has gone again
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, _Connection(sock))

    def _close(self, connection: _Connection) -> None:
        try:
            self._selector.unregister(connection.sock)
        except KeyError:
            return  # closed while a worker had it
        connection.sock.close()

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.sock.recv(RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection)
            return
        if not data:
            self._close(connection)
            return
        connection.inbox += data
        self._advance(connection)

    def _advance(self, connection: _Connection) -> None:
        """Answer every whole request that has arrived."""
        while not connection.closing:
            try:
                request = self._take(connection)
            except BadRequest as error:
                connection.closing = True
                self._send(connection, render(Answer(error.status, str(error).encode()), close=True))
                return
            if request is None:
                return
            close = request.headers.get(b"connection", b"").lower() == b"close"
            if len(request.body) > INLINE:
                connection.closing = close
                self._selector.unregister(connection.sock)
                self._pool.submit(self._answer_large, connection, request, close)
                return
            connection.closing = close
            self._send(connection, render(self._handler(request), close))

    def _answer_large(self, connection: _Connection, request: Request, close: bool) -> None:
        self._done.put((connection, render(self._handler(request), close)))
        self._wake_write.send(b"d")

    def _finish_large(self) -> None:
        self._wake_read.recv(4096)
        while not self._done.empty():
            connection, data = self._done.get()
            self._selector.register(connection.sock, selectors.EVENT_READ, connection)
            closing, connection.closing = connection.closing, False
            connection.closing = closing
            self._send(connection, data)
            if not closing:
                self._advance(connection)

    def _take(self, connection: _Connection) -> Request | None:
        inbox = connection.inbox
        if connection.head_end < 0:
            end = inbox.find(b"\r\n\r\n")
            if end < 0:
                if len(inbox) > MAX_HEAD:
                    raise BadRequest(431, "Request header fields too large")
                return None
            self._parse_head(connection, bytes(inbox[:end]))
            connection.head_end = end + 4
        whole = connection.head_end + connection.length
        if len(inbox) < whole:
            return None
        body = bytes(inbox[connection.head_end : whole])
        del inbox[:whole]
        connection.head_end = -1
        method, path = connection.request_line
        return Request(method, path, connection.headers, body)

    def _parse_head(self, connection: _Connection, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        parts = first.split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            raise BadRequest(400, "Not an HTTP/1.1 request")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        if b"transfer-encoding" in headers:
            raise BadRequest(411, "Length Required: send a Content-Length, not chunks")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise BadRequest(400, "Content-Length is not a number")
        if int(length) > self._max_body:
            raise BadRequest(413, f"The data value transmitted exceeds the capacity limit of {self._max_body} bytes.")
        if headers.get(b"expect", b"").lower() == b"100-continue":
            connection.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.request_line = (parts[0], parts[1])
        connection.headers, connection.length = headers, int(length)

    def _send(self, connection: _Connection, data: bytes) -> None:
        if connection.outbox:
            connection.outbox += data
            return
        try:
            sent = connection.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._close(connection)
            return
        if sent < len(data):
            connection.outbox += data[sent:]
            self._selector.modify(connection.sock, selectors.EVENT_WRITE, connection)
        elif connection.closing:
            self._end(connection)

    def _flush(self, connection: _Connection) -> None:
        try:
            sent = connection.sock.send(connection.outbox)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection)
            return
        del connection.outbox[:sent]
        if not connection.outbox:
            if connection.closing:
                self._end(connection)
                return
            self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
            self._advance(connection)

    def _end(self, connection: _Connection) -> None:
        """Close after an answer. What the client still sends of a refused body is read and dropped for a
        moment, else the reset would take the answer with it."""
        sock = connection.sock
        self._selector.unregister(sock)
        threading.Thread(target=_drain, args=(sock,), daemon=True).start()


def _drain(sock: socket.socket) -> None:
    with sock:
        try:
            sock.settimeout(2.0)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(RECEIVE):
                pass
        except OSError:
            return  # the client closed first, or waits too long
