"""The local region as a background process: found, started, asked, ended.

A region keeps ``region.json`` in its state folder while it runs. The folder is ``--state-dir``, else
``SLUICE_STATE_DIR``, else the nearest ``.sluice`` at or above the current folder, else ``.sluice`` here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sluice.errors import CliError

DEFAULT_PORT = 4566
HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no part in loopback traffic


@dataclass(frozen=True)
class RegionInfo:
    """What a running region says about itself in ``region.json``."""

    endpoint: str
    pid: int
    port: int
    region: str
    account_id: str
    access_key_id: str
    secret_access_key: str
    started_at: str
    state_dir: Path


def find_state_dir(explicit: str | None = None, start: Path | None = None) -> Path:
    """The state folder that this invocation means; it need not exist."""
    named = explicit or os.environ.get("SLUICE_STATE_DIR")
    if named:
        return Path(named).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ".sluice").is_dir():
            return folder / ".sluice"
    return here / ".sluice"


def read_info(state_dir: Path) -> RegionInfo | None:
    """``region.json`` of the folder, or None when there is none (or it is half written)."""
    try:
        text = (state_dir / "region.json").read_text()
        data: dict[str, Any] = json.loads(text)
        return RegionInfo(
            endpoint=str(data["endpoint"]),
            pid=int(data["pid"]),
            port=int(data["port"]),
            region=str(data["region"]),
            account_id=str(data["account_id"]),
            access_key_id=str(data["access_key_id"]),
            secret_access_key=str(data["secret_access_key"]),
            started_at=str(data["started_at"]),
            state_dir=state_dir,
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] != "Z"


def is_region(pid: int) -> bool:
    """Whether the process is a local region (its id may have been given to another program since)."""
    if not is_alive(pid):
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # no /proc on this system: trust region.json
        return True
    return b"local_region" in command


def get_json(url: str | urllib.request.Request, timeout: float = 5.0) -> dict[str, Any]:
    """GET of a control address of the region. ``OSError`` (or ``ValueError``) when it doesn't answer as one."""
    with _direct.open(url, timeout=timeout) as answer:
        body = json.loads(answer.read())
    if not isinstance(body, dict):
        raise ValueError(f"{url if isinstance(url, str) else url.full_url} did not answer with an object")
    return body


