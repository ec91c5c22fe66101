"""moto's time: the region's.

moto's parts ask for the time through ``moto.core.utils`` (``utcnow``, ``unix_time`` and what is made of them), a few
creation dates excepted. There the name ``datetime`` is given a stand-in whose ``now`` is the region's.
``tests/contract/front/test_moto_private_api.py`` holds that this is so.
"""

from __future__ import annotations

import datetime as real
from types import SimpleNamespace
from typing import Any

from local_region.ports import Clock


def follow(clock: Clock) -> None:
    """From now on moto takes the time from ``clock``. The last one wins: a process may build more than one region."""
    from moto.core import utils

    class RegionDatetime(real.datetime):
        """Makes plain datetimes, so that none of these is left in moto's state."""

        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> Any:
            now = clock.now()
            return now.astimezone(tz) if tz is not None else now.astimezone().replace(tzinfo=None)

        @classmethod
        def fromtimestamp(cls, timestamp: float, tz: real.tzinfo | None = None) -> Any:
            return real.datetime.fromtimestamp(timestamp, tz)

        @classmethod
        def strptime(cls, text: str, form: str) -> Any:
            return real.datetime.strptime(text, form)

    shown = {name: getattr(real, name) for name in dir(real) if not name.startswith("_")}
    vars(utils)["datetime"] = SimpleNamespace(**{**shown, "datetime": RegionDatetime})
