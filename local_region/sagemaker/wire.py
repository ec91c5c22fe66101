"""A small HTTP/1.1 client for the serving processes: keep-alive connections in a pool, Content-Length answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass


class Unreachable(Exception):
    """No answer: the process isn't there or ended in the middle. ``sent`` is False if it can't have seen it."""

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ModelTimeout(Exception):
    """The process did not answer in time."""


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    body: bytes


class _Connection:
    def __init__(self, port: int, timeout: float) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fresh = True

    def exchange(self, data: bytes, timeout: float) -> tuple[Reply, bool]:
        """The reply, and whether the connection stays open."""
        self.sock.settimeout(timeout)
        # A server that refuses a body early has answered already: read what it says.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)
        buffer = b""
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            block = self.sock.recv(65536)
            if not block:
                raise ConnectionError("the process closed the connection")
            buffer += block
        lines = buffer[:end].split(b"\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])
        }
        parts = [buffer[end + 4 :]]
        missing = int(headers.get(b"content-length", b"0")) - len(parts[0])
        while missing > 0:
            block = self.sock.recv(min(missing, 1 << 20))
            if not block:
                raise ConnectionError("the process closed the connection within an answer")
            parts.append(block)
            missing -= len(block)
        self.fresh = False
        reply = Reply(int(lines[0].split()[1]), headers.get(b"content-type", b"").decode("latin-1"), b"".join(parts))
        return reply, headers.get(b"connection", b"").lower() != b"close"


class Client:
    """Thread-safe. A request is repeated once, on a new connection, only if a kept one had gone meanwhile."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "", accept: str = "", timeout: float = 60.0
    ) -> Reply:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        if content_type:
            head += f"Content-Type: {content_type}\r\n"
        if accept:
            head += f"Accept: {accept}\r\n"
        data = (head + "\r\n").encode("latin-1") + body
        while True:
            connection = self._take(timeout)
            kept = not connection.fresh
            try:
                reply, open_ = connection.exchange(data, timeout)
            except TimeoutError:
                connection.sock.close()
                raise ModelTimeout(f"no answer within {timeout:g} s") from None
            except (OSError, ValueError, IndexError) as error:
                connection.sock.close()
                if kept:
                    continue
                raise Unreachable(f"the serving process gave no answer ({error})", sent=True) from error
            self._give_back(connection, open_)
            return reply

    def stream(
        self, path: str, blocks: Iterable[bytes], content_type: str = "", accept: str = "", timeout: float = 60.0
    ) -> Reply:
        """POST a body of unknown length in chunks, on a connection of its own. Never repeated: the body is gone."""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        head += f"Content-Type: {content_type}\r\n" if content_type else ""
        head += f"Accept: {accept}\r\n" if accept else ""
        try:
            connection = _Connection(self._port, timeout)
        except OSError as error:
            raise Unreachable(f"the serving process doesn't answer on port {self._port} ({error})", False) from error
        try:
            # A server that refuses the body early has answered already: read what it says.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sock.sendall((head + "\r\n").encode("latin-1"))
                for block in blocks:
                    connection.sock.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            return connection.exchange(b"0\r\n\r\n", timeout)[0]
        except TimeoutError:
            raise ModelTimeout(f"no answer within {timeout:g} s") from None
        except (OSError, ValueError, IndexError) as error:
            raise Unreachable(f"the serving process gave no answer ({error})", sent=True) from error
        finally:
            connection.sock.close()

    def _take(self, timeout: float) -> _Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return _Connection(self._port, timeout)
        except OSError as error:
            raise Unreachable(
                f"the serving process doesn't answer on port {self._port} ({error})", sent=False
            ) from error

    def _give_back(self, connection: _Connection, open_: bool) -> None:
        with self._lock:
            if open_ and not self._closed:
                self._idle.append(connection)
                return
        connection.sock.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.sock.close()
