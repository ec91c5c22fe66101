"""The schedules of all models: whose time has come asks for a run. What drift asks for is sent on, too."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.items import ModelItem, SummaryItem, moment, stamp
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.services.ledger import Ledger, Step
from sluicegate.services.ticks import each

log = logging.getLogger(__name__)

#: what asks for a run without sending the message itself (``services.drift`` asks for the second)
_SENT_ON = ("schedule:", "drift:")


class Wake:
    """``look`` may be called again for the same time, any number of times."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def look(self, models: Sequence[SummaryItem], now: datetime) -> list[str]:
        """The models that a run was asked for; ``models``: the registry's list.

        That it is asked stands in the registry before the message goes out, and is asked again each time until a run
        takes it up: a message that was lost, or that came while another run was under way, delays it and no more.
        Raises ``Transient`` when some models could not be seen to, after the others were.
        """
        lines = {line["model"]: line for line in models}
        concerned = [
            name for name, line in lines.items() if _due(line, now) or str(line.get("asked") or "").startswith(_SENT_ON)
        ]
        done = each(concerned, lambda model: self._one(model, _due(lines[model], now), now))
        return [model for model, asked in done.items() if asked]

    def _one(self, model: str, due: bool, now: datetime) -> bool:
        if due:
            self._ledger.step(model, now, lambda item: _ask(item, now))
        asked = self._ledger.registry.model(model).get("asked") or ""
        if not asked.startswith(_SENT_ON):
            return False
        self._ledger.look_again(model, asked, now)
        return True


def _due(item: Any, now: datetime) -> bool:
    due = item.get("scheduled_for")
    return bool(due) and moment(due) <= now


def _ask(item: ModelItem, now: datetime) -> Step | None:
    """However often the schedule came since the last look, it asks once."""
    due = item.get("scheduled_for")
    if due is None or not _due(item, now):
        return None
    try:
        retrain = parse_settings(item.get("settings") or "").retrain
        following = retrain.next_time(moment(due))
        if following is not None and following <= now:
            following = retrain.next_time(now)
    except SettingsError as error:  # of an older version of the stack: who starts the run tells it
        log.warning("the settings of %s can't be read any more: %s", item["model"], error)
        following = None
    fields = {"scheduled_for": None if following is None else stamp(following), "asked": f"schedule:{due}"}
    return Step(item.get("message") or "", fields)
