"""A prediction came for an endpoint that sleeps: it is woken."""

from __future__ import annotations

import logging
from datetime import datetime

from sluicegate.domain.errors import NotFound
from sluicegate.ports import RolloutBell
from sluicegate.services.ledger import Ledger
from sluicegate.services.sleeping import wake_up

log = logging.getLogger(__name__)


class WakeEndpoint:
    """``asked`` may come any number of times: an endpoint that is not asleep stays as it is."""

    def __init__(self, ledger: Ledger, bell: RolloutBell) -> None:
        self._ledger = ledger
        self._bell = bell

    def asked(self, model: str, now: datetime) -> str:
        """What was done: waking | nothing | ignored."""
        try:
            woken = wake_up(self._ledger, model, now, "a prediction asked for it")
            sleep = self._ledger.registry.model(model).get("sleep")
        except NotFound:
            log.warning("there is no model %s", model)
            return "ignored"
        if sleep is None:
            return "nothing"
        self._bell.ring(model, now)  # also when it wakes already: a first call may have ended before this
        return "waking" if woken else "nothing"
