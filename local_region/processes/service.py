"""Workers as the region's parts see them: spawn, lines, wait, signals, peak memory."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from local_region.ports import Process, ProcessSpec
from local_region.processes import wire

log = logging.getLogger(__name__)

#: what a zygote needs of our environment; its workers get theirs from their requests
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
#: a zygote that has not answered by then is stuck: on a busy machine its imports take a few seconds
_SPAWN_SECONDS = 60.0
#: seconds after its last worker's end in which a zygote ends too: 90 MB that few regions need, most of them once
_IDLE_SECONDS = {"sklearn": 120.0}
#: CloudWatch Logs takes no longer message; a line beyond it is given in parts
_MAX_LINE = 256 * 1024
_ROOT = Path(__file__).resolve().parents[2]


class ProcessError(RuntimeError):
    """A worker could not be started."""


class Worker:
    """A forked process (``ports.Process``)."""

    def __init__(self, zygote: ZygoteLink, pid: int, output: int, entry: str) -> None:
        self.pid = pid
        self.entry = entry
        self.family = zygote.family
        self._zygote = zygote
        self._output = os.fdopen(output, "rb")
        self._ended = threading.Event()
        self._exit_code: int | None = None
        self._peak_kb = 0

    @property
    def exit_code(self) -> int | None:
        return self._exit_code

    def lines(self) -> Iterator[str]:
        """Each line of its output. To be read by one reader: a worker whose output nobody reads blocks when the
        pipe (64 KB) is full."""
        with self._output:
            while line := self._output.readline(_MAX_LINE):
                yield line.decode("utf-8", "replace").rstrip("\r\n")

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, or None when it still runs after ``timeout`` seconds."""
        self._ended.wait(timeout)
        return self._exit_code

    def terminate(self, grace_seconds: float = 5.0) -> None:
        """SIGTERM, and SIGKILL when it is still there after ``grace_seconds``. Returns when it has ended."""
        self._zygote.signal(self.pid, signal.SIGTERM)
        if self.wait(grace_seconds) is None:
            self.kill()
            self.wait()

    def kill(self) -> None:
        self._zygote.signal(self.pid, signal.SIGKILL)

    def memory_mb(self) -> float:
        """Peak resident set size. It counts the pages that it still shares with its zygote."""
        if self._exit_code is None:
            self._peak_kb = max(self._peak_kb, _peak_kb(self.pid))
        return self._peak_kb / 1024

    def ended(self, exit_code: int, peak_kb: int) -> None:
        self._exit_code, self._peak_kb = exit_code, max(peak_kb, self._peak_kb)
        self._ended.set()


def _peak_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # ended a moment ago, or a system without /proc: the peak is known once it has ended
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


class _Owned(Protocol):
    """The process at a link's other end."""

    pid: int

    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int | None: ...


