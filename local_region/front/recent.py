"""The last events that the region saw, for people and tests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from local_region.ports import Clock, EventBus, Json

_KEPT = 1000


class RecentEvents:
    """``ports.EventBus`` that remembers what passes, numbered from 1, and hands it on to the real bus."""

    def __init__(self, clock: Clock) -> None:
        self.bus: EventBus | None = None
        self._clock = clock
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._number = 0
        self._lock = threading.Lock()

    def publish(self, source: str, detail_type: str, detail: Json, resources: Sequence[str] = ()) -> None:
        self.note(source, detail_type, detail, resources)
        if self.bus is None:
            raise RuntimeError("the region's event bus has not been built yet")
        self.bus.publish(source, detail_type, detail, resources)

    def note(self, source: str, detail_type: str, detail: Any, resources: Sequence[str]) -> None:
        with self._lock:
            self._number += 1
            self._events.append(
                {
                    "number": self._number,
                    "time": self._clock.now().isoformat(),
                    "source": source,
                    "detail-type": detail_type,
                    "resources": list(resources),
                    "detail": detail,
                }
            )

    def after(self, number: int) -> list[dict[str, Any]]:
        """The events with a higher number, oldest first; at most the last thousand."""
        with self._lock:
            return [event for event in self._events if event["number"] > number]
