"""CloudWatch Logs for the region's own parts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from moto.logs.models import logs_backends

from local_region.ports import Clock, RegionConfig

#: events that a group keeps; beyond them the oldest go, a tenth at once. moto keeps all, in memory.
KEPT = 100_000


class MotoLogs:
    """``ports.LogStore``. Each message gets the time at which it is written (milliseconds, never running back)."""

    def __init__(self, config: RegionConfig, clock: Clock, kept: int = KEPT) -> None:
        self._config, self._clock, self._kept = config, clock, kept
        self._unchecked: dict[str, int] = {}
        # moto's log streams say of themselves that they aren't thread-safe
        self._lock = threading.Lock()

    def write(self, group: str, stream: str, messages: Sequence[str]) -> None:
        if not messages:
            return
        now = int(self._clock.now().timestamp() * 1000)
        backend: Any = logs_backends[self._config.account_id][self._config.region_name]
        events = [{"timestamp": now, "message": message} for message in messages]
        with self._lock:
            if group not in backend.groups:
                backend.create_log_group(group, {})
            streams = backend.groups[group].streams
            if stream not in streams:
                backend.create_log_stream(group, stream)
            streams[stream].put_log_events(events)
            written = self._unchecked.get(group, 0) + len(events)
            # Counting a group takes time, too: not for each line
            self._unchecked[group] = 0 if written > self._kept // 10 else written
            if not self._unchecked[group]:
                self._forget(streams)

    def _forget(self, streams: dict[str, Any]) -> None:
        """Drop the oldest events of a group that has too many, and the streams that have none left."""
        times = sorted(event.timestamp for stream in streams.values() for event in stream.events)
        surplus = len(times) - self._kept
        if surplus <= 0:
            return
        oldest = times[min(surplus + self._kept // 10, len(times) - 1)]
        for name, stream in list(streams.items()):
            left = [event for event in stream.events if event.timestamp >= oldest]
            stream.stored_bytes -= sum(len(event.message) for event in stream.events if event.timestamp < oldest)
            stream.events = left
            if not left:
                del streams[name]
