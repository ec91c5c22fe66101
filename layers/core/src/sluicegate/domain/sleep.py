"""What a model's item says of its endpoint's sleep. Pure; the moves are ``lifecycle.MOVES["endpoint"]``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.domain.items import is_moving, moment, stamp
from sluicegate.domain.sleep_items import SavedItem, SleepItem


def endpoint_state(item: Mapping[str, Any]) -> str | None:
    """creating | serving | asleep | waking; None before there is anything to serve."""
    sleep = item.get("sleep")
    if sleep is not None:
        return str(sleep["state"])
    if item.get("live_version") is not None:
        return "serving"
    return "creating" if item.get("deploying_version") is not None else None


def why_awake(item: Mapping[str, Any]) -> str | None:
    """Why the endpoint must not be put to sleep now; None when it may."""
    if item.get("live_version") is None:
        return "no version is live"
    if item.get("sleep") is not None:
        return f"its endpoint is {item['sleep']['state']}"
    if item.get("experiment") is not None or item.get("challenging") is not None:
        return "an experiment shares its traffic, or is about to"
    if item.get("traffic") is not None or item.get("rollout") is not None or is_moving(item):
        return "a version is on its way in"
    return None


def told(item: Mapping[str, Any]) -> str | None:
    """What there is to say of the endpoint's sleep, in a sentence; None when there is none.

    >>> told({"live_version": 1, "sleep": {"state": "asleep", "why": "nobody has called it for 2h.", "version": 2}})
    'its endpoint is asleep (nobody has called it for 2h), version 2 serves when it wakes'
    """
    sleep = item.get("sleep")
    if sleep is None:
        return None
    if sleep["state"] == "waking":
        return "its endpoint wakes"
    why = f"it could not be woken: {sleep['error']}" if sleep.get("error") else sleep.get("why") or ""
    text = "its endpoint is asleep" + (f" ({why.rstrip('.')})" if why else "")
    same = sleep["version"] == item.get("live_version")
    return text if same else f"{text}, version {sleep['version']} serves when it wakes"


def fallen(
    item: Mapping[str, Any], config: str, by: str, why: str, usd_per_hour: float | None, at: datetime
) -> SleepItem:
    """The model's ``sleep`` from ``at`` on."""
    return SleepItem(
        state="asleep",
        since=stamp(at),
        asleep_at=stamp(at),
        by=by,
        why=why,
        version=int(item["live_version"]),
        config=config,
        gone=False,
        usd_per_hour=usd_per_hour,
        error=None,
    )


def saved(item: Mapping[str, Any], until: datetime) -> SavedItem:
    """What ``saved`` becomes when the sleep under way ends ``until``."""
    sleep, before = item["sleep"], item.get("saved")
    seconds = max(0, round((until - moment(sleep["asleep_at"])).total_seconds()))
    usd = (sleep.get("usd_per_hour") or 0.0) * seconds / 3600
    if before is None:
        return SavedItem(usd=round(usd, 6), seconds=seconds, times=1, since=sleep["asleep_at"])
    return SavedItem(
        usd=round(before["usd"] + usd, 6),
        seconds=before["seconds"] + seconds,
        times=before["times"] + 1,
        since=before["since"],
    )
