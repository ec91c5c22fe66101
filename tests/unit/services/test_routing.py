"""The document that ``predict`` reads, made from the registry's items alone: no flow, no data."""

from __future__ import annotations

from typing import Any

from sluicegate.domain import names
from sluicegate.domain.items import LaneItem, ShadowItem, TrafficItem
from sluicegate.services.routing import RoutingTable
from tests.support.fakes import FakeRegistry, FakeStorage, World

PREFIX = "sluicegate"
DOCUMENT = b"""{"encoder": {"columns": []}, "schema": {"columns": []}, "wire": {"train": "csv", "infer": "csv"},
"problem": {"kind": "binary", "classes": ["no", "yes"]}}"""


def world(versions: int, **model: Any) -> tuple[FakeRegistry, FakeStorage]:
    registry, storage = FakeRegistry(World()), FakeStorage(World())
    registry.items["model", "churn", ""] = {"model": "churn", **model}
    for number in range(1, versions + 1):
        registry.items["run", "churn", f"run{number}"] = {"run": f"run{number}", "settings": ""}
        registry.items["version", "churn", number] = {
            "model": "churn",
            "version": number,
            "run": f"run{number}",
            "dataset_version": "d",
        }
    storage.objects["datasets/churn/d/dataset.json"] = DOCUMENT
    return registry, storage


def published(registry: FakeRegistry, storage: FakeStorage) -> dict[str, Any]:
    RoutingTable(registry, storage, PREFIX).publish("churn")
    found: dict[str, Any] = storage.json("routing/churn.json")
    return found


def lane(version: int, slot: str, weight: float, endpoint: str = "sluicegate-churn") -> LaneItem:
    return LaneItem(slot=slot, version=version, weight=weight, endpoint=endpoint, variant=names.variant(version))


def traffic(*lanes: LaneItem, shadow: ShadowItem | None = None) -> TrafficItem:
    return TrafficItem(cause="1f2e3d4c", salt="s", lanes=list(lanes), shadow=shadow, revision=1)


def shape(lanes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["slot"], one["version"], one["weight"], one["endpoint"], one["variant"]) for one in lanes]


def test_without_traffic_the_live_version_has_all() -> None:
    routing = published(*world(2, live_version=1, desired_version=2))
    assert shape(routing["lanes"]) == [("champion", 1, 1.0, "sluicegate-churn", "v1")]
    assert shape(routing["coming"]) == [("champion", 2, 1.0, "sluicegate-churn", "v2")]
    assert (routing["cause"], routing["salt"], routing["shadow"]) == (None, None, None)


def test_traffic_becomes_lanes_each_with_its_own_encoder() -> None:
    challenger = lane(2, "challenger", 0.2, "sluicegate-churn-V2")
    routing = published(*world(2, live_version=1, traffic=traffic(lane(1, "champion", 0.8), challenger)))
    assert shape(routing["lanes"]) == [
        ("champion", 1, 0.8, "sluicegate-churn", "v1"),
        ("challenger", 2, 0.2, "sluicegate-churn-V2", "v2"),
    ]
    assert all(one["encoder"] and one["schema"] for one in routing["lanes"])
    assert (routing["cause"], routing["salt"]) == ("1f2e3d4c", "s")


def test_a_rollouts_lanes_share_by_its_salt_and_count_nowhere() -> None:
    lanes = lane(1, "champion", 0.8), lane(2, "challenger", 0.2, "sluicegate-churn-V2")
    rollout = {"id": "1f2e3d4c", "version": 2, "stage": "shifting", "step": 0, "steps": [20, 50]}
    routing = published(*world(2, live_version=1, traffic=traffic(*lanes), rollout=rollout))
    assert [one["weight"] for one in routing["lanes"]] == [0.8, 0.2]
    assert (routing["cause"], routing["salt"]) == (None, "s")


