"""A person puts an endpoint to sleep, or wakes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sluicegate.domain.sleep import endpoint_state, why_awake
from sluicegate.ports import RolloutBell
from sluicegate.services.ledger import Ledger
from sluicegate.services.sleeping import PriceOf, put_to_sleep, wake_up
from sluicegate.services.steer import By, NotPossible
from sluicegate.services.ticks import ring


@dataclass(frozen=True)
class Ordered:
    """``done`` is False when it was so already. ``state`` is the endpoint's now."""

    done: bool
    state: str
    message: str


class SleepOrders:
    """Both may be called again. Raise ``NotFound`` for an unknown model, ``NotPossible`` with the reason."""

    def __init__(self, ledger: Ledger, bell: RolloutBell, price_of: PriceOf) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._bell = bell
        self._price_of = price_of

    def sleep(self, model: str, by: By, now: datetime) -> Ordered:
        item = self._registry.model(model)
        state = endpoint_state(item)
        if state == "asleep":
            ring(self._bell, model, now)
            return Ordered(False, "asleep", f"The endpoint of {model} is asleep already.")
        why_not = why_awake(item)
        expect = {"live_version": item.get("live_version")}
        why = by.why or "somebody put it to sleep."
        if why_not is None and not put_to_sleep(self._ledger, model, now, by.who, why, self._price_of, expect):
            item = self._registry.model(model)
            if endpoint_state(item) == "asleep":  # somebody else's word came first, and says the same
                return self.sleep(model, by, now)
            why_not = why_awake(item) or "another version went live meanwhile"
        if why_not is not None:
            raise NotPossible(f"The endpoint of {model} can't be put to sleep: {why_not}.")
        ring(self._bell, model, now)
        return Ordered(True, "asleep", f"The endpoint of {model} goes to sleep; the next prediction wakes it.")

    def wake(self, model: str, by: By, now: datetime) -> Ordered:
        item = self._registry.model(model)
        state = endpoint_state(item)
        if state is None or state == "creating":
            raise NotPossible(f"The endpoint of {model} can't be woken: no version is live.")
        done = wake_up(self._ledger, model, now, by.sentence("asked for").rstrip("."))
        state = endpoint_state(self._registry.model(model)) or "serving"
        if state == "serving":
            return Ordered(False, "serving", f"The endpoint of {model} is awake already.")
        ring(self._bell, model, now)
        return Ordered(done, state, f"The endpoint of {model} wakes{'' if done else ' already'}.")
