"""The channels of a tuning job, read once for all its training jobs.

On SageMaker each training job has instances of its own and reads everything itself, at the same time as the others.
Here they share one machine, and reading the same files again for every one of them can take longer than the training.
So a process reads them and is then what the training processes are forked from. It is a help, never a condition: if it
can't be had, or the files have changed meanwhile, a training process reads its channels itself and tells
its own errors.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from local_region.ports import Json, Loader, Process, ProcessSpec, Region
from local_region.sagemaker import programs, sources
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import work_folder
from local_region.sagemaker.training_hosts import Hosts

log = logging.getLogger(__name__)
_STEP = 0.1


class _Closed(Exception):
    """The tuning job has ended."""


class SharedChannels:
    """``request`` is a training job's, with the hyperparameters that all of the tuning job ``name`` have."""

    def __init__(self, region: Region, name: str, request: Json, beside: int) -> None:
        self._region, self._name, self._request, self._beside = region, name, request, beside
        self._loader: Loader | None = None
        self._entry = ""
        self._begun, self._closed = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"channels of {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def spawn(self, spec: ProcessSpec, check: Callable[[], None]) -> Process:
        """A training process that has the channels in memory, if it can be. ``check`` may raise to end the waiting."""
        while not self._begun.wait(_STEP):
            check()
        loader = self._loader
        if loader is not None and spec.entry == self._entry:
            while (loaded := loader.loaded(_STEP)) is None:
                check()
            process = loader.spawn(spec) if loaded else None
            if process is not None:
                return process
        return self._region.processes.spawn(spec)

    def close(self) -> None:
        """End it, with every process that was forked from it."""
        with self._lock:
            self._closed.set()
        if self._loader is not None:
            self._loader.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        folder: Path | None = None
        try:
            folder = work_folder(self._region, "tuning", self._name)
            loader = self._load(folder)
            self._begun.set()
            if loader is not None:
                for line in loader.lines():  # until it ends: nobody else reads them, and a full pipe would block it
                    log.debug("channels of %s: %s", self._name, line)
        except (_Closed, sources.DataError) as error:
            log.debug("the channels of %s are not read ahead: %r", self._name, error)
        except Exception:
            log.exception("the channels of %s could not be read ahead; each training job reads them", self._name)
        finally:
            self._begun.set()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _load(self, folder: Path) -> Loader | None:
        now = self._region.clock.now()
        hosts = Hosts(self._region, Record(self._name, "", self._request, now, now), folder, self._beside)
        found = programs.loading(self._region, self._request, hosts.all[0].folder, hosts.environment(hosts.all[0]))
        if found is None:
            return None
        spec, self._entry = found
        channels = self._request.get("InputDataConfig") or []
        for channel in channels:
            hosts.download(channel, self._raise_if_closed)
        hosts.configure(channels)
        with self._lock:  # a loader is there when ``close`` looks for it, or never
            self._raise_if_closed()
            self._loader = self._region.processes.load(spec)
        return self._loader

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise _Closed