def post_json(url: str, body: dict[str, Any], timeout: float = 15.0) -> dict[str, Any]:
    """POST to a control address. ``CliError`` in the region's own words when it says no; else as ``get_json``."""
    asked = urllib.request.Request(  # noqa: S310 - the region's own address
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        return get_json(asked, timeout)
    except urllib.error.HTTPError as error:
        try:
            reason = json.loads(error.read())["error"]
        except (ValueError, KeyError, TypeError):
            raise error from None
        raise CliError(str(reason)) from error


def health(endpoint: str, timeout: float = 5.0) -> dict[str, Any] | None:
    """The region's own report, or None when nothing (or something else) answers there."""
    try:
        return get_json(f"{endpoint}/_local/health", timeout)
    except (OSError, ValueError):
        return None


def running(state_dir: Path) -> RegionInfo | None:
    """The region that runs in this folder, or None."""
    info = read_info(state_dir)
    return info if info and is_region(info.pid) else None


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start(state_dir: Path, port: int, progress: Callable[[str], None]) -> RegionInfo:
    """Start a region in the background and wait until it is healthy. One that somebody else is starting in this
    folder right now is waited for instead.

    Raises:
        CliError: folder or port can't be used, or the region ended or didn't answer in time.
    """
    free = port_is_free(port)  # asked first: whoever listens for this folder has taken it before
    other = _holder(state_dir)
    if other is not None:
        return _wait(state_dir, other, partial(_ended_meanwhile, other), progress)
    if not free:
        raise _taken(port)
    log = state_dir / "region.log"
    command = [sys.executable, "-m", "local_region", "serve", "--port", str(port), "--state-dir", str(state_dir)]
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # its own session: Ctrl-C in this terminal is not for the region
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
    except OSError as error:
        raise CliError(
            f"The state folder {state_dir} can't be used: {error.strerror or error}.",
            "Name another one with --state-dir (or SLUICE_STATE_DIR).",
        ) from error

    def ended() -> str | None:
        return None if process.poll() is None else f"exit status {process.returncode}"

    try:
        return _wait(state_dir, process.pid, ended, progress)
    except BaseException as error:
        if process.poll() is None:  # nobody waits for it any more: too slow, or Ctrl-C
            process.terminate()
        other = _holder(state_dir)
        if isinstance(error, CliError) and other not in (None, process.pid):
            return start(state_dir, port, progress)
        raise


def _wait(state_dir: Path, pid: int, ended: Callable[[], str | None], progress: Callable[[str], None]) -> RegionInfo:
    """The region of process ``pid`` once it is healthy. ``ended`` says how the process ended, None while it runs."""
    log = state_dir / "region.log"
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        how = ended()
        if how is not None:
            raise CliError(
                f"The local region ended while starting ({how}).\n{_tail(log)}", f"The whole log is in {log}."
            )
        info = read_info(state_dir)
        if info and info.pid == pid and health(info.endpoint, timeout=2.0) is not None:
            return info
        progress(f"starting the local region ({time.monotonic() - began:.0f} s)")
        time.sleep(0.05)
    raise CliError(f"The local region did not answer within {START_SECONDS:.0f} s.", f"Its log is in {log}.")


def _ended_meanwhile(pid: int) -> str | None:
    return None if is_region(pid) else "it was started by another command"


def _holder(state_dir: Path) -> int | None:
    """The region's process that has taken the folder, healthy already or not."""
    try:
        text = (state_dir / "region.lock").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and is_region(int(text)) else None


def stop(info: RegionInfo) -> None:
    """End the region and wait until it is gone. Its workers end with it."""
    _signal(info.pid, signal.SIGTERM)
    if not _gone(info.pid, STOP_SECONDS):
        _signal(info.pid, signal.SIGKILL)
        if not _gone(info.pid, 5.0):
            raise CliError(f"Process {info.pid} doesn't end.", f"Look at it with `ps -fp {info.pid}`.")
    (info.state_dir / "region.json").unlink(missing_ok=True)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise CliError(
            f"The region's process {pid} belongs to another user.", "End it as the user who started it."
        ) from error


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _taken(port: int) -> CliError:
    found = health(f"http://{HOST}:{port}", timeout=2.0)
    if found is not None:
        who = f"another local region (of another folder: process {found.get('pid')})"
    else:
        who = _speaks(port)
    return CliError(
        f"Port {port} is taken by {who}.",
        f"Choose another one: `sluice up --port {free_port()}` (with make: `make up PORT=…`).",
    )


def _speaks(port: int) -> str:
    try:
        with _direct.open(f"http://{HOST}:{port}/", timeout=2.0) as answer:
            server = answer.headers.get("Server")
    except urllib.error.HTTPError as error:
        server = error.headers.get("Server") or f"a web server ({HTTPStatus(error.code).phrase})"
    except (OSError, ValueError):
        server = None
    return f"another program ({server})" if server else "another program"


def _tail(log: Path, lines: int = 15) -> str:
    try:
        text = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n".join(f"  | {line}" for line in text)


def memory(pid: int) -> list[tuple[int, str, float]]:
    """(pid, what it is, MB) of a process and all below it: the proportional share, so shared pages count once.

    Empty where the system has no ``/proc`` (then memory is simply not shown).
    """
    if not Path("/proc/self/stat").exists():
        return []
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop(0)
        waiting.extend(sorted(children.get(current, ())))
        try:
            share = (Path("/proc") / str(current) / "smaps_rollup").read_text()
            title = (Path("/proc") / str(current) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            name = (Path("/proc") / str(current) / "comm").read_text().strip()
        except OSError:
            continue
        kilobytes = next((int(line.split()[1]) for line in share.splitlines() if line.startswith("Pss:")), 0)
        found.append((current, title or name, kilobytes / 1024))
    return found
