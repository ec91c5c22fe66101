"""Batches over the fakes: a model with versions, files dropped under batch/, SageMaker played by the test."""

from __future__ import annotations

import json
from functools import cache
from itertools import count

from tests.support.fakes import World
from tests.support.flow import PREFIX, Flow, table

__all__ = ["PREFIX", "with_version"]


@cache
def _made() -> Flow:
    flow = Flow(World())
    flow.put("data/churn/first.csv", table(240, 1))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1
    return flow


def with_version(world: World | None = None) -> Flow:
    """The model ``churn`` (height, color → won) with version 1 live. Made once, then copied: it takes a second."""
    made = _made()
    flow = Flow(world or World())
    flow.world.now, flow.world.ids = made.world.now, count(1_000)
    flow.registry.items = {key: json.loads(json.dumps(item)) for key, item in made.registry.items.items()}
    flow.storage.objects = dict(made.storage.objects)
    for name in ("training", "transforms", "models", "states"):
        setattr(flow.jobs, name, dict(getattr(made.jobs, name)))
    flow.packages.groups, flow.packages.packages = set(made.packages.groups), dict(made.packages.packages)
    flow.packages.descriptions, flow.packages.reasons = dict(made.packages.descriptions), dict(made.packages.reasons)
    flow.endpoints.endpoint_configs = dict(made.endpoints.endpoint_configs)
    flow.endpoints.states, flow.endpoints.orders = dict(made.endpoints.states), list(made.endpoints.orders)
    return flow
