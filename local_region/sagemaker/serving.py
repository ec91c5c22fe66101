"""One serving process: folder, model, start, /ping, requests, restart."""

from __future__ import annotations

import itertools
import logging
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from local_region.ports import Process, ProcessSpec, Region
from local_region.sagemaker import archives, programs
from local_region.sagemaker.output import LogLines
from local_region.sagemaker.sources import split_uri
from local_region.sagemaker.wire import Client, ModelTimeout, Unreachable

log = logging.getLogger(__name__)
_numbers = itertools.count(1)
#: SageMaker's default for the container to pass /ping
PING_SECONDS = 60.0
#: between two tries to start again a process that doesn't come up
RETRY_SECONDS = 5.0


class StartFailure(Exception):
    """The model can't be served; the text is what FailureReason says."""


class Server:
    """A process that serves one model. ``start`` returns when ``/ping`` is answered 200."""

    def __init__(
        self,
        region: Region,
        image: str,
        model_url: str | None,
        environ: Mapping[str, str],
        group: str,
        stream: str,
        role: str | None = None,
    ) -> None:
        problem = programs.problem_of(region, image)
        if problem is not None:
            raise StartFailure(problem)
        self._region, self._image, self._url, self._role = region, image, model_url, role
        self._spec: ProcessSpec | None = None
        self._group, self.stream = group, stream
        self._environ = dict(environ)
        self.folder = (region.config.state_dir / "sagemaker" / f"serve-{next(_numbers)}").resolve()
        self.client: Client | None = None
        self.process: Process | None = None
        self._output: LogLines | None = None
        self._lock = threading.Lock()
        self._retry_at = 0.0
        self.stopping = False

    def start(self, timeout: float = PING_SECONDS) -> None:
        """``StartFailure`` says why it does not serve; nothing is left then."""
        try:
            self._load()
            self._prepare()
            self._launch(timeout)
        except BaseException:
            self.stop()
            raise

    def _load(self) -> None:
        model = self.folder / "model"
        shutil.rmtree(self.folder, ignore_errors=True)
        model.mkdir(parents=True)
        if self._url is None:
            return
        archive = self.folder / "model.tar.gz"
        try:
            bucket, key = split_uri(self._url)
            self._region.objects.download(bucket, key, archive)
            archives.unpack(archive, model)
        except KeyError:
            raise StartFailure(f"Could not find model data at {self._url}. Check that the object exists.") from None
        except archives.BadArchive as error:
            raise StartFailure(f"Failed to extract model data archive from {self._url}: {error}.") from error
        archive.unlink()

    def _prepare(self) -> None:
        """What the process will be; a script's environment is made here, which takes none of the time for /ping."""
        environ = {
            "SAGEMAKER_BASE_DIR": str(self.folder),
            "SM_MODEL_DIR": str(self.folder / "model"),
            "SAGEMAKER_REGION": self._region.config.region_name,
            "AWS_REGION": self._region.config.region_name,
            "OMP_NUM_THREADS": "1",
            **self._environ,
        }

        def say(line: str) -> None:
            self._region.logs.write(self._group, self.stream, [line])

        try:
            self._spec = programs.serving(
                self._region, self._image, self.folder, environ, self._role, say, self._raise_if_stopping
            )
        except programs.CantRun as error:
            say(str(error))
            raise StartFailure(str(error)) from error

    def _raise_if_stopping(self) -> None:
        if self.stopping:
            raise StartFailure("the endpoint is being stopped")

    def _launch(self, timeout: float) -> None:
        spec = self._spec
        if spec is None:
            raise StartFailure("it was not prepared")
        port_file = self.folder / "serve" / "port"
        port_file.unlink(missing_ok=True)
        given = spec.env.get("SAGEMAKER_BIND_TO_PORT")
        try:
            self.process = process = self._region.processes.spawn(spec)
        except RuntimeError as error:  # also while a dead one is started again: the next look tries once more
            raise StartFailure(f"InternalServerError: the serving process could not be started: {error}") from error
        self._output = LogLines(self._region, process, self._group, self.stream)
        deadline = time.monotonic() + timeout
        while not (_listens(int(given)) if given else port_file.exists()):
            if process.exit_code is not None:
                raise StartFailure(self._unhealthy(f"it ended with exit code {process.exit_code}"))
            self._raise_if_stopping()
            if time.monotonic() > deadline:
                raise StartFailure(self._unhealthy(f"it didn't listen within {timeout:g} s"))
            process.wait(0.003)  # returns at once when it ends
        client = Client(int(given or port_file.read_text()))
        try:
            reply = client.request("GET", "/ping", timeout=max(1.0, deadline - time.monotonic()))
        except (Unreachable, ModelTimeout) as error:
            raise StartFailure(self._unhealthy(str(error))) from error
        if reply.status != 200:
            raise StartFailure(self._unhealthy(f"it answered {reply.status}"))
        self.client = client

    def _unhealthy(self, detail: str) -> str:
        return (
            f"The primary container did not pass the ping health check: {detail}. Please check CloudWatch logs "
            f"({self._group}, {self.stream})."
        )

    def restart_if_dead(self) -> bool:
        """True if it serves (again). What ended it is in the log."""
        with self._lock:
            process = self.process
            if self.stopping or process is None:
                return False
            if process.exit_code is None and self.client is not None:
                return True
            if time.monotonic() < self._retry_at:
                return False
            message = f"The serving process ended with exit code {process.exit_code}; it is started again."
            log.warning("%s %s: %s", self._group, self.stream, message)
            self._region.logs.write(self._group, self.stream, [message])
            if self.client is not None:
                self.client.close()
                self.client = None
            try:
                self._launch(PING_SECONDS)
            except StartFailure as error:
                # Also one that runs and isn't well: the next try is to find it ended, and its port free
                if self.process is not None:
                    self.process.terminate(5.0)
                self._retry_at = time.monotonic() + RETRY_SECONDS
                log.error("%s %s: %s", self._group, self.stream, error)
                return False
            return True

    def cancel_start(self) -> None:
        """If it is being started, give that up: ``start`` raises. One that serves is left alone."""
        if self.client is None:
            self.stopping = True

    def stop(self) -> None:
        """End the process and remove its folder."""
        self.stopping = True
        with self._lock:  # not while it is being started again
            if self.client is not None:
                self.client.close()
            if self.process is not None:
                self.process.terminate(5.0)
        if self._output is not None:
            self._output.join()
        shutil.rmtree(self.folder, ignore_errors=True)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def new_stream(region: Region, first: str) -> str:
    """A log stream's name: ``<first>/i-…``, one for every process."""
    return f"{first}/i-{int(region.clock.now().timestamp() * 1000):013x}{next(_numbers):04x}"


def work_folder(region: Region, kind: str, name: str) -> Path:
    folder = (region.config.state_dir / "sagemaker" / f"{kind}-{name}").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
