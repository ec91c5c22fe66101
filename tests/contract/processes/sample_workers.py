"""Entries for the workers of test_zygote."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def report(arguments: list[str]) -> int:
    import numpy

    print(
        json.dumps(
            {
                "arguments": arguments,
                "environment": dict(os.environ),
                "folder": str(Path.cwd()),
                "path": sys.path[:1],
                "descriptors": [number for number in range(256) if is_open(number)],
                "stdin": sys.stdin.read(),
                "threads": threading.active_count(),
                "random": random.random(),
                "numpy": float(numpy.random.random()),
                "preloaded": sorted(set(sys.modules) & {"duckdb", "boto3", "xgboost", "sklearn", "pandas"}),
            }
        )
    )
    print("to stderr", file=sys.stderr)
    return int(arguments[0])


def crash(_arguments: list[str]) -> int:
    raise ValueError("what went wrong")


def leave(_arguments: list[str]) -> int:
    sys.exit("a message instead of a number")


def bytes_out(_arguments: list[str]) -> int:
    sys.stdout.buffer.write(b"caf\xe9\r\nlast line without an end")
    return 0


def use_memory(_arguments: list[str]) -> int:
    block = bytearray(150 * 1024 * 1024)
    print(len(block))
    return 0


def stay(arguments: list[str]) -> int:
    if "deaf" in arguments:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "parent" in arguments:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(child.pid, flush=True)
    print("ready", flush=True)
    time.sleep(0 if "brief" in arguments else 600)
    return 0


HELD: list[str] = []


def hold(arguments: list[str]) -> int:
    """For a process that others are forked from."""
    if "slowly" in arguments:
        print("reading", flush=True)
        time.sleep(600)
    if "thread" in arguments:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    HELD.extend(arguments)
    return int("badly" in arguments)


def show(_arguments: list[str]) -> int:
    print(json.dumps(HELD))
    return 0
