"""A run whose data a processing job prepares: break off after effect n, any order, repeats: one outcome."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.faults.test_crashes import outcome
from tests.support.fakes import World
from tests.support.flow import Flow, table
from tests.support.processing import data_sets

FIRST, SECOND = table(240, 1), table(260, 2)


def one_round(world: World) -> Flow:
    flow = Flow(world, limit=1)
    flow.put("data/churn/first.csv", FIRST)
    flow.play()
    return flow


def two_rounds(world: World, copies: int = 1, random: Random | None = None) -> Flow:
    flow = Flow(world, limit=1)
    flow.put("data/churn/first.csv", FIRST)
    flow.play(copies, random)
    flow.put("data/churn/second.csv", SECOND)
    flow.play(copies, random)
    return flow


def all_of(flow: Flow) -> dict[str, Any]:
    found = outcome(flow)
    paid = [[line["what"] for line in run["cost"]["actual"]["lines"]] for run in flow.registry.runs("churn")]
    return {**found, "processing": sorted(flow.jobs.processing), "datasets": data_sets(flow.storage), "paid": paid}


@pytest.fixture(scope="module")
def undisturbed() -> Flow:
    return two_rounds(World())


def test_the_undisturbed_outcome(undisturbed: Flow) -> None:
    found = all_of(undisturbed)
    assert found["live"] == 2 and found["active"] is None
    assert len(found["processing"]) == len(found["training"]) == 2
    assert found["paid"] == [["preparation", "training", "evaluation"]] * 2
    (history, _) = (item["history"] for item in undisturbed.registry.runs("churn"))
    assert [line["status"] for line in history][:3] == ["preparing", "processing", "training"]


#: those up to the training: what comes after is the same as ever
EFFECTS = next(
    number for number, what in enumerate(one_round(World()).world.effects, 2) if what.startswith("training job")
)


@pytest.fixture(scope="module")
def one_undisturbed() -> Flow:
    return one_round(World())


@pytest.mark.parametrize("number", range(1, EFFECTS + 1))
def test_a_crash_after_any_effect_changes_nothing(one_undisturbed: Flow, number: int) -> None:
    world = World(crash_after=number)
    flow = one_round(world)
    assert world.crash_after is None, "the crash took place"
    assert all_of(flow) == all_of(one_undisturbed), world.effects[number - 1]


@pytest.mark.parametrize("seed", range(4))
def test_crashes_repeats_and_any_order_together(undisturbed: Flow, seed: int) -> None:
    random = Random(seed)
    world = World(crash_after=random.randint(1, EFFECTS))
    assert all_of(two_rounds(world, random.choice([1, 2, 3]), random)) == all_of(undisturbed)


def test_every_delivery_comes_again_at_the_end(undisturbed: Flow) -> None:
    flow = two_rounds(World())
    old: list[tuple[str, str, Any]] = [*flow.world.events]
    old += [("message", identity, body) for identity, body, _ in flow.world.messages]
    for delivery in reversed(old):
        flow.attempt(*delivery)
    flow.play()
    assert all_of(flow) == all_of(undisturbed)
