"""An endpoint changed its state: see what it serves now, and go on from there."""

from __future__ import annotations

import logging
from datetime import datetime

from sluicegate.domain import names
from sluicegate.domain.errors import NotFound
from sluicegate.ports import RegistryReader, RolloutBell
from sluicegate.services.rollout import Rollout

log = logging.getLogger(__name__)


class Track:
    """The event only says that there is something to look at; its own status may be old news."""

    def __init__(self, registry: RegistryReader, rollout: Rollout, bell: RolloutBell, prefix: str) -> None:
        self._registry = registry
        self._rollout = rollout
        self._bell = bell
        self._prefix = prefix

    def endpoint_changed(self, name: str, now: datetime) -> str:
        """What was done: deploying | live | failed | busy | nothing | ignored."""
        model = names.endpoint_model(self._prefix, name)
        if model is None:
            return "ignored"
        try:
            self._registry.model(model)
        except NotFound:
            log.warning("endpoint %s is none of ours", name)
            return "ignored"
        outcome = self._rollout.advance(model, now, recover=True)
        item = self._registry.model(model)
        if item.get("experiment") or item.get("challenging"):
            self._bell.ring(model, now)  # a lane of an experiment, or what one waits for
        return outcome
