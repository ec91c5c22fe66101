"""One worker: a process that runs one function, one invocation at a time."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_region.functions import bootstrap
from local_region.functions.model import (
    INIT_SECONDS,
    Function,
    environment,
    exit_reason,
    import_options,
    python_path,
    report,
    stream_name,
    trace_id,
)
from local_region.functions.runtime_api import MAX_RESPONSE, RuntimeApi
from local_region.ports import Clock, Process, ProcessSpec, Region

_log = logging.getLogger(__name__)
_SIGNALS = {4: "illegal instruction", 6: "aborted", 9: "killed", 11: "segmentation fault", 15: "terminated"}
#: how much of an invocation's log a caller may ask for (bytes)
_TAIL = 4096


@dataclass
class Invocation:
    """One call. ``done`` is set with the outcome, ``logged`` when its last log line is written."""

    request_id: str
    payload: bytes
    client_context: str = ""
    done: threading.Event = field(default_factory=threading.Event)
    logged: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    error: str | None = None
    status: str = ""
    closing_lines: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    marked: bool = False
    started: float = 0.0
    seconds: float = 0.0
    init_seconds: float | None = None
    #: calls of the same function under way when this one began, itself included
    concurrent: int = 1

    def finish(self, answer: bytes, error: str | None = None, status: str = "", lines: tuple[str, ...] = ()) -> None:
        self.seconds = time.perf_counter() - self.started if self.started else 0.0
        self.answer, self.error, self.status, self.closing_lines = answer, error, status, lines
        self.done.set()

    def tail(self) -> str:
        return "".join(f"{line}\n" for line in self.lines).encode()[-_TAIL:].decode(errors="ignore")


#: what AWS's runtime client says when the API that it waits on is closed
_FAREWELL = "LAMBDA_RUNTIME Failed to get next invocation"


class Worker:
    """``run`` hands it a call; ``dead`` says it can't take another. Owned by one caller at a time."""

    def __init__(self, region: Region, function: Function, folder: Path, write: LogWriter) -> None:
        self.function = function
        self.idle_since = 0.0
        self._clock: Clock = region.clock
        self._write = write
        self._state = threading.Condition()
        self._ready = self._ended = self._closing = False
        self._init_error: bytes | None = None
        self._init_seconds: float | None = None
        self._inbox: Invocation | None = None
        self._current: Invocation | None = None
        self._logging: Invocation | None = None
        self._to_log: deque[Invocation] = deque()  # answered faster than their output was read
        self._exit_code: int | None = None
        self._memory = 0.0
        self._folder = folder
        self.stream = stream_name(region.clock.now())
        folder.mkdir(parents=True)
        self._born = time.perf_counter()
        self._api = RuntimeApi(self)
        try:
            self._process: Process = region.processes.spawn(self._spec(region))
        except BaseException:
            self._api.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        threading.Thread(target=self._pump, name=f"function-{function.spec.name}", daemon=True).start()

    def _spec(self, region: Region) -> ProcessSpec:
        keys = region.identities.credentials_for(self.function.spec.role_arn)
        variables = environment(self.function, region.config, self.stream, self._api.address, str(self._folder))
        variables |= {
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_SESSION_TOKEN": keys.session_token,
        }
        return ProcessSpec(
            entry="local_region.functions.bootstrap:main",
            argv=[self.function.spec.handler, json.dumps(import_options(self.function))],
            env=variables,
            cwd=self.function.fit.folder,
            family="function",
            python_path=python_path(self.function),
        )

    @property
    def dead(self) -> bool:
        return self._ended or self._closing or self._init_error is not None

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, call: Invocation) -> None:
        """Returns when ``call.done`` is set: answered, failed, timed out or crashed."""
        timeout = self.function.spec.timeout
        with self._state:
            self._state.wait_for(lambda: self._ready or self.dead, INIT_SECONDS + timeout)
            ready = self._ready and not self.dead
            self._current = call
            self._begin_log(call)
            if ready:
                call.init_seconds, self._init_seconds = self._init_seconds, None
                self._inbox = call
                self._state.notify_all()
        if not ready and not self._ended and self._init_error is None:
            call.started = self._born
            self._time_out(call, timeout)
        elif not ready:
            with self._state:
                self._state.wait_for(lambda: self._ended, 5.0)
                self._give_up(call)
        elif not call.done.wait(timeout) and not call.done.wait(0):
            self._time_out(call, timeout)

    def _time_out(self, call: Invocation, timeout: int) -> None:
        text = f"Task timed out after {timeout:.2f} seconds"
        stamp = f"{self._clock.now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        with self._state:
            if call.done.is_set():
                return
            self._memory = self._process.memory_mb()
            call.finish(
                json.dumps(
                    {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {call.request_id} Error: {text}"}
                ).encode(),
                "Unhandled",
                "Status: timeout",
                (f"{stamp} {call.request_id} {text}",),
            )
            call.seconds = float(timeout)
        self.close()

    def _give_up(self, call: Invocation) -> None:
        """The process is gone, or said that it can't start (the state's lock is held)."""
        if call.done.is_set():
            return
        if self._init_error is not None:
            try:
                body = json.loads(self._init_error)
            except ValueError:
                body = {"errorMessage": self._init_error.decode(errors="replace"), "errorType": "Runtime.Unknown"}
            if not isinstance(body, dict):
                body = {"errorMessage": str(body), "errorType": "Runtime.Unknown"}
            body["requestId"] = body.get("requestId") or call.request_id
            status = f"Status: error\tError Type: {body.get('errorType')}"
            call.finish(json.dumps(body).encode(), "Unhandled", status)
            return
        message = f"RequestId: {call.request_id} Error: {exit_reason(self._exit_code, _SIGNALS)}"
        call.finish(
            json.dumps({"errorType": "Runtime.ExitError", "errorMessage": message}).encode(),
            "Unhandled",
            "Status: error\tError Type: Runtime.ExitError",
            (message, "Runtime.ExitError"),
        )

    # What the process asks of the Runtime API.

    def next(self) -> tuple[Mapping[str, str], bytes] | None:
        with self._state:
            if not self._ready:
                self._init_seconds = time.perf_counter() - self._born
                self._ready = True
                self._state.notify_all()
            self._state.wait_for(lambda: self._inbox is not None or self.dead)
            call, self._inbox = self._inbox, None
            if call is None:
                return None
            now = self._clock.now()
            call.started = time.perf_counter()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": call.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.function.spec.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.function.arn,
            "Lambda-Runtime-Trace-Id": trace_id(now),
        }
        if call.client_context:
            headers["Lambda-Runtime-Client-Context"] = call.client_context
        return headers, call.payload

    def responded(self, request_id: str, payload: bytes) -> None:
        if len(payload) > MAX_RESPONSE:
            text = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            body = {"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}
            self._finish(request_id, json.dumps(body).encode(), "Unhandled")
        else:
            self._finish(request_id, payload, None)

    def failed(self, request_id: str, payload: bytes) -> None:
        self._finish(request_id, payload, "Unhandled")

    def init_failed(self, payload: bytes) -> None:
        with self._state:
            self._init_error = payload
            self._state.notify_all()

    def _finish(self, request_id: str, payload: bytes, error: str | None) -> None:
        with self._state:
            call = self._current
            if call is None or call.request_id != request_id or call.done.is_set():
                _log.warning("an answer to a call that is over: %s", request_id)
                return
            call.finish(payload, error)
            self._end_log(call)

    # The log. All of it with the state's lock held.

    def _emit(self, line: str) -> None:
        if self._logging is not None:
            self._logging.lines.append(line)
        self._write.put(self.function.log_group, self.stream, line)

    def _begin_log(self, call: Invocation) -> None:
        if self._logging is not None and not self._ended:
            self._to_log.append(call)
            return
        self._logging = call
        self._emit(f"START RequestId: {call.request_id} Version: $LATEST")
        if self._ended:
            self._give_up(call)
            self._end_log(call, force=True)

    def _end_log(self, call: Invocation, force: bool = False) -> None:
        """END and REPORT follow when the answer came *and* all output before it was read."""
        if self._logging is not call or not (force or (call.marked and call.done.is_set())):
            return
        self._memory = max(self._memory, self._process.memory_mb())
        for line in call.closing_lines:
            self._emit(line)
        self._emit(f"END RequestId: {call.request_id}")
        self._emit(
            report(
                call.request_id,
                call.seconds,
                self.function.spec.memory_mb,
                self._memory,
                call.init_seconds,
                call.status,
            )
        )
        self._logging = None
        call.logged.set()
        if self._to_log:
            self._begin_log(self._to_log.popleft())

    def _pump(self) -> None:
        code: int | None = None
        try:
            for line in self._process.lines():
                with self._state:
                    text, mark, request_id = line.partition(bootstrap.END_MARK)
                    if self._closing and _FAREWELL in text:
                        continue  # a sandbox of Lambda's that is ended says nothing
                    if text or not mark:
                        self._emit(text.replace("\r", "\n"))
                    call = self._logging
                    if mark and call is not None and call.request_id == request_id.strip():
                        call.marked = True
                        self._end_log(call)
            code = self._process.wait(5.0)
        finally:
            self._process_ended(code)

    def _process_ended(self, code: int | None) -> None:
        with self._state:
            self._exit_code, self._ended = code, True
            self._state.notify_all()
            if self._current is not None:
                self._give_up(self._current)
            while (call := self._logging) is not None:  # ending one begins the next
                self._end_log(call, force=True)
        self._api.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """End the process now. What it was doing is lost."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        with contextlib.suppress(OSError):  # it, or its zygote, has ended already
            self._process.kill()
        self._api.close()


class LogWriter:
    """Writes log lines in the background, in order, many at a time."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._pending: list[tuple[str, str, str]] = []
        self._wake = threading.Condition()
        self._stopped = False
        self._writing = False
        self._thread = threading.Thread(target=self._run, name="function-logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pending(self) -> bool:
        """Whether a line is still to be written."""
        with self._wake:
            return bool(self._pending) or self._writing

    def put(self, group: str, stream: str, line: str) -> None:
        with self._wake:
            self._pending.append((group, stream, line))
            self._wake.notify()

    def stop(self) -> None:
        """Everything put before is written when this returns."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._writing = False
                self._wake.wait_for(lambda: self._pending or self._stopped)
                batch, self._pending = self._pending, []
                self._writing = True
                if not batch:
                    return
            streams: dict[tuple[str, str], list[str]] = {}
            for group, stream, line in batch:
                streams.setdefault((group, stream), []).append(line)
            for (group, stream), lines in streams.items():
                try:
                    self._region.logs.write(group, stream, lines)
                except Exception:  # noqa: BLE001 - the log store's failure must not end the thread that all logs go through
                    _log.exception("could not write %d lines to %s %s", len(lines), group, stream)
