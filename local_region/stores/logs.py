"""CloudWatch Logs for the region's own parts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from moto.logs.models import logs_backends

from local_region.ports import Clock, RegionConfig


class MotoLogs:
    """``ports.LogStore``. Each message gets the time at which it is written (milliseconds, never running back)."""

    def __init__(self, config: RegionConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
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
