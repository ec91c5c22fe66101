"""The region's folder: who holds it, what it tells others (``region.json``), and its temporary files."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Any


class StartupError(RuntimeError):
    """The region can't start; the message says why and what to do."""


class AlreadyRunning(StartupError):
    """A live region holds the folder."""


class StateFolder:
    """``claim`` takes the folder for this process. The lock is the kernel's (flock), so it ends with the process
    however that ends, and no number of a dead process has to be believed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def claim(self) -> None:
        """``AlreadyRunning`` when a live region has it. What a dead one left behind is cleared away."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "region.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise AlreadyRunning(
                f"a region (process {holder}) already uses {self.path}; "
                "end it (sluice down) or choose another --state-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        self.unpublish()

    def publish(self, facts: dict[str, Any]) -> None:
        """Write ``region.json`` in one step, readable by its owner only."""
        descriptor, name = tempfile.mkstemp(dir=self.path, prefix=".region-", suffix=".json")
        with os.fdopen(descriptor, "w") as file:
            json.dump(facts, file, indent=2)
            file.write("\n")
        Path(name).replace(self.path / "region.json")

    def unpublish(self) -> None:
        (self.path / "region.json").unlink(missing_ok=True)

    def is_there(self) -> bool:
        """Whether the folder is still the one that was claimed: somebody may have deleted it."""
        if self._lock is None:
            return False
        try:
            return (self.path / "region.lock").stat().st_ino == os.fstat(self._lock.fileno()).st_ino
        except FileNotFoundError:
            return False

    def fresh_tmp(self) -> Path:
        """An empty folder for this run's temporary files."""
        folder = self.path / "tmp"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self.unpublish()
            shutil.rmtree(self.path / "tmp", ignore_errors=True)
            self._lock.close()
            self._lock = None
