"""Break off after effect n, deliver again: the same one outcome for every n, for any order, and for repeats."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.fakes import World
from tests.support.flow import Flow, table
from tests.support.rehearsal import Rehearsal

FIRST, SECOND = table(240, 1), table(260, 2)


def two_rounds(world: World, copies: int = 1, random: Random | None = None) -> Flow:
    """A first file makes version 1 live; a second file makes version 2 take over."""
    flow = Flow(world)
    flow.put("data/churn/first.csv", FIRST)
    flow.play(copies, random)
    flow.put("data/churn/second.csv", SECOND)
    flow.play(copies, random)
    return flow


def outcome(flow: Flow) -> dict[str, Any]:
    """All that must come out the same."""
    registry = flow.registry
    model = registry.model("churn")
    routing = flow.storage.json("routing/churn.json")
    return {
        "uploads": sorted((item["key"], item["status"], item["accepted_rows"]) for item in registry.uploads("churn")),
        "runs": sorted((item["status"], item["dataset_version"], item["version"]) for item in registry.runs("churn")),
        "versions": [(item["version"], item["status"]) for item in registry.versions("churn")],
        "histories": sorted(
            tuple(line["status"] for line in item["history"])
            for item in [*registry.runs("churn"), *registry.versions("churn"), *registry.uploads("churn")]
        ),
        "live": model["live_version"],
        "active": model.get("active_run"),
        "state": model["state"],
        "training": sorted(flow.jobs.training),
        "transforms": sorted(flow.jobs.transforms),
        "packages": sorted((package.arn, package.approval) for package in flow.packages.packages.values()),
        "endpoints": [(state.name, state.status, state.config) for state in flow.endpoints.states.values()],
        "configs": sorted(flow.endpoints.endpoint_configs),
        "lanes": [lane["version"] for lane in routing["lanes"]],
        "coming": routing["coming"],
    }


TOLD = Rehearsal(
    Flow(),
    [lambda flow: flow.put("data/churn/first.csv", FIRST), lambda flow: flow.put("data/churn/second.csv", SECOND)],
)


@pytest.fixture(scope="module")
def undisturbed() -> Flow:
    return TOLD.flow


def test_the_undisturbed_outcome(undisturbed: Flow) -> None:
    found = outcome(undisturbed)
    assert found["live"] == 2
    assert found["active"] is None
    assert found["versions"] == [(2, "live"), (1, "retired")]
    assert [run[0] for run in found["runs"]] == ["live", "live"]
    assert found["lanes"] == [2]
    assert found["coming"] == []
    assert len(found["training"]) == len(found["packages"]) == 2
    assert undisturbed.endpoints.orders == ["sluicegate-churn-v1", "sluicegate-churn-v2"]


@pytest.mark.parametrize("number", TOLD.numbers)
def test_a_crash_after_any_effect_changes_nothing(undisturbed: Flow, number: int) -> None:
    flow = TOLD.broken_off(number)
    assert outcome(flow) == outcome(undisturbed), flow.world.effects[number - 1]
    # the same order once more to an endpoint that has it does no harm, a different one would
    assert list(dict.fromkeys(flow.endpoints.orders)) == undisturbed.endpoints.orders


@pytest.mark.parametrize("copies", [2, 3])
def test_repeated_deliveries_change_nothing(undisturbed: Flow, copies: int) -> None:
    assert outcome(two_rounds(World(), copies)) == outcome(undisturbed)


@pytest.mark.parametrize("seed", range(12))
def test_crashes_repeats_and_any_order_together(undisturbed: Flow, seed: int) -> None:
    random = Random(seed)
    world = World(crash_after=random.choice(TOLD.numbers))
    assert outcome(two_rounds(world, random.choice([1, 2]), random)) == outcome(undisturbed)


def test_every_delivery_is_remembered_and_comes_again_at_the_end(undisturbed: Flow) -> None:
    """Old news after everything is over: each event and message once more, backwards."""
    flow = two_rounds(World())
    before = outcome(flow)
    old: list[tuple[str, str, Any]] = [*flow.world.events]
    old += [("message", identity, body) for identity, body, _ in flow.world.messages]
    for delivery in reversed(old):
        flow.attempt(*delivery)
    flow.play()
    assert outcome(flow) == before == outcome(undisturbed)
