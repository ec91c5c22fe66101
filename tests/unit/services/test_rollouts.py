"""Canary, linear and watched updates: by SageMaker's guardrails where it can, by lanes where it can't."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sluicegate.domain.way_in import way_in
from sluicegate.ports_serving import BlueGreen, Instances
from tests.support.stage import ANN, DOCUMENT, ENDPOINT, MODEL, Stage

INSTANCES = "endpoint: {instance: ml.m5.large}\n"
CANARY = "deployment: {strategy: canary}\n"
OTHER = DOCUMENT.replace(b'{"columns": []}', b'{"columns": [1]}', 1)
LANE = f"{ENDPOINT}-V2"


def stage(settings: str = CANARY, document: bytes = DOCUMENT) -> Stage:
    """Version 1 is live, version 2 was approved and nobody has heard of it."""
    made = Stage(settings)
    made.add("approved")
    made.play()
    made.add("approved", document)
    return made


def weights(made: Stage) -> list[tuple[int, float]]:
    return [(lane["version"], lane["weight"]) for lane in made.lanes]


def stands(made: Stage) -> tuple[str, int] | None:
    rollout = made.model().get("rollout")
    return None if rollout is None else (rollout["stage"], rollout["steps"][rollout["step"]])


def messages(made: Stage, number: int) -> list[str]:
    return [line["message"] for line in made.version(number)["history"]]


# SageMaker's own


@pytest.mark.parametrize(
    ("deployment", "strategy", "percent", "wait"),
    [
        ("{strategy: canary}", "canary", 10, 300),
        ("{strategy: canary, percent: 25, bake: 10m}", "canary", 25, 600),
        ("{strategy: linear}", "linear", 33, 300),
        ("{bake: 2m}", "all_at_once", 100, 120),
    ],
)
def test_instances_that_read_alike_shift_by_sagemakers_guardrails(
    deployment: str, strategy: str, percent: int, wait: int
) -> None:
    made = stage(f"{INSTANCES}deployment: {deployment}\n")
    made.play()
    alarms = ["sluicegate-churn-v2-errors", "sluicegate-churn-v2-latency"]
    assert made.endpoints.guards["sluicegate-churn-v2"] == BlueGreen(strategy, percent, wait, alarms)
    assert made.endpoints.endpoint_configs["sluicegate-churn-v2"][1:] == ("v1", Instances("ml.m5.large", 1))
    assert (made.live, made.serves(), made.status(2)) == (2, 2, "live")
    assert made.lanes[0]["variant"] == "v1"
    assert made.alarms.specs == {}, "they go when the version is in"


def test_the_routing_says_that_sagemaker_shifts_before_it_does_and_no_longer_than_that() -> None:
    made = stage(INSTANCES + CANARY)
    told: list[int | None] = []
    update = made.endpoints.update

    def updating(name: str, config: str, guard: BlueGreen | None = None, keep: bool = False) -> None:
        told.append(made.lanes[0].get("shifting_to"))
        update(name, config, guard, keep)

    made.endpoints.update = updating  # type: ignore[method-assign]
    made.until(lambda: made.status(2) == "deploying")
    assert told == [2]
    assert (made.lanes[0]["version"], made.lanes[0]["shifting_to"]) == (1, 2)
    made.endpoints.settle(ENDPOINT, "an alarm rolled the update back")
    made.play()
    assert made.lanes[0]["version"] == 1
    assert "shifting_to" not in made.lanes[0]
    made.steer().deploy(MODEL, 2, ANN, made.world.tick())
    made.play()
    assert made.lanes[0]["version"] == 2
    assert "shifting_to" not in made.lanes[0]


def test_alarms_look_at_the_new_fleet_alone_and_at_what_the_champion_takes() -> None:
    made = stage(INSTANCES + CANARY)
    made.alarms.usual_ms = 40.0
    made.until(lambda: made.status(2) == "deploying")
    errors, latency = (made.alarms.specs[f"sluicegate-churn-v2-{sign}"] for sign in ("errors", "latency"))
    fleet = {"EndpointName": ENDPOINT, "VariantName": "v1", "EndpointConfigName": "sluicegate-churn-v2"}
    assert errors.dimensions == latency.dimensions == fleet
    assert (errors.metric, errors.statistic, errors.threshold) == ("Invocation5XXErrors", "Sum", 1)
    assert (latency.metric, latency.statistic, latency.threshold) == ("ModelLatency", "p99", 80_000)


def test_what_sagemaker_does_is_told_once_each_in_the_versions_history() -> None:
    made = stage(INSTANCES + CANARY)
    made.until(lambda: made.status(2) == "deploying")
    before = len(messages(made, 2))
    stages = ["Launching 1 instance(s).", "Baking for 300 seconds on canary capacity of 1 instance(s)."]
    for said in stages:
        made.endpoints.states[ENDPOINT] = replace(made.endpoints.states[ENDPOINT], stage=said)
        for _ in range(2):
            made.deliver("endpoint", ENDPOINT)
    assert messages(made, 2)[before:] == stages
    made.play()
    assert (made.live, made.status(2)) == (2, "live")


def test_an_update_that_nobody_guards_has_no_such_lines() -> None:
    made = stage(INSTANCES)
    made.until(lambda: made.status(2) == "deploying")
    made.endpoints.states[ENDPOINT] = replace(made.endpoints.states[ENDPOINT], stage="Launching 1 instance(s).")
    made.deliver("endpoint", ENDPOINT)
    assert "Launching 1 instance(s)." not in messages(made, 2)


def test_an_update_that_sagemaker_takes_back_is_told_with_the_alarm() -> None:
    made = stage(INSTANCES + CANARY)
    made.until(lambda: made.status(2) == "deploying")
    made.alarms.values["sluicegate-churn-v2-errors"] = "ALARM"
    made.endpoints.settle(ENDPOINT, "an alarm rolled the update back")
    made.play()
    assert (made.live, made.serves(), made.status(2)) == (1, 1, "failed")
    said = messages(made, 2)[-1]
    assert said.startswith("Rolled back: an alarm rolled the update back (alarm sluicegate-churn-v2-errors: ")
    assert made.alarms.specs == {}


def test_the_way_back_under_one_variant_name_is_guarded_too() -> None:
    made = stage(INSTANCES + CANARY)
    made.play()
    made.steer().deploy(MODEL, 1, ANN, made.world.tick())
    made.play()
    assert (made.live, made.serves()) == (1, 1)
    assert made.endpoints.guards["sluicegate-churn-v1"] is not None


# lanes of our own


@pytest.mark.parametrize(("bake", "native"), [("40m", True), ("1h", False)])
def test_what_takes_longer_than_sagemaker_gives_an_update_comes_in_by_a_lane(bake: str, native: bool) -> None:
    made = stage(f"{INSTANCES}deployment: {{strategy: linear, percent: 10, bake: {bake}}}\n")
    made.until(lambda: made.status(2) == "deploying")
    assert (made.endpoints.guards.get("sluicegate-churn-v2") is not None) == native
    assert (stands(made) is None) == native


@pytest.mark.parametrize(
    ("settings", "document"), [(CANARY, DOCUMENT), (INSTANCES + CANARY, OTHER)], ids=["serverless", "other encoding"]
)
def test_what_sagemaker_cannot_shift_comes_in_by_a_lane(settings: str, document: bytes) -> None:
    made = stage(settings, document)
    made.until(lambda: stands(made) == ("bringing", 10))
    assert LANE in made.endpoints.states
    assert weights(made) == [(1, 1.0)]
    made.until(lambda: stands(made) == ("shifting", 10))
    assert weights(made) == [(1, 0.9), (2, 0.1)]
    assert made.lanes[1]["endpoint"] == LANE
    assert made.alarms.specs["sluicegate-churn-v2-errors"].dimensions == {"EndpointName": LANE, "VariantName": "v2"}
    began = made.world.now
    made.until(lambda: stands(made) == ("shifting", 100))
    assert 300 <= (made.world.now - began).total_seconds() < 400
    assert weights(made) == [(1, 0.0), (2, 1.0)]
    made.until(lambda: stands(made) == ("switching", 100))
    assert made.serves() == 1
    assert weights(made) == [(1, 0.0), (2, 1.0)], "the lane answers while the endpoint switches"
    made.until(lambda: made.live == 2)
    assert weights(made) == [(2, 1.0)]
    assert LANE in made.endpoints.states, "somebody may still remember it"
    made.play()
    assert list(made.endpoints.states) == [ENDPOINT]
    assert (made.serves(), made.status(1), made.status(2)) == (2, "retired", "live")
    assert made.alarms.specs == {}
    assert stands(made) is None
    assert "Version 2 gets 10 % of the requests." in messages(made, 2)


def test_how_far_it_is_and_how_long_it_takes_at_least() -> None:
    made = stage("deployment: {strategy: linear, percent: 40, bake: 2m}\n")

    def shown(later: int = 0) -> tuple[Any, ...]:
        found = way_in(made.model(), made.world.now + timedelta(seconds=later)) or {}
        return tuple(found.get(name) for name in ("stage", "percent", "left_seconds", "least_seconds"))

    assert way_in(made.model(), made.world.now) is None
    made.until(lambda: stands(made) == ("bringing", 40))
    assert shown() == ("bringing", 0, None, 360)
    made.until(lambda: stands(made) == ("shifting", 40))
    assert shown() == ("shifting", 40, 120, 360)
    assert shown(later=50) == ("shifting", 40, 70, 310)
    assert shown(later=125) == ("shifting", 40, 0, 240), "the next look moves it on"
    made.until(lambda: stands(made) == ("shifting", 100))
    assert shown() == ("shifting", 100, 120, 120)
    made.until(lambda: stands(made) == ("switching", 100))
    assert shown() == ("switching", 100, 0, 0)
    made.until(lambda: made.live == 2)
    assert shown() == (None,) * 4, "what is left to tidy up is nobody's way in"


def test_linear_goes_in_equal_steps() -> None:
    made = stage("deployment: {strategy: linear, percent: 40, bake: 1m}\n")
    seen = []
    made.until(lambda: bool(seen.append(stands(made)) or made.live == 2))  # type: ignore[func-returns-value]
    shares = list(dict.fromkeys(found[1] for found in seen if found is not None and found[0] == "shifting"))
    assert shares == [40, 80, 100]


@pytest.mark.parametrize("share", [10, 100])
def test_an_alarm_takes_the_share_back_at_once(share: int) -> None:
    made = stage()
    made.until(lambda: stands(made) == ("shifting", share))
    made.alarms.values["sluicegate-churn-v2-latency"] = "ALARM"
    made.attempt("tick", "")
    assert weights(made) == [(1, 1.0)]
    assert made.status(2) == "failed"
    assert messages(made, 2)[-1] == "Rolled back: alarm sluicegate-churn-v2-latency: Threshold Crossed"
    made.play()
    assert (made.live, made.serves(), list(made.endpoints.states)) == (1, 1, [ENDPOINT])
    assert made.alarms.specs == {}
    assert made.endpoints.orders == ["sluicegate-churn-v1", "sluicegate-churn-v2"], "the endpoint was never told"


def test_an_alarm_that_was_raised_counts_though_it_is_quiet_again() -> None:
    made = stage()
    made.until(lambda: stands(made) == ("shifting", 10))
    alarm, began = "sluicegate-churn-v2-errors", made.world.now
    for name, at in ((alarm, began - timedelta(minutes=5)), ("sluicegate-churn-v1-errors", began)):
        made.rollout().alarmed(MODEL, name, "old news, or another's", at)
        assert made.status(2) == "deploying"
    made.rollout().alarmed(MODEL, alarm, "one request failed", made.world.tick())
    assert weights(made) == [(1, 1.0)]
    assert messages(made, 2)[-1] == f"Rolled back: alarm {alarm}: one request failed"
    made.rollout().alarmed(MODEL, alarm, "one request failed", made.world.tick())
    made.play()
    assert (made.live, made.status(2)) == (1, "failed")


def test_a_lane_that_cannot_come_up_leaves_everything_as_it_was() -> None:
    made = stage()
    made.until(lambda: LANE in made.endpoints.states)
    made.endpoints.settle(LANE, "no capacity")
    made.play()
    assert (made.live, made.status(2), weights(made)) == (1, "failed", [(1, 1.0)])
    assert messages(made, 2)[-1] == "no capacity"
    assert list(made.endpoints.states) == [ENDPOINT]


def test_a_person_may_call_it_off() -> None:
    made = stage()
    made.until(lambda: stands(made) == ("shifting", 10))
    made.steer().deploy(MODEL, 1, ANN, made.world.tick())
    made.collect()
    made.attempt(*made.pending.pop())
    assert weights(made) == [(1, 1.0)]
    assert made.status(2) == "retired"
    made.play()
    assert (made.live, made.serves(), list(made.endpoints.states)) == (1, 1, [ENDPOINT])


def test_a_newer_version_takes_the_place_of_one_that_comes_in() -> None:
    made = stage()
    made.until(lambda: stands(made) == ("shifting", 10))
    made.add("approved")
    made.play()
    assert (made.live, made.serves(), made.status(2)) == (3, 3, "retired")
    assert list(made.endpoints.states) == [ENDPOINT]


def test_an_endpoint_that_cannot_switch_keeps_the_champion() -> None:
    made = stage()
    made.until(lambda: stands(made) == ("switching", 100))
    made.endpoints.settle(ENDPOINT, "no capacity")
    made.play()
    assert (made.live, made.serves(), made.status(2), weights(made)) == (1, 1, "failed", [(1, 1.0)])


def test_the_first_version_comes_in_at_once() -> None:
    made = Stage(CANARY)
    made.add("approved")
    made.play()
    assert (made.live, list(made.endpoints.states), made.alarms.specs) == (1, [ENDPOINT], {})


@pytest.mark.parametrize("settings", [CANARY, INSTANCES + CANARY], ids=["lanes", "native"])
@pytest.mark.parametrize("number", range(1, 26))
def test_a_crash_after_any_effect_of_a_rollout_changes_nothing(settings: str, number: int) -> None:
    made = stage(settings)
    made.world.crash_after = len(made.world.effects) + number
    made.play()
    assert (made.live, made.serves(), made.status(1), made.status(2)) == (2, 2, "retired", "live")
    assert weights(made) == [(2, 1.0)]
    assert list(made.endpoints.states) == [ENDPOINT]
    assert made.alarms.specs == {}
    assert stands(made) is None
