"""Which fleet an endpoint's next request goes to, while one replaces another."""

from __future__ import annotations

import random
from typing import NamedTuple

from local_region.sagemaker.fleet import Fleet


class _Split(NamedTuple):
    blue: Fleet
    green: Fleet | None
    share: float


class Traffic:
    """``blue`` serves; ``green``, when there is one, takes a share. Changes are one assignment: a request sees the
    split before or the one after."""

    def __init__(self, fleet: Fleet) -> None:
        self._split = _Split(fleet, None, 0.0)

    @property
    def blue(self) -> Fleet:
        return self._split.blue

    def shift(self, green: Fleet, share: float) -> None:
        """``share`` (0 to 1) of the requests go to ``green``."""
        self._split = _Split(self._split.blue, green, share)

    def settle(self, fleet: Fleet) -> None:
        """Every request goes to ``fleet``."""
        self._split = _Split(fleet, None, 0.0)

    def fleets(self) -> list[Fleet]:
        """Those that may have requests now."""
        split = self._split
        return [split.blue] if split.green is None else [split.blue, split.green]

    def enter(self) -> Fleet | None:
        """The fleet for a request, which is counted in; None when the endpoint is being deleted."""
        while True:
            split = self._split
            green = split.green is not None and random.random() < split.share  # noqa: S311 - traffic, no secret
            fleet = split.green if green and split.green is not None else split.blue
            if fleet.enter():
                return fleet
            if split is self._split:
                return None  # closed, and nothing has taken its place
