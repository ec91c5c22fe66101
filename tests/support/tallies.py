"""``ports.Tallies`` in memory, with the same answers as the adapter's (one test holds both)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sluicegate.domain.experiment.tally import Tally
from sluicegate.ports import Counted, Fact, Place
from tests.support.fakes import World


class FakeTallies:
    """Every fact is an effect of the world, so that a test can crash after it."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.said: dict[tuple[str, str], str] = {}
        self.sums: dict[tuple[str, Place], Tally] = {}

    def add(self, model: str, facts: Sequence[Fact], at: datetime) -> list[Counted]:
        return [self._add(model, fact) for fact in facts]

    def _add(self, model: str, fact: Fact) -> Counted:
        known = self.said.get((model, fact.once))
        if known is not None:
            return "repeated" if known == fact.said else "contradicted"
        self.said[model, fact.once] = fact.said
        for place, tally in fact.adds.items():
            self.sums[model, place] = self.sums.get((model, place), Tally()) + tally
        self.world.effect(f"count {fact.once}")
        return "counted"

    def read(self, model: str, scope: str) -> dict[str, dict[str, Tally]]:
        found: dict[str, dict[str, Tally]] = {}
        for (owner, place), tally in self.sums.items():
            if (owner, place.scope) == (model, scope):
                found.setdefault(place.lane, {})[place.hour] = tally
        return found
