"""A deployment at work, with fleets that are no processes and a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.clock import RegionClock
from local_region.ports import Json, Region
from local_region.sagemaker.deployments import Deployment
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import StartFailure
from local_region.sagemaker.shifting import Plan, Step
from local_region.sagemaker.traffic import Traffic
from tests.support.region import wait_for

VARIANT = {"VariantName": "v", "InitialVariantWeight": 1.0, "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
CANARY = Plan(
    (Step(0.5, 600, "WaitIntervalInSeconds", "canary"), Step(1.0, 60, "TerminationWaitInSeconds", "full")),
    None,
    ("bad",),
)


class FakeFleet:
    def __init__(self, config: Record) -> None:
        self.config, self.retired = config, False
        self.variants = {"v": SimpleNamespace(instances=2)}


class Bench:
    """One deployment, the alarms that it looks at, and what it tells."""

    def __init__(self, launch: Callable[[], Fleet] | None = None, plan: Plan = CANARY) -> None:
        self.clock = RegionClock()
        self.went_off, self.looked = list[str](), 0
        self.statuses, self.stages = list[str](), list[tuple[str, int]]()
        old, new = (
            Record(name, name, {"ProductionVariants": [VARIANT]}, self.now, self.now) for name in ("old", "new")
        )
        self.record = Record("e", "arn", {}, self.now, self.now, state={"EndpointStatus": "Updating"})
        self.blue, self.green = FakeFleet(old), FakeFleet(new)
        self.traffic = Traffic(cast("Fleet", self.blue))
        region = cast("Region", SimpleNamespace(clock=self.clock, alarms=self))
        self.deployment = Deployment(
            region,
            self.record,
            self.traffic,
            new,
            plan,
            launch or (lambda: cast("Fleet", self.green)),
            lambda fleet: setattr(fleet, "retired", True),
            cast("Any", SimpleNamespace(set_status=self.set_status, tell=self.tell)),
        )
        self.thread = threading.Thread(target=self.deployment.run)
        self.thread.start()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def look(self) -> None:
        self.looked += 1

    def tripped(self, names: tuple[str, ...], since: datetime) -> list[str]:
        assert since <= self.now
        return [name for name in names if name in self.went_off]

    def set_status(self, record: Record, status: str, **state: Any) -> None:
        record.state.update(EndpointStatus=status, **state)
        self.statuses.append(status)

    def tell(self, record: Record, kind: str = "Endpoint") -> None:
        if kind == "Endpoint Deployment":
            summary: Json = record.state["PendingDeploymentSummary"]["ProductionVariants"][0]
            self.stages.append((summary["VariantStatus"][0]["Status"], summary["CurrentInstanceCount"]))

    def serving(self) -> list[Any]:
        return list(self.traffic.fleets())

    def bake(self) -> None:
        wait_for(lambda: self.deployment.waits_until is not None, what="a bake")

    def pass_(self, span: timedelta) -> None:
        """As the timeline does it."""
        self.clock.move_ahead(self.clock.ahead + span)
        self.deployment.catch_up()
        wait_for(lambda: self.deployment.waits_until is not None or not self.thread.is_alive(), what="its look")

    def end(self) -> None:
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def benches() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*args: Any, **named: Any) -> Bench:
        made.append(Bench(*args, **named))
        return made[-1]

    yield make
    for bench in made:
        bench.deployment.stop()
        bench.thread.join(10)


Make = Callable[..., Bench]


def test_steps_by_the_clock_to_the_end(benches: Make) -> None:
    bench = benches()
    bench.bake()
    assert bench.serving() == [bench.blue, bench.green]
    until = bench.deployment.waits_until
    assert until is not None
    assert abs(until - bench.now - timedelta(minutes=10)) < timedelta(minutes=1)
    bench.pass_(timedelta(minutes=9))
    assert bench.stages[-1] == ("Baking", 1)
    bench.pass_(timedelta(minutes=2))
    assert bench.stages[-1] == ("Baking", 2)
    assert bench.looked >= 1, "with the values of the moment in which a bake is called good"
    bench.pass_(timedelta(minutes=1))
    bench.end()
    assert bench.stages == [
        ("Creating", 0),
        ("ActivatingTraffic", 1),
        ("Baking", 1),
        ("ActivatingTraffic", 2),
        ("Baking", 2),
        ("Deleting", 2),
    ]
    assert bench.statuses == ["InService"]
    assert bench.record.state["EndpointConfigName"] == "new"
    assert "PendingDeploymentSummary" not in bench.record.state
    assert (bench.serving(), bench.blue.retired, bench.green.retired) == ([bench.green], True, False)


def test_an_alarm_brings_all_back(benches: Make) -> None:
    bench = benches()
    bench.bake()
    bench.went_off.append("bad")
    bench.end()
    assert bench.statuses == ["RollingBack", "InService"]
    assert "bad" in bench.record.state["FailureReason"]
    assert "EndpointConfigName" not in bench.record.state
    assert (bench.serving(), bench.blue.retired, bench.green.retired) == ([bench.blue], False, True)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StartFailure("Production variant v: no model"), "Production variant v: no model"),
        (ValueError("a bug"), "InternalServerError: ValueError: a bug"),
    ],
)
def test_a_fleet_that_does_not_come_up(benches: Make, error: Exception, reason: str) -> None:
    def launch() -> Fleet:
        raise error

    bench = benches(launch)
    bench.end()
    assert bench.statuses == ["RollingBack", "InService"]
    assert bench.record.state["FailureReason"] == reason
    assert (bench.serving(), bench.blue.retired) == ([bench.blue], False)


def test_a_region_that_ends_waits_for_no_bake(benches: Make) -> None:
    bench = benches(plan=Plan((Step(1.0, 3600, "TerminationWaitInSeconds", "full"),)))
    bench.bake()
    bench.deployment.stop()
    bench.end()
    assert bench.statuses == []
