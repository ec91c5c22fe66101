"""One thread that fires scheduled rules by the region's clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from local_region.events.schedule import BadSchedule, Cron, Rate, parse
from local_region.ports import Clock

_log = logging.getLogger(__name__)
#: seconds after which it looks again, should a rule or the clock have changed without a word
_LOOK_AGAIN = 60.0


class Scheduler:
    """``rules()`` gives ``(key, expression, enabled)`` of all scheduled rules now; ``fire(key, time)`` is called when
    one is due. A rule that was due several times while nobody looked (the clock jumped) fires for each of them."""

    def __init__(
        self, clock: Clock, rules: Callable[[], Iterable[tuple[str, str, bool]]], fire: Callable[[str, datetime], None]
    ) -> None:
        self._clock = clock
        self._rules = rules
        self._fire = fire
        self._change = threading.Condition()
        self._stopped = False
        self._due: dict[str, tuple[str, Cron | Rate, datetime | None]] = {}
        self._off: frozenset[str] = frozenset()
        self._thread = threading.Thread(target=self._run, name="event-schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def wake(self) -> None:
        """A rule or the clock has changed."""
        with self._change:
            self._change.notify_all()

    def step(self) -> float:
        """Fire what is due now; returns the seconds until something is (by the clock), or until a new look."""
        now = self._clock.now()
        wait = _LOOK_AGAIN
        seen, off = set(), set()
        for key, expression, enabled in list(self._rules()):
            seen.add(key)
            if not enabled:
                off.add(key)
            known = self._due.get(key)
            if known is None or known[0] != expression:
                try:
                    schedule = parse(expression)
                except BadSchedule as error:
                    _log.error("the schedule of %s is not valid: %s", key, error)
                    continue
                known = (expression, schedule, schedule.after(now))
            expression, schedule, due = known
            while due is not None and due <= now:
                if enabled:
                    self._fire(key, due)
                due = schedule.after(due)
            self._due[key] = (expression, schedule, due)
            if due is not None:
                wait = min(wait, (due - now).total_seconds())
        self._due = {key: value for key, value in self._due.items() if key in seen}
        self._off = frozenset(off)
        return max(wait, 0.0)

    def catch_up(self) -> None:
        """Fire what is due now, here and now."""
        with self._change:
            self.step()
            self._change.notify_all()  # what comes next is at another distance

    def next_due(self) -> datetime | None:
        """When an enabled rule fires next."""
        with self._change:
            self.step()
            dues = [due for key, (_, _, due) in self._due.items() if due is not None and key not in self._off]
        return min(dues, default=None)

    def _run(self) -> None:
        while True:
            with self._change:
                if self._stopped:
                    return
                self._change.wait(self.step() + 0.001)
