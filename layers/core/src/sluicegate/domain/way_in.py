"""How far a version is on its way in, and how long that takes at least. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sluicegate.domain.items import ModelItem, moment


def way_in(item: ModelItem, now: datetime) -> dict[str, Any] | None:
    """None: no version is on its way.

    ``stage``: bringing (its endpoint comes up), shifting (it has ``percent`` of the requests and is watched for another
    ``left_seconds``), switching (it has all of them while the model's endpoint switches to it), or updating (SageMaker
    does it: ``percent`` and times are its own). ``least_seconds``: the bakes that are still to come, without what the
    application and SageMaker need between them.

    >>> way_in({"deploying_version": 3, "live_version": 2, "ordered_at": "2026-01-02T03:04:05.000Z"}, datetime.max)
    ... # doctest: +NORMALIZE_WHITESPACE
    {'version': 3, 'stage': 'updating', 'since': '2026-01-02T03:04:05.000Z', 'strategy': None, 'steps': None,
     'percent': None, 'bake_seconds': None, 'left_seconds': None, 'least_seconds': None}
    """
    rollout = item.get("rollout")
    if rollout is None or rollout["stage"] == "dropping":
        coming = item.get("deploying_version")
        if coming is None or coming == item.get("live_version"):
            return None
        return _shown(coming, "updating", item.get("ordered_at"))
    stage, steps, bake, place = rollout["stage"], rollout["steps"], rollout["bake"], rollout["step"]
    shown = _shown(rollout["version"], stage, rollout["since"])
    shown |= {"strategy": rollout["strategy"], "steps": steps, "percent": steps[place], "bake_seconds": bake}
    match stage:
        case "bringing":
            return shown | {"percent": 0, "least_seconds": bake * len(steps)}
        case "shifting":
            over = moment(rollout["since"]) + timedelta(seconds=bake)
            left = max(0, round((over - now).total_seconds()))
            return shown | {"left_seconds": left, "least_seconds": left + bake * (len(steps) - 1 - place)}
    return shown | {"left_seconds": 0, "least_seconds": 0}


def _shown(version: int, stage: str, since: str | None) -> dict[str, Any]:
    unknown = dict.fromkeys(("strategy", "steps", "percent", "bake_seconds", "left_seconds", "least_seconds"))
    return {"version": version, "stage": stage, "since": since, **unknown}
