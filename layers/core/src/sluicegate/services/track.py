"""An endpoint changed its state: see what it serves now, and go on from there."""

from __future__ import annotations

import logging
from datetime import datetime

from sluicegate.domain import names
from sluicegate.domain.errors import NotFound
from sluicegate.ports import RegistryReader
from sluicegate.services.rollout import Rollout

log = logging.getLogger(__name__)


class Track:
    """The event only says that there is something to look at; its own status may be old news."""

    def __init__(self, registry: RegistryReader, rollout: Rollout, prefix: str) -> None:
        self._registry = registry
        self._rollout = rollout
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
        return self._rollout.advance(model, now, recover=True)
