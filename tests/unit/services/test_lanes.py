"""Endpoints of further lanes: up before they are used, gone afterwards, whatever is asked again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluicegate.domain import names
from sluicegate.domain.errors import Transient
from sluicegate.domain.items import LaneItem
from tests.support.stage import MODEL, PREFIX, Stage

CAUSE = "1f2e3d4c"


def lane(number: int, champion: bool = False) -> LaneItem:
    endpoint = names.endpoint(PREFIX, MODEL) if champion else names.lane_endpoint(PREFIX, MODEL, number)
    slot = "champion" if champion else f"challenger-{number}"
    return LaneItem(slot=slot, version=number, weight=0.5, endpoint=endpoint, variant=f"v{number}")


def stage() -> Stage:
    made = Stage()
    made.add("approved")
    made.play()
    made.add("pending_approval")
    made.add("pending_approval")
    made.registry.items["experiment", MODEL, CAUSE] = {
        "experiment": CAUSE,
        "model": MODEL,
        "lanes": [{"slot": "champion", "version": 1}, {"slot": "a", "version": 2}, {"slot": "b", "version": 3}],
    }
    return made


def bring(made: Stage, *numbers: int) -> str:
    lanes = [lane(1, champion=True), *map(lane, numbers)]
    return made.rollout().lanes.bring(MODEL, lanes, CAUSE, made.world.tick())


def test_lanes_come_up_once_and_are_ready_together() -> None:
    made = stage()
    assert bring(made, 2, 3) == bring(made, 2, 3) == "busy"
    assert sorted(made.endpoints.states) == ["sluicegate-churn", "sluicegate-churn-V2", "sluicegate-churn-V3"]
    made.endpoints.settle("sluicegate-churn-V2")
    assert bring(made, 2, 3) == "busy"
    made.endpoints.settle("sluicegate-churn-V3")
    assert bring(made, 2, 3) == "ready"
    assert made.endpoints.states["sluicegate-churn-V2"].config == "sluicegate-churn-v2"
    assert made.endpoints.endpoint_configs["sluicegate-churn-v2"][1] == "v2"


def test_the_champions_lane_is_its_endpoint_and_needs_nothing() -> None:
    made = stage()
    assert bring(made) == "ready"
    assert list(made.endpoints.states) == ["sluicegate-churn"]


def test_a_lane_that_cannot_come_up_says_why() -> None:
    made = stage()
    bring(made, 2)
    made.endpoints.settle("sluicegate-churn-V2", "no capacity")
    assert bring(made, 2) == "failed:no capacity"


def test_dropping_leaves_the_champion_and_who_is_to_stay() -> None:
    made = stage()
    bring(made, 2, 3)
    with pytest.raises(Transient, match=r"V2 \(Creating\)"):
        made.rollout().lanes.drop(MODEL, CAUSE, None, made.world.tick())
    for number in (2, 3):
        made.endpoints.settle(f"sluicegate-churn-V{number}")
    made.rollout().lanes.drop(MODEL, CAUSE, 3, made.world.tick())
    assert sorted(made.endpoints.states) == ["sluicegate-churn", "sluicegate-churn-V3"]
    for _ in range(2):
        made.rollout().lanes.drop(MODEL, CAUSE, None, made.world.tick())
    assert list(made.endpoints.states) == ["sluicegate-churn"]
    made.rollout().lanes.drop(MODEL, "00000000", None, made.world.tick())


def test_an_endpoint_that_is_being_deleted_is_left_alone() -> None:
    made = stage()
    bring(made, 2)
    name = "sluicegate-churn-V2"
    made.endpoints.settle(name)
    made.endpoints.states[name] = replace(made.endpoints.states[name], status="Deleting")
    made.rollout().lanes.drop(MODEL, CAUSE, None, made.world.tick())
    assert name in made.endpoints.states
