"""What makes training data of what callers said."""

from __future__ import annotations

from functools import cache

from sluicegate.bootstrap.base import registry, storage, tallies
from sluicegate.services.collect import Collect


@cache
def collect() -> Collect:
    return Collect(registry(), storage(), tallies())
