"""The region's time: the machine's, and how far it was moved ahead."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SPAN = re.compile(r"\+?((?:\d+[dhms])+)")
_PARTS = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
#: the farthest that one request may go; beyond it is a mistyped unit
LONGEST = timedelta(days=366)
#: on its way the clock is written down this often, and where it stops
_KEEP_SECONDS = 1.0


class SystemClock:
    """The machine's own time, always aware and in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class RegionClock:
    """The machine's time plus an offset that only grows. ``path`` keeps the offset for the next region of the folder.

    Only ``local_region.timeline`` moves it, so that what is due on the way happens in order.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._moved = threading.Condition()
        self._kept_at = -math.inf
        self._ahead = kept(path) if path is not None else timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of the machine's time."""
        return self._ahead

    def move_to(self, instant: datetime) -> None:
        """Make it ``instant`` now; a past one changes nothing."""
        self.move_ahead(instant - datetime.now(UTC))

    def move_ahead(self, ahead: timedelta) -> None:
        """Be so far ahead of the machine; less than now changes nothing."""
        with self._moved:
            if ahead <= self._ahead:
                return
            self._ahead = ahead
            self._moved.notify_all()
            if time.monotonic() - self._kept_at > _KEEP_SECONDS:
                self._keep()

    def keep(self) -> None:
        """Write the offset down now: the clock is where it was to go."""
        with self._moved:
            self._keep()

    def _keep(self) -> None:
        if self._path is not None:
            draft = self._path.with_suffix(".new")
            draft.write_text(json.dumps({"ahead_seconds": self._ahead.total_seconds()}) + "\n")
            draft.replace(self._path)
            self._kept_at = time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Until so much of the region's time has passed, however it passes."""
        until = self.now() + timedelta(seconds=seconds)
        with self._moved:
            while (left := (until - self.now()).total_seconds()) > 0:
                self._moved.wait(left)


def span(text: str) -> timedelta:
    """``+3h``, ``90s``, ``+1d12h``; ``ValueError`` says what is accepted.

    >>> span("+1d12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no span of time: give for example +90s, +15m, +3h, +7d or +1d12h")
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _PARTS.findall(match[1]))
    if not 0 < seconds <= LONGEST.total_seconds():
        raise ValueError(f"the clock goes forward by 1 second to {LONGEST.days} days at once, not by {text!r}")
    return timedelta(seconds=seconds)


def kept(path: Path) -> timedelta:
    """The offset in ``path``; none when there is no such file or it holds no number."""
    try:
        return timedelta(seconds=max(0.0, float(json.loads(path.read_text())["ahead_seconds"])))
    except (OSError, ValueError, KeyError, TypeError):
        return timedelta()
