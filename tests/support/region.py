"""A real region in a process of its own, on a free port, with a state folder that is gone afterwards.

    from tests.support.region import region          # the session-scoped fixture

When a test that uses it fails, the end of the region's log is part of the report.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from tests.support.shapes import watch

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
_TAIL = 60
T = TypeVar("T")


def wait_for(ask: Callable[[], T | None], seconds: float = 20.0, what: str = "it", every: float = 0.02) -> T:
    """The first answer of ``ask`` that is neither None nor False nor empty."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s (last answer: {answer!r})")
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class RunningRegion:
    """What a test needs of a region: ``client("s3")``, its endpoint, credentials, folder, log and process."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region_name: str
    account_id: str
    state_dir: Path
    log_path: Path
    process: subprocess.Popen[bytes]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, **settings: Any) -> Any:
        """A boto3 client onto the region as its owner; cached unless it gets settings of its own. An answer that
        isn't of its output shape is an AssertionError."""
        if not settings and service in self._clients:
            return self._clients[service]
        config = settings.pop("config", Config(retries={"max_attempts": 0}))
        client: Any = boto3.Session().client(  # type: ignore[call-overload]
            service,
            endpoint_url=settings.pop("endpoint_url", self.endpoint),
            aws_access_key_id=settings.pop("aws_access_key_id", self.access_key_id),
            aws_secret_access_key=settings.pop("aws_secret_access_key", self.secret_access_key),
            region_name=settings.pop("region_name", self.region_name),
            config=config,
            **settings,
        )
        watch(client)
        if not settings:
            self._clients[service] = client
        return client

    def control(self, path: str) -> Any:
        """The JSON of ``/_local/<path>``."""
        with urllib.request.urlopen(f"{self.endpoint}/_local/{path}", timeout=10) as answer:
            return json.load(answer)

    def advance(self, by: str, patience: float = 60.0, seconds: float = 120.0) -> dict[str, Any]:
        """Move the region's clock ahead (``+3h``) and wait until it is there. What was not done in time fails."""
        body = json.dumps({"advance": by, "patience_seconds": patience}).encode()
        request = urllib.request.Request(
            f"{self.endpoint}/_local/clock", body, {"Content-Type": "application/json"}, method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()

        def there() -> dict[str, Any] | None:
            state: dict[str, Any] = self.control("clock")
            return None if state["moving"] else state

        state = wait_for(there, seconds, f"the clock at {by}")
        assert not state["unsettled"], state["unsettled"]
        return state

    def events_after(self, number: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.control(f"events?after={number}")["events"]
        return events

    def last_event(self) -> int:
        return max((event["number"] for event in self.events_after(0)), default=0)

    def log_tail(self, lines: int = _TAIL) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def running_region(state_dir: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[RunningRegion]:
    """Start ``python -m local_region serve``, wait until it listens, and end it in the end."""
    state_dir.mkdir(parents=True, exist_ok=True)
    log_path = state_dir / "region.log"
    port = free_port()
    command = [sys.executable, "-m", "local_region", "serve", "--port", str(port), "--state-dir", str(state_dir)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--log-level", "debug", *options],
            cwd=ROOT,
            env={**_clean_environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        facts = _facts(process, state_dir, log_path)
        yield RunningRegion(
            endpoint=facts["endpoint"],
            access_key_id=facts["access_key_id"],
            secret_access_key=facts["secret_access_key"],
            region_name=facts["region"],
            account_id=facts["account_id"],
            state_dir=state_dir,
            log_path=log_path,
            process=process,
        )
    finally:
        _end(process)


def _clean_environment() -> dict[str, str]:
    """Ours without anything that points at another AWS account or region."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICE_", "MOTO_"))}


def _facts(process: subprocess.Popen[bytes], state_dir: Path, log_path: Path) -> dict[str, Any]:
    def read() -> dict[str, Any] | None:
        if process.poll() is not None:
            raise AssertionError(f"the region ended with {process.returncode}:\n{log_path.read_text(errors='replace')}")
        path = state_dir / "region.json"
        facts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        # One that was killed leaves its file behind; ours is the one that names our process.
        return facts if facts.get("pid") == process.pid else None

    return wait_for(read, START_SECONDS, "the region's start")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegion]:
    """One region for all tests of this process that only add to it."""
    with running_region(tmp_path_factory.mktemp("region") / "state") as running:
        yield running


@pytest.fixture(autouse=True)
def region_log_on_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a failed test, the end of the region's log on its output."""
    failed_before = request.session.testsfailed
    yield
    running = request.node.funcargs.get("region") if hasattr(request.node, "funcargs") else None
    if isinstance(running, RunningRegion) and request.session.testsfailed > failed_before:
        print(f"--- the end of {running.log_path} ---\n{running.log_tail()}")


def names(events: Sequence[dict[str, Any]]) -> list[str]:
    """The detail types of events, in order."""
    return [event["detail-type"] for event in events]
