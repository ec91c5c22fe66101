"""Moves the region's clock ahead *through* everything that is due on the way, in order.

Each part that does something at an instant of its own is a ``Timekeeper``. The timeline goes to the earliest instant
that any of them names, lets all of them catch up, and waits until what this caused is done before it goes on, so a week
of hourly looks is 168 looks, each at its hour and each with the outcome of the one before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from local_region.clock import RegionClock
from local_region.ports import Json

_log = logging.getLogger(__name__)
#: seconds of the machine's time that an instant waits for what it caused
PATIENCE = 60.0
MAX_PATIENCE = 3600.0
#: between two looks whether everything is done
_LOOK_SECONDS = 0.002
_SHOWN = 20


class Timekeeper(Protocol):
    """A part that acts by the region's clock. Every method may be called from any thread."""

    def next_due(self, until: datetime) -> datetime | None:
        """When it will act next by itself, should nothing else happen; None: not before ``until``."""
        ...

    def catch_up(self) -> None:
        """The clock was moved: do what is due now, or see that it is begun."""
        ...

    def busy(self) -> Iterable[str]:
        """What it is doing, in words. Waiting for an instant (``next_due``) is doing nothing."""
        ...


class Moving(RuntimeError):
    """The clock is on its way already."""


@dataclass
class _Journey:
    target: datetime
    #: how far ahead of the machine's time the clock is in the end
    ahead: timedelta
    instants: int = 0
    #: (when, what) that was not done in time
    unsettled: list[str] = field(default_factory=list)


class Timeline:
    """One journey at a time. ``keepers`` is asked again at every instant."""

    def __init__(self, clock: RegionClock, keepers: Callable[[], Sequence[Timekeeper]]) -> None:
        self._clock, self._keepers = clock, keepers
        self._lock = threading.Lock()
        self._journey: _Journey | None = None
        self._last: _Journey | None = None
        self._stopped = threading.Event()

    def advance(self, by: timedelta, patience: float = PATIENCE) -> Json:
        """Go ``by`` ahead and say how it went (see ``state``). ``Moving`` when somebody else does it now."""
        journey = self._begin(by)
        self._travel(journey, patience)
        return self.state()

    def begin(self, by: timedelta, patience: float = PATIENCE) -> None:
        """The same in a thread of its own; ``state`` tells how far it is."""
        journey = self._begin(by)
        threading.Thread(target=self._travel, args=(journey, patience), name="timeline", daemon=True).start()

    def state(self) -> Json:
        """``now``, ``ahead_seconds``, ``moving``, and of the journey under way or the last one ``target``,
        ``instants`` and ``unsettled``."""
        with self._lock:
            moving = self._journey is not None
            journey = self._journey or self._last
            return {
                "now": self._clock.now().isoformat(),
                "ahead_seconds": round(self._clock.ahead.total_seconds(), 3),
                "moving": moving,
                "target": journey.target.isoformat() if journey else None,
                "instants": journey.instants if journey else 0,
                "unsettled": list(journey.unsettled) if journey else [],
            }

    def stop(self) -> None:
        self._stopped.set()

    def _begin(self, by: timedelta) -> _Journey:
        with self._lock:
            if self._journey is not None:
                raise Moving(f"the clock is on its way to {self._journey.target.isoformat()}")
            self._journey = _Journey(self._clock.now() + by, self._clock.ahead + by)
            return self._journey

    def _travel(self, journey: _Journey, patience: float) -> None:
        try:
            self._settle(journey, patience)
            self._catch_up(journey, patience)  # with what has just come in: an alarm must see it while it is new
            while not self._stopped.is_set():
                instant = self._next(journey.target)
                if instant is None:
                    break
                self._clock.move_to(instant)
                journey.instants += 1
                self._catch_up(journey, patience)
            self._clock.move_ahead(journey.ahead)
            self._clock.keep()
            self._catch_up(journey, patience)
        except Exception:
            _log.exception("moving the clock to %s failed", journey.target)
            journey.unsettled.append("the region failed at this; its log says why")
            raise
        finally:
            with self._lock:
                self._journey, self._last = None, journey

    def _next(self, target: datetime) -> datetime | None:
        """The earliest instant ahead, None beyond ``target``. What is overdue was waited for and is passed by."""
        now = self._clock.now()
        dues = [due for keeper in self._keepers() if (due := keeper.next_due(target)) is not None]
        return min((due for due in dues if now < due <= target), default=None)

    def _catch_up(self, journey: _Journey, patience: float) -> None:
        for keeper in self._keepers():
            keeper.catch_up()
        self._settle(journey, patience)

    def _settle(self, journey: _Journey, patience: float) -> None:
        """Wait until nobody is busy: at two looks running once somebody was, since one part hands over to the next."""
        deadline = time.monotonic() + patience
        quiet_needed = 1
        quiet = 0
        while quiet < quiet_needed and not self._stopped.is_set():
            doing = [what for keeper in self._keepers() for what in keeper.busy()]
            if not doing:
                quiet += 1
                continue
            quiet, quiet_needed = 0, 2
            if time.monotonic() > deadline:
                _log.warning("the clock goes on from %s, although: %s", self._clock.now(), "; ".join(doing[:_SHOWN]))
                if len(journey.unsettled) < _SHOWN:
                    journey.unsettled.append(f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}: {'; '.join(doing[:5])}")
                return
            time.sleep(_LOOK_SECONDS)
