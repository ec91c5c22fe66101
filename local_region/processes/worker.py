"""The first moments of a forked worker: it becomes what its request says, runs its entry and ends."""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: the largest status that a process can end with
_MAX_STATUS = 255
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def become(
    message: dict[str, Any], output: int, parent: int, alive: int, then: Callable[[], int] | None = None
) -> NoReturn:
    """Turn this fresh fork into the worker of ``message`` (see ``zygote``). ``output`` becomes stdout and stderr,
    ``alive`` is a pipe that ends with the zygote, whose process is ``parent``; ``then`` is what a worker goes on with
    whose entry ended well; it returns the status.
    """
    status = 1
    try:
        os.setsid()
        _die_with(parent, alive)
        _redirect(output)
        _enter(message)
        status = _run(message["entry"], list(message["argv"]))
        if status == 0 and then is not None:
            status = then()
    except BaseException:  # noqa: BLE001 - this is the process's outermost frame; what happened goes to its output
        traceback.print_exc()
    finally:
        _flush()
        # Not sys.exit: the zygote's own frames are below this one and must not go on in the worker.
        os._exit(status)


def _die_with(parent: int, alive: int) -> None:
    """End when the zygote ends, however it does."""
    if _LIBC is not None:
        os.close(alive)
        if _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)
        return
    threading.Thread(target=_watch, args=(alive,), daemon=True, name="death-pipe").start()


def _watch(alive: int) -> None:
    os.read(alive, 1)  # nothing is ever written: this returns when the last writer is gone
    os.kill(os.getpid(), signal.SIGKILL)


def _redirect(output: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for descriptor in {null, output} - {0, 1, 2}:
        os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _enter(message: dict[str, Any]) -> None:
    """Environment, folder, import path and random state of its own."""
    os.environ.clear()
    os.environ.update(message["env"])
    time.tzset()
    os.chdir(message["cwd"])
    sys.path[:0] = message["python_path"]
    importlib.invalidate_caches()
    sys.argv = [message["entry"], *message["argv"]]
    # A fork inherits its parent's generators: without this all workers would draw the same numbers.
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _run(entry: str, arguments: list[str]) -> int:
    module, _, function = entry.partition(":")
    try:
        result = getattr(importlib.import_module(module), function)(arguments)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return (stop.code or 0) & _MAX_STATUS
        print(stop.code, file=sys.stderr)
        return 1
    return int(result or 0) & _MAX_STATUS


def _flush() -> None:
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # the reader of the output is gone; there is nobody left to tell
