"""Wakes ``advance_rollouts`` for one model: an event on the account's default bus."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.domain.errors import Transient

SOURCE, KIND = "sluicegate", "Rollout Asked"


class EventBridgeBell:
    """``ports.RolloutBell``; ``events`` is boto3's client. ``prefix`` tells the stacks of one account apart."""

    def __init__(self, events: Any, prefix: str) -> None:
        self._events, self._prefix = events, prefix

    def ring(self, model: str, now: datetime) -> None:
        detail = json.dumps({"prefix": self._prefix, "model": model})
        entry = {"Source": SOURCE, "DetailType": KIND, "Detail": detail, "Time": now}
        with translated():
            answer = self._events.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise Transient(f"EventBridge did not take the event: {answer['Entries'][0].get('ErrorMessage', '')}")
