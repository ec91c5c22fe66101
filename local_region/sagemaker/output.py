"""A process's output, line by line, to CloudWatch Logs (and to whoever else listens)."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from local_region.ports import Process, Region

log = logging.getLogger(__name__)
_BATCH = 200


def escape(line: str) -> str:
    """Control characters as SageMaker's logs show them: a tab is ``#011``."""
    return line.replace("\t", "#011")


class LogLines:
    """Reads ``process`` to its end on threads of its own; ``join`` waits until every line is written."""

    def __init__(
        self, region: Region, process: Process, group: str, stream: str, listener: Callable[[str], None] | None = None
    ) -> None:
        self._region, self._process, self._group, self._stream = region, process, group, stream
        self._listener = listener
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name=f"read {stream}", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"log {stream}", daemon=True)
        self._reader.start()
        self._writer.start()

    def join(self, timeout: float = 10.0) -> None:
        self._reader.join(timeout)
        self._writer.join(timeout)

    def _read(self) -> None:
        try:
            for line in self._process.lines():
                text = escape(line)
                if self._listener is not None:
                    self._listener(text)
                self._queue.put(text)
        finally:
            self._queue.put(None)

    def _write(self) -> None:
        """Lines that came meanwhile go together: a fast job writes thousands."""
        while (line := self._queue.get()) is not None:
            batch = [line]
            ended = False
            while len(batch) < _BATCH and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    ended = True
                    break
                batch.append(more)
            self._region.logs.write(self._group, self._stream, batch)
            if ended:
                return