class ZygoteLink:
    """The region's end of one zygote: requests go out under a lock, a thread takes in what it reports."""

    def __init__(self, family: str, control: socket.socket, process: _Owned) -> None:
        self.family = family
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Future[Worker], int, str]] = {}
        self.workers: dict[int, Worker] = {}
        self.closed = False
        self.ready = threading.Event()  # or closed
        self._used = time.monotonic()
        self._socket = control
        self._process = process
        self.pid = process.pid
        threading.Thread(target=self._listen, name=f"zygote-{family}", daemon=True).start()

    def spawn(self, spec: ProcessSpec, control: socket.socket | None = None) -> Worker:
        """With ``control``, a worker that becomes a zygote at the other end of it."""
        reader, writer = os.pipe()
        future: Future[Worker] = Future()
        number = next(self._ids)
        request = {
            "op": "spawn",
            "id": number,
            "entry": spec.entry,
            "argv": list(spec.argv),
            "env": dict(spec.env),
            "cwd": str(spec.cwd),
            "python_path": list(spec.python_path),
        }
        try:
            with self._lock:
                if self.closed:
                    raise wire.Closed("the zygote has ended")
                self._used = time.monotonic()
                self._waiting[number] = (future, reader, spec.entry)
                wire.send(self._socket, request, [writer] if control is None else [writer, control.fileno()])
        except (wire.Closed, ValueError):
            self._waiting.pop(number, None)
            os.close(reader)
            raise
        finally:
            os.close(writer)
        return future.result(_SPAWN_SECONDS)

    def signal(self, pid: int, number: int) -> None:
        with self._lock:
            if not self.closed and pid in self.workers:
                wire.send(self._socket, {"op": "signal", "pid": pid, "signal": int(number)})

    def close(self, kill: bool = False) -> None:
        """End the zygote and, with it, all its workers. One that still loads hears of it late, unless killed."""
        if kill:
            self._process.kill()
        with contextlib.suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.wait()

    def _listen(self) -> None:
        try:
            while True:
                self._take(wire.receive(self._socket)[0])
        except (wire.Closed, OSError):
            log.debug("the %s zygote has ended", self.family)
        finally:
            self._gone()

    def _take(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            log.debug("the %s zygote (%d) was ready in %s s", self.family, self.pid, message["ready"])
            self.ready.set()
        elif "id" in message:
            with self._lock:
                future, reader, entry = self._waiting.pop(message["id"])
                worker = self.workers[message["pid"]] = Worker(self, message["pid"], reader, entry)
            future.set_result(worker)
        else:
            with self._lock:
                worker = self.workers.pop(message["pid"])
                self._used = time.monotonic()
            worker.ended(message["exit"], message["peak_kb"])
            self._retire_later()

    def _retire_later(self) -> None:
        seconds = _IDLE_SECONDS.get(self.family)
        if seconds is not None and not self.workers:
            timer = threading.Timer(seconds, self._retire, [seconds])
            timer.daemon = True
            timer.start()

    def _retire(self, seconds: float) -> None:
        """End, unless it was used meanwhile. Whoever asks for a worker after that gets a new zygote."""
        with self._lock:
            if self.closed or self.workers or self._waiting or time.monotonic() - self._used < seconds:
                return
            self.closed = True
        self._socket.shutdown(socket.SHUT_RDWR)

    def _gone(self) -> None:
        """The zygote has ended; the kernel kills its workers."""
        with self._lock:
            self.closed = True
            workers, self.workers = self.workers, {}
            waiting, self._waiting = self._waiting, {}
        self.ready.set()
        self._process.wait()
        for worker in workers.values():
            worker.ended(-signal.SIGKILL, 0)
        for future, reader, _ in waiting.values():
            os.close(reader)
            future.set_exception(ProcessError(f"the {self.family} zygote ended before it forked; see the region's log"))
        self._socket.close()


def _start(family: str) -> ZygoteLink:
    """A family's zygote: a Python process of its own."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # A BLAS that starts threads when it is imported can't be forked safely.
    environment |= {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    # OpenMP reads this when it is loaded, so it has to stand before the fork. Threads that spin while they wait
    # fight over two cores: a fit of 76 small rounds took 1.8 to 5.5 s on a busy machine, and .05 s like this.
    environment |= {"OMP_WAIT_POLICY": "PASSIVE"}
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "local_region.processes.zygote"]
    command += ["--family", family, "--control", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd=_ROOT, env=environment
        )
    return ZygoteLink(family, ours, process)


class LoadedProcess:
    """``ports.Loader``."""

    def __init__(self, link: ZygoteLink, worker: Worker, forget: Callable[[LoadedProcess], None]) -> None:
        self.link, self._worker, self._forget = link, worker, forget

    def loaded(self, timeout: float) -> bool | None:
        return not self.link.closed if self.link.ready.wait(timeout) else None

    def lines(self) -> Iterator[str]:
        return self._worker.lines()

    def spawn(self, spec: ProcessSpec) -> Worker | None:
        try:
            return self.link.spawn(spec)
        except (wire.Closed, ProcessError):  # before it was asked, or before it answered
            return None

    def close(self) -> None:
        self.link.close(kill=True)
        self._forget(self)


class ZygoteProcesses:
    """``ports.Processes``: a zygote for each family, started when first needed."""

    def __init__(self) -> None:
        self._links: dict[str, ZygoteLink] = {}
        self._loaded: set[LoadedProcess] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def spawn(self, spec: ProcessSpec) -> Process:
        """``ProcessError`` when the zygote can't be started or answers no more."""
        return self._spawn(spec)

    def _spawn(self, spec: ProcessSpec, control: socket.socket | None = None) -> Worker:
        try:
            try:
                return self.warm(spec.family).spawn(spec, control)
            except wire.Closed:  # it ended, idle, since it was looked up
                return self.warm(spec.family).spawn(spec, control)
        except (wire.Closed, TimeoutError) as error:
            raise ProcessError(f"no {spec.family} worker could be forked: {error}") from error

    def warm(self, family: str) -> ZygoteLink:
        """The family's zygote, started without waiting for its imports if there is none. ``ProcessError`` once all
        is stopped: nobody would end a new one."""
        with self._lock:
            if self._stopped:
                raise ProcessError(f"no {family} worker is started any more: the region ends")
            link = self._links.get(family)
            if link is None or link.closed:
                link = self._links[family] = _start(family)
            return link

    def load(self, spec: ProcessSpec) -> LoadedProcess:
        """A worker that runs ``spec``'s entry and then forks others. ``ProcessError`` as ``spawn``."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                worker = self._spawn(spec, theirs)
        except ProcessError:
            ours.close()
            raise
        made = LoadedProcess(ZygoteLink(spec.family, ours, worker), worker, self._loaded.discard)
        with self._lock:
            if not self._stopped:
                self._loaded.add(made)
                return made
        made.close()
        raise ProcessError(f"no {spec.family} worker is started any more: the region ends")

    def running(self) -> list[dict[str, Any]]:
        """What runs now, for people: ``{pid, family, entry, peak_mb}``, zygotes included."""
        with self._lock:
            links = [link for link in self._links.values() if not link.closed]
            loaded = [each.link for each in self._loaded]
        rows = [{"pid": link.pid, "family": link.family, "entry": "zygote"} for link in links]
        for link in links + loaded:
            for worker in list(link.workers.values()):
                row = {"pid": worker.pid, "family": worker.family, "entry": worker.entry}
                rows.append({**row, "peak_mb": round(worker.memory_mb(), 1)})
        return rows

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            links, self._links = list(self._links.values()), {}
            loaded = list(self._loaded)
        for each in loaded:
            each.close()
        for link in links:
            link.close()
