"""The schedules of all models: whose time has come asks for a run. What drift asks for is sent on, too."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from sluicegate.domain.items import ModelItem, moment, stamp
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.services.ledger import Ledger, Step

log = logging.getLogger(__name__)

#: what asks for a run without sending the message itself (``services.drift`` asks for the second)
_SENT_ON = ("schedule:", "drift:")


class Wake:
    """``look`` may be called again for the same time, any number of times."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def look(self, now: datetime) -> list[str]:
        """The models that a run was asked for.

        That it is asked stands in the registry before the message goes out, and is asked again each time until a run
        takes it up: a message that was lost, or that came while another run was under way, delays it and no more.
        """
        woken = []
        for line in self._ledger.registry.models():
            model = line["model"]
            if _due(line, now):
                self._ledger.step(model, now, lambda item: _ask(item, now))
            elif not str(line.get("asked") or "").startswith(_SENT_ON):
                continue
            asked = self._ledger.registry.model(model).get("asked") or ""
            if asked.startswith(_SENT_ON):
                self._ledger.look_again(model, asked, now)
                woken.append(model)
        return woken


def _due(item: Any, now: datetime) -> bool:
    due = item.get("scheduled_for")
    return bool(due) and moment(due) <= now


def _ask(item: ModelItem, now: datetime) -> Step | None:
    """However often the schedule came since the last look, it asks once."""
    due = item.get("scheduled_for")
    if due is None or not _due(item, now):
        return None
    retrain = parse_settings(item.get("settings") or "").retrain
    following = retrain.next_time(moment(due))
    if following is not None and following <= now:
        following = retrain.next_time(now)
    fields = {"scheduled_for": None if following is None else stamp(following), "asked": f"schedule:{due}"}
    return Step(item.get("message") or "", fields)
