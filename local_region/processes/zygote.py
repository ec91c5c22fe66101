"""A process that has a family's heavy modules loaded and forks a worker for each request.

Run as ``python -m local_region.processes.zygote --family function --control <fd>``. It has one thread, so a fork copies
no lock in an unknown state. Requests and reports (``wire``) travel over the inherited socket ``--control``:

* ``{"op": "spawn", "id", "entry", "argv", "env", "cwd", "python_path"}`` with the worker's output as descriptor
  → ``{"id", "pid"}``, and when the worker ends ``{"pid", "exit", "peak_kb"}``
* ``{"op": "signal", "pid", "signal"}``: to the worker, unless it has ended (so a number used again is never hit)

A spawn request with a second descriptor makes a worker that becomes a zygote itself, with that as its control, once its
entry has ended well: what the entry left in memory is then there in each of *its* workers. It says
``{"ready": seconds}`` first. A worker whose entry left a second thread ends instead.

When the region goes, however that happens, the socket ends; then the zygote kills its workers and goes too. Should the
zygote itself be killed, the kernel kills the workers (Linux), or a pipe that ends tells them (elsewhere).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from local_region.hidden import hidden
from local_region.processes import worker
from local_region.processes.wire import Closed, receive, send

#: What a family has loaded before it forks. Only modules of the locked environment, none that starts a thread.
PRELOADED = {
    "function": (
        "simplejson",  # what awslambdaric needs; its own C client reads the environment when it is imported
        "boto3",
        "botocore.auth",
        "botocore.client",
        "botocore.httpsession",
        "botocore.endpoint",
        "aws_lambda_powertools.logging",
        "duckdb",
        "numpy",
        "yaml",
        "pydantic",
        # pydantic and boto3 import these when they are first used
        "pydantic.main",
        "pydantic.fields",
        "pydantic.functional_validators",
        "boto3.dynamodb.types",
    ),
    "xgboost": ("numpy", "xgboost"),
    "sklearn": (
        "numpy",
        "scipy.sparse",
        "scipy.optimize",
        "sklearn.cluster",
        "sklearn.decomposition",
        "sklearn.ensemble",
        "sklearn.linear_model",
        "sklearn.svm",
    ),
}

#: Services whose description boto3 has read before the fork: a function's first client then costs a few milliseconds.
DESCRIBED = {
    "function": ("s3", "dynamodb", "sqs", "sagemaker", "events", "cloudwatch", "application-autoscaling"),
    "xgboost": (),
    "sklearn": (),
}

#: Optional companions that these would load if they are installed: 100 MB that the containers have no use for.
_SKIPPED = {
    "function": (),
    "xgboost": ("pandas", "sklearn", "pyarrow", "dask", "cupy"),
    "sklearn": ("pandas", "pyarrow", "polars", "matplotlib"),
}

#: exit status of a worker that should have become a zygote and has more than one thread: a fork copies only one of them
_THREADED = 3


class Zygote:
    """Forks workers, reaps them, and reports both."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._workers: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        self._alive_read, self._alive_write = os.pipe()
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Serve until the region is gone."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Ctrl-C goes to the whole foreground group; the region decides when its workers stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        try:
            while True:
                ready = {key.fd for key, _ in self._selector.select()}
                if self._wake_read in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
                    self._reap()
                if self._control.fileno() in ready:
                    self._serve()
        except Closed:
            self._end()

    def _serve(self) -> None:
        message, descriptors = receive(self._control)
        if message["op"] == "spawn":
            if not descriptors:
                raise ValueError("a spawn request comes with the worker's output")
            pid = self._fork(message, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            self._workers.add(pid)
            send(self._control, {"id": message["id"], "pid": pid})
        elif message["op"] == "signal" and message["pid"] in self._workers:
            os.kill(message["pid"], message["signal"])

    def _fork(self, message: dict[str, Any], output: int, control: int | None = None) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_worker(message, output, control, parent)
        return pid

    def _become_worker(self, message: dict[str, Any], output: int, control: int | None, parent: int) -> NoReturn:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._selector.close()
        self._control.close()
        for descriptor in (self._wake_read, self._wake_write, self._alive_write):
            os.close(descriptor)
        then = None if control is None else partial(_go_on, control, time.perf_counter())
        worker.become(message, output, parent, self._alive_read, then)

    def _reap(self) -> None:
        while self._workers:
            # Look first without reaping: while the number is held, killing the group can't hit a stranger.
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(ended.si_pid, signal.SIGKILL)
            pid, status, usage = os.wait4(ended.si_pid, 0)
            self._workers.discard(pid)
            # ru_maxrss counts kilobytes on Linux and bytes on macOS.
            peak = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
            send(self._control, {"pid": pid, "exit": os.waitstatus_to_exitcode(status), "peak_kb": peak})

    def _end(self) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            # Before its setsid a worker leads no group yet.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in self._workers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _preload(names: Iterable[str], skipped: Iterable[str]) -> None:
    """Import ``names`` as if ``skipped`` weren't installed; later imports find them all the same."""
    with hidden(skipped):
        for name in names:
            importlib.import_module(name)


def _describe(services: Iterable[str]) -> None:
    """Let boto3's default session read the descriptions of ``services``, which it keeps.

    The clients made here are thrown away. Settings and credentials of the zygote don't reach a worker: botocore reads
    them from ``os.environ`` when a client is made, and explicit credentials are not kept in the session.
    """
    if not services:
        return
    import boto3

    for service in services:
        boto3.client(  # type: ignore[call-overload] # the stubs want the service's name as a literal
            service,
            region_name="us-east-1",
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106 (nothing is ever sent with it)
        )


def _serve(control: socket.socket, started: float) -> None:
    """Fork workers until the region closes ``control``. ``started``: when loading began, by ``perf_counter``."""
    gc.collect()
    # What is loaded now is never collected, so a worker's garbage collector doesn't touch (and copy) shared pages.
    gc.freeze()
    with contextlib.suppress(Closed):  # the region went while we were loading
        send(control, {"ready": round(time.perf_counter() - started, 3)})
        Zygote(control).run()


def _go_on(control: int, started: float) -> int:
    """A worker whose entry has ended well becomes a zygote, if it may. Returns its exit status."""
    tasks = Path("/proc/self/task")
    threads = len(list(tasks.iterdir())) if tasks.is_dir() else None
    if threads != 1:
        many = f"it has {threads} threads" if threads else "this system doesn't tell its threads"
        print(f"This process can't fork workers safely: {many}.", file=sys.stderr)
        return _THREADED
    _serve(socket.socket(fileno=control), started)
    return 0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="local_region.processes.zygote")
    parser.add_argument("--family", required=True, choices=sorted(PRELOADED))
    parser.add_argument("--control", required=True, type=int)
    options = parser.parse_args(arguments)
    control = socket.socket(fileno=options.control)
    control.set_inheritable(False)
    started = time.perf_counter()
    _preload(PRELOADED[options.family], _SKIPPED[options.family])
    _describe(DESCRIBED[options.family])
    _serve(control, started)
    # At once: some native modules complain at length when an interpreter that froze their objects is torn down.
    os._exit(0)


if __name__ == "__main__":
    main()