def test_a_new_champion_takes_the_champions_slot_and_weight() -> None:
    challenger = lane(2, "challenger", 0.2, "sluicegate-churn-V2")
    routing = published(*world(3, live_version=3, traffic=traffic(lane(1, "champion", 0.8), challenger)))
    assert [one[:3] for one in shape(routing["lanes"])] == [("champion", 3, 0.8), ("challenger", 2, 0.2)]


def test_a_challenger_that_became_the_champion_has_one_lane() -> None:
    challenger = lane(2, "challenger", 0.2, "sluicegate-churn-V2")
    routing = published(*world(2, live_version=2, traffic=traffic(lane(1, "champion", 0.8), challenger)))
    assert [one[:3] for one in shape(routing["lanes"])] == [("champion", 2, 0.8)]


def test_a_shadow_is_told_with_its_sample_and_answers_nobody() -> None:
    shadow = ShadowItem(**lane(2, "challenger", 0.0, "sluicegate-churn-V2"), sample=0.25)
    routing = published(*world(2, live_version=1, traffic=traffic(lane(1, "champion", 1.0), shadow=shadow)))
    assert [one["version"] for one in routing["lanes"]] == [1]
    assert (routing["shadow"]["version"], routing["shadow"]["sample"]) == (2, 0.25)


def test_a_version_that_took_its_variant_over_is_asked_by_that_name() -> None:
    registry, storage = world(2, live_version=2)
    registry.items["version", "churn", 2]["variant"] = "v1"
    assert shape(published(registry, storage)["lanes"]) == [("champion", 2, 1.0, "sluicegate-churn", "v1")]


def shifting(**model: Any) -> int | None:
    """Version 2 shares the variant name of version 1, which is live."""
    registry, storage = world(3, live_version=1, **model)
    registry.items["version", "churn", 2]["variant"] = "v1"
    found: int | None = published(registry, storage)["lanes"][0].get("shifting_to")
    return found


def rollout(stage: str, step: int) -> dict[str, Any]:
    return {"id": "0123abcd", "version": 2, "stage": stage, "steps": [10, 100], "step": step}


def test_a_shift_under_one_name_is_told_from_the_wish_until_it_has_settled() -> None:
    assert shifting(desired_version=2) == 2, "before SageMaker is told"
    assert shifting(desired_version=2, deploying_version=2) == 2
    assert shifting(desired_version=1, deploying_version=2) == 2, "the way back: SageMaker can't be called off"
    assert shifting(desired_version=3, deploying_version=2) == 2, "what is under way, not what comes next"
    assert shifting(desired_version=1) is None
    assert shifting(desired_version=3, deploying_version=3) is None, "another name: who answers is known"
    assert shifting(desired_version=2, sleep={"state": "asleep"}) is None


def test_a_version_in_a_lane_leaves_the_endpoint_alone_until_its_last_step() -> None:
    assert shifting(desired_version=2, rollout=rollout("shifting", 0)) is None
    assert shifting(desired_version=2, rollout=rollout("shifting", 1)) == 2, "the next thing is the endpoint's update"
    assert shifting(desired_version=2, deploying_version=2, rollout=rollout("switching", 1)) == 2


def test_traffic_that_changes_while_it_is_written_is_written_again() -> None:
    registry, storage = world(2, live_version=1)
    write = storage.write

    def changing(key: str, content: bytes, content_type: str) -> None:
        write(key, content, content_type)
        registry.items["model", "churn", ""]["traffic"] = traffic(lane(1, "champion", 0.5), lane(2, "challenger", 0.5))

    storage.write = changing  # type: ignore[method-assign]
    assert len(published(registry, storage)["lanes"]) == 2


def test_a_challenger_on_its_way_to_the_champions_endpoint_stands_by_there() -> None:
    challenger = lane(2, "challenger", 0.2, "sluicegate-churn-V2")
    shared = traffic(lane(1, "champion", 0.8), challenger)
    routing = published(*world(2, live_version=1, desired_version=2, deploying_version=2, traffic=shared))
    assert [one["version"] for one in routing["lanes"]] == [1, 2]
    assert shape(routing["coming"]) == [("champion", 2, 1.0, "sluicegate-churn", "v2")]
