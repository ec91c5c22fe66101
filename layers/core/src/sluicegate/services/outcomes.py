"""What comes of an order to the endpoint, written down: the version is live, or it could not take over.

Each is one step on the condition that nobody else wrote down an order or its end since the endpoint was looked at.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.items import ErrorItem, LiveItem, ModelItem, stamp
from sluicegate.domain.settings import Endpoint
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Storage
from sluicegate.services import datasets
from sluicegate.services.ledger import AGAIN, Ledger, Step, move_run, move_version
from sluicegate.services.orders import orders, still
from sluicegate.services.ramp import Ramp

log = logging.getLogger(__name__)


class Outcomes:
    def __init__(self, ledger: Ledger, storage: Storage, ramp: Ramp, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._ramp = ramp
        self._prefix = prefix

    def live(self, seen: ModelItem, number: int, now: datetime) -> None:
        """``number`` serves, by what was looked at after ``seen`` was read."""
        model, deploying = seen["model"], seen.get("deploying_version")
        version = self._registry.version(model, number)
        document = datasets.of_version(self._storage, model, number, version["dataset_version"])
        asked_for = datasets.asked_for(document)

        def plan(item: ModelItem) -> Step | None:
            before = item.get("live_version")
            if before == number:
                return None
            still(item, seen)
            version = self._registry.version(model, number)
            if version["status"] in ("retired", "failed", "rejected"):
                # somebody switched the endpoint by hand: what serves is not ours to call live
                log.warning("the endpoint of %s serves version %s, which is %s", model, number, version["status"])
                return None
            moved = move_version(version, "live", now, "", live_since=stamp(now))
            if moved is None:
                return None
            message = f"Version {number} is live."
            changes = [moved]
            run_item = self._registry.run(model, version["run"])
            run = move_run(run_item, "live", now, message, claim=None)
            if run is not None:
                changes.append(run)
            if before is not None:
                older = self._registry.version(model, before)
                retired = move_version(older, "retired", now, f"Version {number} took over.")
                if retired is not None and item.get("desired_version") == before and deploying == number:
                    # a person went back to it while this one was on its way in
                    message_back = f"Version {number} took over for the time that going back takes."
                    retired = replace(retired, status="approved", message=message_back, passing=("retired",))
                changes += [retired] if retired is not None else []
            live = LiveItem(
                version=number,
                since=stamp(now),
                endpoint=names.endpoint(self._prefix, model),
                metrics=version["metrics"],
            )
            fields: dict[str, Any] = {"live_version": number, "live": live, "previous_version": before}
            fields["settling"] = True
            fields |= asked_for
            if _endpoint_settings(item.get("settings")) == _endpoint_settings(run_item.get("settings")):
                fields["settings_note"] = None
            changes += self._failed_changes(item, number, fields, now)
            fields |= self._ramp.over(item, now)
            fields |= released(item, version["run"])
            return Step(message, fields, changes)

        self._ledger.step(model, now, plan)

    def _failed_changes(self, item: ModelItem, number: int, fields: dict[str, Any], now: datetime) -> list[Change]:
        """``deploying_version`` is done with, whatever it was."""
        fields["deploying_version"] = None
        deploying = item.get("deploying_version")
        if deploying is None or deploying == number:
            return []
        moved = move_version(
            self._registry.version(item["model"], deploying), "failed", now, f"Version {number} serves instead."
        )
        return [moved] if moved is not None else []

    def failed(self, seen: ModelItem, number: int, reason: str, now: datetime) -> None:
        model = seen["model"]
        error = ErrorItem(
            title="Deployment failed",
            detail=reason,
            remedy=f"The endpoint's log in CloudWatch says more. When the cause is gone, {AGAIN}",
        )

        def plan(item: ModelItem) -> Step | None:
            still(item, seen)
            version = self._registry.version(model, number)
            fields: dict[str, Any] = {"deploying_version": None, "settling": True, **self._ramp.over(item, now)}
            if item.get("desired_version") == number:
                fields["desired_version"] = item.get("live_version")
            changes = [
                move_version(version, "failed", now, reason),
                move_run(self._registry.run(model, version["run"]), "failed", now, reason, error=error, claim=None),
            ]
            fields |= released(item, version["run"])
            refused = version["status"] == "rejected"  # on its way in: that was told
            message = item.get("message") or "" if refused else f"Version {number} could not be deployed: {reason}"
            return Step(message, fields, [change for change in changes if change is not None], "failed")

        self._ledger.step(model, now, plan)


def released(item: ModelItem, run: str) -> dict[str, Any]:
    """The run that holds the model lets it go."""
    return {"active_run": None} if item.get("active_run") == run else {}


def settled(item: ModelItem, seen: ModelItem) -> Step | None:
    """What followed the state ``seen`` is done; a newer one has its own."""
    if orders(item) != orders(seen) or item.get("desired_version") != seen.get("desired_version"):
        return None
    return Step(item.get("message") or "", {"settling": None})


def _endpoint_settings(text: str | None) -> Endpoint:
    return parse_settings(text or "").endpoint
