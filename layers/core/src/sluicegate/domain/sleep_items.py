"""The part of a model's item that says that its endpoint was shut down (``domain.items``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class SleepItem(TypedDict, total=False):
    """An endpoint that was shut down. ``state``: asleep | waking, since ``since``.

    ``asleep_at`` is when it was decided: an endpoint that is older has to go, a younger one is the one that was woken.
    ``version`` serves when it wakes, by ``config``. ``gone``: the old endpoint was seen to be no more. ``usd_per_hour``
    is what its instances cost; None where that is not known, 0 for serverless.
    """

    state: str
    since: str
    asleep_at: str
    by: str
    why: str
    version: int
    config: str
    gone: bool
    usd_per_hour: float | None
    error: str | None


class SavedItem(TypedDict):
    """What was not paid for while endpoints slept: over ``times`` sleeps of ``seconds`` together, since ``since``."""

    usd: float
    seconds: int
    times: int
    since: str


def waits_for_waking(item: Mapping[str, Any], version: int) -> bool:
    """Whether a model's endpoint sleeps, and will serve ``version`` when it wakes."""
    sleep = item.get("sleep")
    return sleep is not None and sleep["version"] == version


def slumbers_on(item: Mapping[str, Any]) -> bool:
    """Whether an endpoint is on its way to sleep, or out of it."""
    sleep = item.get("sleep")
    return sleep is not None and (sleep["state"] == "waking" or not sleep["gone"])
