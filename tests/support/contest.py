"""A model with three versions whose traffic can be shared: the application over the fakes, with experiments.

Making the versions takes a second of real encoding, so a test starts from a copy of one world.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.experiment import Latency, Tally
from sluicegate.ports import Fact, Place
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.contests import Contests
from sluicegate.services.experiment import Experiments
from sluicegate.services.experiment_looks import Looks
from sluicegate.services.experiment_terms import Wanted
from sluicegate.services.lanes import Lanes
from sluicegate.services.routing import RoutingTable
from sluicegate.services.scaling import Scaler
from sluicegate.services.tallies import hour_of
from sluicegate.services.variants import Variants
from tests.support.fakes import FakeBell, World
from tests.support.flow import PREFIX, REGION, Flow, table
from tests.support.tallies import FakeTallies

MODEL = "churn"
ENDPOINT = names.endpoint(PREFIX, MODEL)
ON_INSTANCES = "endpoint: {instance: ml.m5.large, min: 1, max: 3}\n"
#: outcomes count when they are in; half an hour between looks
TERMS: dict[str, Any] = {"no_outcome": "unknown", "look_every": "30m", "max_duration": "3d"}


class Contest(Flow):
    """Version 3 is live; 1 and 2 served before it."""

    #: the schedule
    every = timedelta(minutes=5)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tallies = FakeTallies()  # what happens there is not what breaks off
        self.counted = 0

    def experiments(self) -> Experiments:
        looks = Looks(self.storage, self.tallies)
        blueprint = Blueprint(self.registry, self.storage, self.endpoints, self.jobs, PREFIX, REGION)
        lanes = Lanes(self.registry, self.endpoints, blueprint, PREFIX)
        scaler = Scaler(self.ledger(), self.scaling, blueprint, PREFIX)
        variants = Variants(self.registry, self.storage, self.endpoints, blueprint, scaler, PREFIX)
        routing = RoutingTable(self.registry, self.storage, PREFIX)
        return Experiments(self.ledger(), looks, lanes, variants, routing, FakeBell(self.world))

    def deliver(self, kind: str, identity: str, about: Any) -> str:
        if kind == "look":
            return str(self.experiments().tick(about))
        if kind == "start":
            return str(self.contests().start(MODEL, about, self.world.tick())["status"])
        done = super().deliver(kind, identity, about)
        return self.experiments().advance(about, self.world.now, recover=True) if kind == "bell" else done

    def begin(self, *challengers: int, mode: str | None = None, cause: str = "asked", **given: Any) -> Any:
        """Raises what is wrong with it."""
        self.deliver("start", cause, self.wanted(*challengers, mode=mode, cause=cause, **given))
        while self.pending or len(self.world.events) > self._seen_events:
            self.collect()
            self.attempt(*self.pending.pop(0))
        return self.experiment()

    def wanted(self, *challengers: int, mode: str | None = None, cause: str = "asked", **given: Any) -> Wanted:
        return Wanted(challengers, (cause,), "ada", "is it better?", mode, TERMS | given)

    def approve(self, number: int, at: datetime | None = None) -> str:
        """The gate says yes to a version that was just trained; what ``deploy_model`` does about it."""
        version = self.registry.items["version", MODEL, number]
        version["status"] = "approved"
        self.registry.items["run", MODEL, version["run"]]["status"] = "deploying"
        arn = version["model_package_arn"]
        decided = at or self.world.tick()
        self.packages.packages[arn] = replace(self.packages.packages[arn], approval="Approved", decided_at=decided)
        done = self.deliver("package", "event", arn)
        self.play()
        return done

    def decide(self, kind: str, slot: str | None = None, who: str = "ada", why: str = "") -> None:
        self.contests().decide(MODEL, kind, slot, who, why, self.world.tick())

    def contests(self) -> Contests:
        return Contests(self.ledger(), FakeBell(self.world))

    def wait(self, **length: float) -> None:
        """Time passes, and the schedule comes every five minutes of it."""
        end = self.world.now + timedelta(**length)
        while self.world.now < end:
            self.world.now += self.every
            self.tick()

    def tick(self, copies: int = 1) -> None:
        for _ in range(copies):
            self.attempt("tick", "tick", None)
            self.attempt("look", "look", self.world.now)
        self.play()

    def serve(self, outcomes: Mapping[str, tuple[int, int]], failures: int = 0, milliseconds: float = 9.0) -> None:
        """Exposures and their outcomes, by lane (how many, how many of them 1), in the hour that it is."""
        hour = hour_of(int(self.world.now.timestamp() * 1000))
        scope = self.item().get("experiment") or "none"
        for lane, (count, hits) in outcomes.items():
            one = Latency.of(milliseconds)
            buckets = dict.fromkeys(one.buckets, count)
            latency = Latency(count, one.log_sum * count, one.log_squares * count, buckets if count else {})
            tally = Tally(
                exposures=count,
                outcomes=count,
                total=float(hits),
                squares=float(hits),
                errors=failures,
                latency=latency,
            )
            self.counted += 1
            fact = Fact(f"fact-{self.counted}", {Place(scope, lane, hour): tally})
            self.tallies.add(MODEL, [fact], self.world.now)

    def item(self) -> Any:
        return self.registry.model(MODEL)

    def experiment(self) -> Any:
        """The newest."""
        return self.registry.experiments(MODEL)[0]

    def shares(self) -> dict[int, float]:
        """Of the routing as it is written now: by version."""
        return {lane["version"]: lane["weight"] for lane in self.storage.json(f"routing/{MODEL}.json")["lanes"]}

    def lanes_up(self) -> set[str]:
        """Endpoints and variants beside the champion's."""
        endpoints = {name for name in self.endpoints.states if name != ENDPOINT}
        return endpoints | set(list(self.endpoints.states[ENDPOINT].weights)[1:])

    def weights(self) -> dict[str, float]:
        """What those get who call SageMaker themselves, by variant."""
        return dict(self.endpoints.states[ENDPOINT].weights)


def _on_instances(flow: Contest) -> None:
    """As if that had been in model.yaml from the beginning."""
    for item in flow.registry.runs(MODEL):
        flow.registry.items["run", MODEL, item["run"]]["settings"] = ON_INSTANCES
    blueprint = Blueprint(flow.registry, flow.storage, flow.endpoints, flow.jobs, PREFIX, REGION)
    for version in flow.registry.versions(MODEL):
        config = names.endpoint_config(PREFIX, MODEL, version["version"])
        if config in flow.endpoints.variants:
            del flow.endpoints.endpoint_configs[config], flow.endpoints.variants[config]
            blueprint.config(version)
    flow.attempt("endpoint", "event", ENDPOINT)
    assert set(flow.scaling.targets) == {(ENDPOINT, "v3")}


@cache
def _prepared() -> Contest:
    flow = Contest(World())
    for number in (1, 2, 3):
        flow.put(f"data/{MODEL}/{number}.csv", table(200 + number, number))
        flow.play()
    assert flow.item()["live_version"] == 3
    return flow


def contest(crash_after: int | None = None, settings: str = "", instances: bool = False) -> Contest:
    """A world of its own; ``crash_after`` counts the effects from here. ``instances``: the versions, which read alike,
    are served by instances that scale, so that an experiment's lanes are variants."""
    flow = copy.deepcopy(_prepared())
    if instances:
        _on_instances(flow)
    if settings:
        flow.put(f"models/{MODEL}/model.yaml", settings.encode())
        flow.play()
    flow.world.effects.clear()
    flow.world.crash_after = crash_after
    return flow
