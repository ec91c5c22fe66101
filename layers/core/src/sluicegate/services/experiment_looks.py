"""A look at an experiment: what its lanes did, what that says, and the record of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sluicegate.domain.course import same_numbers
from sluicegate.domain.experiment import Design, Look, look, weights
from sluicegate.domain.experiment_items import ExperimentItem
from sluicegate.domain.items import moment, stamp
from sluicegate.domain.shadow import shadow_look
from sluicegate.ports import Storage, Tallies
from sluicegate.services.tallies import cohorts


class Looks:
    """Reads the counts, writes looks to ``experiments/<model>/<experiment>/looks/<time>.json``."""

    def __init__(self, storage: Storage, tallies: Tallies) -> None:
        self._storage = storage
        self._tallies = tallies

    def look(self, found: ExperimentItem, now: datetime) -> dict[str, Any]:
        """The look at ``now`` as JSON (``domain.experiment.Look``). Nothing is written."""
        lanes = cohorts(self._tallies, found["model"], found["experiment"])
        started = moment(found["started_at"] or stamp(now)).timestamp()
        if found["mode"] == "shadow":
            return shadow_look(found["design"], lanes, now.timestamp(), started)
        design = Design.from_json(found["design"])
        known = {lane: hours for lane, hours in lanes.items() if lane in design.shares}
        at = now.timestamp()
        seen = look(design, known, at, started, found.get("information") or [])
        if design.mode == "bandit" and seen.decision.kind == "continue":
            batch = _coming(seen, found.get("look"))
            seen = replace(seen, weights=weights(design, known, at, batch, _left(design, seen)))
        return seen.to_json()

    def record(self, found: ExperimentItem, seen: dict[str, Any], now: datetime) -> bool:
        """Keep a look that says something new; whether it does. Its name is its time: a look that is made again,
        because what followed it was lost, replaces the first."""
        if same_numbers(found.get("look"), seen):
            return False
        key = f"experiments/{found['model']}/{found['experiment']}/looks/{stamp(now)}.json"
        content = json.dumps(seen, separators=(",", ":")).encode()
        self._storage.write(key, content, "application/json")
        return True


def _coming(seen: Look, before: Mapping[str, Any] | None) -> int:
    """How many exposures to expect until the next look: as many as came since the last one."""
    total = sum(lane.exposures for lane in seen.lanes)
    then = sum(int(lane["exposures"]) for lane in (before or {}).get("lanes", ()))
    return max(1, total - then)


def _left(design: Design, seen: Look) -> float:
    """How many exposures to expect until ``max_duration``, if they go on coming as they came so far."""
    total = sum(lane.exposures for lane in seen.lanes)
    return total * (design.max_duration / seen.elapsed - 1) if seen.elapsed > 0 else 0.0


def is_due(found: ExperimentItem, now: datetime) -> bool:
    """Whether the time for a look has come: ``look_every`` after the last one, and when the experiment's time is over.

    An event that is delivered late or twice finds that there was a look at its time or after it.
    """
    started, last = found.get("started_at"), found.get("looked_at")
    if started is None or (last is not None and moment(last) >= now):
        return False
    end = moment(started) + timedelta(seconds=found["design"]["max_duration"])
    return (
        moment(last or started) < end <= now or moment(last or started) + timedelta(seconds=found["look_every"]) <= now
    )
