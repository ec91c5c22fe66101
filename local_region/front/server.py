"""The HTTP server: waitress, with threads that grow with the requests under way (docs/decisions/0002)."""

from __future__ import annotations

import errno
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask
from waitress.wasyncore import close_all

from local_region.state import StartupError

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

#: threads that wait for the next request; more are made when all are busy, up to the limit
_IDLE_THREADS = 8
_MAX_THREADS = 400
#: S3's largest single PUT
_MAX_BODY = 5 * 1024**3 + 1024**2
#: a body beyond this is kept in a file of TMPDIR until it is read
_BODY_IN_MEMORY = 1024 * 1024
#: With Python's 5 ms a busy request holds up the loop that reads the others: 8 clients got 1,090 requests a second
#: instead of 3,550.
_SWITCH_SECONDS = 0.0001
#: S3's user metadata; the environ key under which moto looks up how such a name was spelled
_METADATA = "x-amz-meta-"
_TRUE_NAMES = "moto.preserved_header_names"
_UNDERSCORED = re.compile(rb"^(x-amz-meta-[!-9;-~]*_[!-9;-~]*):([^\r\n]*)\r?$", re.IGNORECASE | re.MULTILINE)


class AddressInUse(StartupError):
    """Something else listens on the port."""


class GrowingDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Starts a thread when all are busy. A fixed pool could deadlock: a request (API → function) makes others
    (function → endpoint) and waits for them. Threads beyond ``_IDLE_THREADS`` end when they find nothing to do."""

    def add_task(self, task: Any) -> None:
        with self.lock:
            self.queue.append(task)
            running = len(self.threads) - self.stop_count
            idle = running - self.active_count
            grow = len(self.queue) > idle and running < _MAX_THREADS
            self.queue_cv.notify()
        if grow:
            self.set_thread_count(running + 1)
        elif idle > 2 * _IDLE_THREADS:
            self.set_thread_count(running - 1)


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Keeps ``x-amz-meta-some_name``. WSGI can't tell ``_`` from ``-`` in a header's name, so waitress drops such
    headers; S3's user metadata may be named so, and moto reads the true names from the environ."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.content_length == 0 and not self.chunked:
            self.expect_continue = False  # boto3 asks also before an empty body; waitress would wait for one forever
        self.underscored: dict[str, tuple[str, str]] = {}
        if b"_" in header_plus:
            for name, value in _UNDERSCORED.findall(header_plus):
                key = "HTTP_" + name.decode().upper().replace("-", "_")
                self.underscored[key] = (name.decode().lower(), value.decode("latin-1").strip())


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ["RAW_URI"] = environ["REQUEST_URI"]  # under this name moto looks for the undecoded path
        for key, (name, value) in getattr(self.request, "underscored", {}).items():
            # Never in the place of a header that was sent with hyphens.
            if environ.setdefault(key, value) == value:
                environ.setdefault(_TRUE_NAMES, {})[key] = name
        return environ

    def build_response_header(self) -> bytes:
        """waitress capitalizes names; metadata keys are S3's to spell, and it spells them in lower case."""
        names = [name for name, _ in self.response_headers if name.lower().startswith(_METADATA)]
        names = ["-".join(part.capitalize() for part in name.split("-")) for name in names]
        header: bytes = super().build_response_header()
        for name in names:
            header = header.replace(f"\r\n{name}: ".encode("latin-1"), f"\r\n{name.lower()}: ".encode("latin-1"))
        return header


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class = _Task
    parser_class = _Parser


class _Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = _Channel


class HttpServer:
    """Listens once built; serves between ``start`` and ``stop``."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        """``AddressInUse`` when the port is taken. Port 0 takes a free one; ``port`` tells which."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        listener = _listen(host, port)
        self.port: int = listener.getsockname()[1]
        settings = Adjustments(
            sockets=[listener],
            threads=_IDLE_THREADS,
            ident="sluicegate",
            connection_limit=2000,
            backlog=512,
            recv_bytes=262_144,
            max_request_body_size=_MAX_BODY,
            inbuf_overflow=_BODY_IN_MEMORY,
            outbuf_overflow=_BODY_IN_MEMORY,
            channel_timeout=300,
            asyncore_use_poll=True,
            expose_tracebacks=False,
        )
        self._map: dict[int, Any] = {}
        self._dispatcher = GrowingDispatcher()
        self._dispatcher.set_thread_count(_IDLE_THREADS)
        self._server = _Server(
            application,
            map=self._map,
            dispatcher=self._dispatcher,
            adj=settings,
            _sock=listener,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._stopping = False
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns about each thread we are about to add

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self._server.asyncore.loop(timeout=1.0, map=self._map, use_poll=True, count=1)

    def stop(self, seconds: float = 1.0) -> None:
        """Take no more requests; those under way get ``seconds`` to end."""
        self._stopping = True
        self._server.pull_trigger()
        if self._thread.is_alive():
            self._thread.join(seconds)
        self._dispatcher.shutdown(timeout=seconds)
        close_all(self._map)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # So that a restart isn't kept out by old connections; a live listener still is in the way.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"port {port} of {host} is taken by another program; choose one with --port") from error
        raise
    return listener
