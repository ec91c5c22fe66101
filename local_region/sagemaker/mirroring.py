"""Copies of requests for shadow variants. Nobody waits for them; what they answer is captured, never returned."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)
_THREADS = 4
#: copies that wait at most, over all endpoints; beyond it new ones are dropped
_MOST_WAITING = 500


class Mirror:
    """Threads that run copies, one way or the other: ``run``, or ``drop`` when there are too many."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._lock = threading.Lock()
        self._pending = self._dropped = 0
        self._threads: list[threading.Thread] = []

    def put(self, run: Callable[[], None], drop: Callable[[], None]) -> None:
        with self._lock:
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._work, name=f"shadow-{number}", daemon=True)
                    for number in range(_THREADS)
                ]
                for thread in self._threads:
                    thread.start()
            self._pending += 1
        try:
            self._waiting.put_nowait(run)
        except queue.Full:
            drop()
            with self._lock:
                self._pending -= 1
                self._dropped += 1
                first = self._dropped == 1
            if first:
                log.warning("shadow variants: copies of requests are dropped, more than %d wait", _MOST_WAITING)

    def busy(self) -> list[str]:
        with self._lock:
            return ["copies of requests for shadow variants"] if self._pending else []

    def stop(self) -> None:
        for _ in self._threads:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                return  # its threads end with the process

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None:
            try:
                run()
            except Exception:
                log.exception("a copy of a request for a shadow variant failed")
            finally:
                with self._lock:
                    self._pending -= 1
