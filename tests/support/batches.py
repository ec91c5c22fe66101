"""Batches over the fakes: a model with versions, files dropped under batch/, SageMaker played by the test."""

from __future__ import annotations

from tests.support.fakes import World
from tests.support.flow import PREFIX, Flow, table


def with_version(world: World | None = None, rows: int = 240) -> Flow:
    """The model ``churn`` (height, color → won) with version 1 live."""
    flow = Flow(world or World())
    flow.put("data/churn/first.csv", table(rows, 1))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1
    return flow


__all__ = ["PREFIX", "with_version"]
