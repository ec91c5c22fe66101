"""All workers of all functions: one call a worker, more workers on demand up to a limit, idle ones ended."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from local_region.functions.model import Function
from local_region.functions.worker import Invocation, LogWriter, Worker
from local_region.ports import AwsError, Region

_log = logging.getLogger(__name__)
#: calls that run at the same time, over all functions. AWS's limit is 1,000; this is one machine.
REGION_CONCURRENCY = 10
#: processes kept, idle ones included
MAX_WORKERS = 24
#: how long a synchronous call waits when the region (not the function's reservation) has no place, in seconds
PATIENCE = 10.0

Spawn = Callable[[Function], Worker]


def throttled(reason: str, message: str = "Rate Exceeded.") -> AwsError:
    return AwsError("TooManyRequestsException", message, 429, {"Type": "User", "Reason": reason})


class Fleet:
    """``spawn`` makes a worker; the default forks a process."""

    def __init__(
        self,
        region: Region,
        logs: LogWriter,
        spawn: Spawn | None = None,
        limit: int = REGION_CONCURRENCY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region = region
        self._logs = logs
        self._spawn = spawn or self._fork
        self._limit = limit
        self._monotonic = monotonic
        self._change = threading.Condition()
        self._idle: list[Worker] = []  # the one used last is last
        self._busy: dict[str, set[Worker]] = {}
        self._taken: dict[str, int] = {}  # places taken by function name, a worker being forked included
        self._current: dict[str, str] = {}  # the revision that new calls use
        self._stopped = False
        self._reaper = threading.Thread(target=self._reap, name="function-reaper", daemon=True)

    def start(self) -> None:
        self._reaper.start()

    def _fork(self, function: Function) -> Worker:
        folder = Path(self._region.config.state_dir) / "functions" / "tmp" / uuid.uuid4().hex
        try:
            return Worker(self._region, function, folder, self._logs)
        except RuntimeError as error:
            raise AwsError(
                "ServiceException", f"The function {function.spec.name} could not be started: {error}", 500
            ) from error

    def run(self, function: Function, call: Invocation, patience: float | None = None) -> None:
        """Run ``call`` to its end. ``AwsError`` TooManyRequestsException when no place is free in time."""
        worker = self._acquire(function, patience)
        call.concurrent = self._taken.get(function.spec.name, 1)
        try:
            worker.run(call)
        finally:
            self._release(worker)

    def _full(self, function: Function) -> str | None:
        """Why no further call may start now."""
        reserved = function.spec.reserved_concurrency
        if reserved is not None and self._taken.get(function.spec.name, 0) >= reserved:
            return "ReservedFunctionConcurrentInvocationLimitExceeded"
        if sum(self._taken.values()) >= self._limit:
            return "ConcurrentInvocationLimitExceeded"
        return None

    def _acquire(self, function: Function, patience: float | None) -> Worker:
        name = function.spec.name
        start = self._monotonic()
        with self._change:
            self._current[name] = function.revision
            while (reason := self._full(function)) is not None:
                allowed = patience
                if allowed is None:
                    allowed = 0.0 if reason.startswith("Reserved") else PATIENCE
                left = start + allowed - self._monotonic()
                if left <= 0 or self._stopped:
                    raise throttled(reason)
                self._change.wait(left)
            self._taken[name] = self._taken.get(name, 0) + 1
            worker = self._take_idle(function)
            extra = self._make_room() if worker is None else []
        for old in extra:
            old.close()
        try:
            if worker is None:
                worker = self._spawn(function)
        except BaseException:
            with self._change:
                self._give_back(name)
            raise
        with self._change:
            self._busy.setdefault(name, set()).add(worker)
        return worker

    def _take_idle(self, function: Function) -> Worker | None:
        for worker in reversed(self._idle):
            if worker.function.revision == function.revision and not worker.dead:
                self._idle.remove(worker)
                return worker
        return None

    def _make_room(self) -> list[Worker]:
        surplus = len(self._idle) + sum(self._taken.values()) - MAX_WORKERS
        out, self._idle = self._idle[: max(surplus, 0)], self._idle[max(surplus, 0) :]
        return out

    def _give_back(self, name: str) -> None:
        self._taken[name] -= 1
        self._change.notify_all()

    def _release(self, worker: Worker) -> None:
        name = worker.function.spec.name
        with self._change:
            self._busy[name].discard(worker)
            keep = not (worker.dead or self._stopped or self._current.get(name) != worker.function.revision)
            if keep:
                worker.idle_since = self._monotonic()
                self._idle.append(worker)
            self._give_back(name)
        if not keep:
            worker.close()

    def retire(self, name: str, revision: str | None) -> None:
        """The function changed (None: is gone): idle workers of older revisions end now, busy ones after their call."""
        with self._change:
            self._current[name] = revision or ""
            old = [w for w in self._idle if w.function.spec.name == name and w.function.revision != revision]
            self._idle = [w for w in self._idle if w not in old]
        for worker in old:
            worker.close()

    def _reap(self) -> None:
        patience = self._region.config.function_idle_seconds
        while True:
            with self._change:
                if self._stopped:
                    return
                now = self._monotonic()
                old = [w for w in self._idle if w.dead or now - w.idle_since >= patience]
                self._idle = [w for w in self._idle if w not in old]
                if not old:
                    next_end = min((w.idle_since + patience - now for w in self._idle), default=None)
                    self._change.wait(next_end)
            for worker in old:
                worker.close()

    def workers(self) -> dict[str, int]:
        """How many processes each function has."""
        with self._change:
            counts: dict[str, int] = {}
            for worker in [*self._idle, *(w for busy in self._busy.values() for w in busy)]:
                counts[worker.function.spec.name] = counts.get(worker.function.spec.name, 0) + 1
            return counts

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            workers = [*self._idle, *(w for busy in self._busy.values() for w in busy)]
            self._idle = []
            self._change.notify_all()
        for worker in workers:
            worker.close()
