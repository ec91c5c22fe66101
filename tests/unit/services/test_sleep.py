"""Endpoints that nobody calls sleep, keep their config, and wake; nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sluicegate.domain.items import moment
from sluicegate.services.steer import NotPossible
from tests.support.fakes import World
from tests.support.slumber import IDLE, Slumbering
from tests.support.stage import ANN, ENDPOINT, MODEL

INSTANCES = IDLE + "endpoint: {instance: ml.m5.large, min: 2}\n"


def asleep(settings: str = INSTANCES) -> Slumbering:
    stage = Slumbering(settings).live_version().wait(hours=3)
    stage.reap()
    stage.play()
    assert stage.sleep is not None
    assert stage.sleep["state"] == "asleep"
    return stage


def test_an_endpoint_that_nobody_calls_is_deleted_and_its_config_kept() -> None:
    stage = asleep()
    assert not stage.there
    assert f"{ENDPOINT}-v1" in stage.endpoints.endpoint_configs
    assert stage.routing["state"] == "asleep"
    assert stage.live == 1
    order = [effect for effect in stage.world.effects if effect.startswith(("write routing", "delete endpoint"))]
    gone = order.index(f"delete endpoint {ENDPOINT}")
    assert order[gone - 1].startswith("write routing"), "requests hear of it before it goes"
    assert stage.sleep is not None
    assert (stage.sleep["gone"], stage.sleep["by"], stage.sleep["usd_per_hour"]) == (True, "idle_shutdown", 0.4)
    assert "nobody has called it for 2h" in stage.registry.model(MODEL)["message"]


def test_a_call_wakes_it_and_what_it_saved_is_counted() -> None:
    stage = asleep().wait(hours=10)
    for _ in range(3):
        stage.ask()
    assert stage.routing["state"] == "asleep", "until the order is carried out"
    stage.collect()
    stage.attempt("bell", MODEL)
    assert stage.routing["state"] == "waking"
    stage.play()
    assert stage.serves() == 1
    assert stage.routing["state"] == "serving"
    assert stage.sleep is None
    saved = stage.registry.model(MODEL)["saved"]
    assert (saved["usd"], saved["times"]) == (pytest.approx(4.0, abs=0.01), 1)
    assert stage.endpoints.orders == [f"{ENDPOINT}-v1"] * 2
    stage.wait(hours=1).reap()
    assert stage.there, "it was woken an hour ago"
    stage.wait(hours=3).reap()
    stage.play()
    assert not stage.there
    stage.wait(hours=1).ask()
    stage.play()
    assert stage.registry.model(MODEL)["saved"]["usd"] == pytest.approx(4.4, abs=0.05)


def test_serverless_costs_nothing_while_nobody_calls() -> None:
    stage = asleep(IDLE).wait(hours=5)
    stage.ask()
    stage.play()
    assert stage.registry.model(MODEL)["saved"]["usd"] == 0


@pytest.mark.parametrize("strategy", ["all_at_once", "canary"])
def test_an_endpoint_on_instances_becomes_serverless_by_way_of_sleep(strategy: str) -> None:
    """SageMaker updates none that way, so it is said before anything is brought up."""
    deployment = f"deployment: {{strategy: {strategy}}}\n"
    stage = Slumbering("endpoint: {instance: ml.m5.large}\n" + deployment).live_version()
    stage.settings = deployment
    stage.add("approved")
    stage.play()
    version = stage.registry.version(MODEL, 2)
    assert (stage.live, version["status"], [*stage.endpoints.states]) == (1, "failed", [ENDPOINT])
    error = stage.registry.run(MODEL, version["run"])["error"]
    assert ("ml.m5.large" in error["detail"], f"sluice sleep {MODEL}" in error["remedy"]) == (True, True)
    stage.attempt("person sleeps", "")
    stage.play()
    stage.steer().deploy(MODEL, 2, ANN, stage.world.tick())
    stage.play()
    stage.attempt("person wakes", "")
    stage.play()
    assert (stage.live, stage.serves()) == (2, 2)
    stage.steer().deploy(MODEL, 1, ANN, stage.world.tick())
    stage.play()
    assert (stage.live, stage.serves()) == (1, 1), "the other way it is an update like any"


def test_where_no_price_is_known_none_is_made_up() -> None:
    stage = Slumbering(IDLE + "endpoint: {instance: ml.x9.large}\n", usd=None).live_version().wait(hours=3)
    stage.reap()
    assert stage.sleep is not None
    assert "usd_per_hour" in stage.sleep
    assert stage.sleep["usd_per_hour"] is None


@pytest.mark.parametrize(("before_now", "stays"), [(1.9, True), (2.05, True), (2.2, False)])
def test_the_last_call_decides_and_late_metrics_are_allowed_for(before_now: float, stays: bool) -> None:
    stage = Slumbering().live_version().wait(hours=5)
    stage.calls.made[ENDPOINT] = [stage.world.now - timedelta(hours=before_now)]
    stage.reap()
    assert (stage.sleep is None) is stays


@pytest.mark.parametrize(
    "settings",
    ["", "idle_shutdown: 5h", IDLE + "keep_awake: [{from: '00:00', to: '24:00'}]"],
    ids=["not asked for", "not long enough", "kept awake"],
)
def test_what_model_yaml_keeps_awake_stays(settings: str) -> None:
    stage = Slumbering(settings).live_version().wait(hours=3)
    stage.reap()
    assert stage.sleep is None


def test_a_version_that_is_on_its_way_in_keeps_it_awake() -> None:
    stage = Slumbering().live_version().wait(hours=3)
    stage.add("approved")
    stage.collect()
    stage.attempt(*stage.pending.pop(0))
    stage.reap()
    assert stage.sleep is None
    stage.play()
    assert stage.live == 2


@pytest.mark.parametrize("what", ["traffic", "experiment", "challenging"])
def test_what_shares_traffic_keeps_it_awake(what: str) -> None:
    stage = Slumbering().live_version().wait(hours=3)
    value: Any = {"traffic": {"cause": "c", "lanes": [], "shadow": None, "salt": "", "revision": 1}}.get(what, 5)
    stage.registry.items["model", MODEL, ""][what] = value
    stage.reap()
    assert stage.sleep is None


@pytest.mark.parametrize("what", ["tag", "config", "updating", "new"])
def test_an_endpoint_that_is_not_ours_alone_is_left(what: str) -> None:
    stage = Slumbering().live_version().wait(hours=3)
    state = stage.endpoints.states[ENDPOINT]
    if what == "tag":
        stage.endpoints.tagged[state.arn] = {"team": "other"}
    if what == "config":
        stage.endpoints.states[ENDPOINT] = replace(state, config="somebody-elses")
    if what == "updating":
        stage.endpoints.states[ENDPOINT] = replace(state, status="Updating")
    if what == "new":
        stage.endpoints.states[ENDPOINT] = replace(state, created=stage.world.now)
    stage.reap()
    assert stage.sleep is None
    assert stage.there


def test_a_late_order_deletes_no_endpoint_that_was_made_after_it() -> None:
    stage = Slumbering().live_version().wait(hours=3)
    stage.reap()
    stage.collect()
    item = stage.model()  # the reaper's order, about to be carried out late
    stage.play()
    stage.wait(minutes=5).ask()
    stage.play()
    assert stage.serves() == 1
    stage.registry.items["model", MODEL, ""]["sleep"] = item["sleep"]
    stage.attempt("bell", MODEL)
    assert stage.serves() == 1


def test_a_version_that_is_approved_meanwhile_serves_when_it_wakes() -> None:
    stage = asleep()
    stage.registry.items["model", MODEL, ""]["active_run"] = "00000002"
    stage.add("approved")
    stage.play()
    assert not stage.there, "approving wakes nobody"
    assert stage.live == 1
    item = stage.model()
    assert item.get("active_run") is None, "the next run need not wait for it"
    assert item["message"] == "Version 2 serves when the endpoint wakes."
    assert stage.sleep is not None
    assert (stage.sleep["version"], stage.sleep["config"]) == (2, f"{ENDPOINT}-v2")
    assert [lane["version"] for lane in stage.routing["lanes"]] == [1]
    assert [lane["version"] for lane in stage.routing["coming"]] == [2]
    stage.ask()
    stage.play()
    assert (stage.serves(), stage.live, stage.status(1), stage.status(2)) == (2, 2, "retired", "live")
    assert stage.endpoints.orders == [f"{ENDPOINT}-v1", f"{ENDPOINT}-v2"]


def test_a_new_version_that_can_not_start_gives_way_to_the_one_before() -> None:
    stage = asleep()
    stage.add("approved")
    stage.play()
    stage.ask()
    stage.collect()
    stage.attempt("bell", MODEL)
    stage.sagemaker("the container broke")
    stage.play()
    assert (stage.serves(), stage.live, stage.status(2)) == (1, 1, "failed")
    assert stage.sleep is None
    assert stage.routing["state"] == "serving"


def test_one_that_can_not_be_woken_says_why_and_is_tried_again_by_the_next_call() -> None:
    stage = asleep()
    stage.ask()
    stage.collect()
    stage.attempt("bell", MODEL)
    stage.sagemaker("no capacity")
    stage.play()
    assert stage.sleep is not None
    assert (stage.sleep["state"], stage.sleep["error"]) == ("asleep", "no capacity")
    assert "could not be woken: no capacity" in stage.model()["message"]
    assert stage.routing["state"] == "asleep"
    stage.wait(minutes=1).ask()
    stage.play()
    assert stage.serves() == 1
    assert stage.live == 1


def test_an_endpoint_that_somebody_made_by_hand_is_taken() -> None:
    stage = asleep().wait(minutes=5)
    stage.endpoints.create(ENDPOINT, f"{ENDPOINT}-v1", {})
    stage.sagemaker()
    stage.play()
    assert stage.sleep is None
    assert stage.routing["state"] == "serving"


def test_people_put_it_to_sleep_and_wake_it() -> None:
    stage = Slumbering("").live_version().wait(minutes=1)
    assert "goes to sleep" in stage.deliver("person sleeps", "")
    stage.play()
    assert "asleep already" in stage.deliver("person sleeps", "")
    assert not stage.there
    assert stage.sleep is not None
    assert (stage.sleep["by"], stage.sleep["why"]) == ("ann", "because")
    stage.wait(minutes=1)
    assert stage.deliver("person wakes", "") == f"The endpoint of {MODEL} wakes."
    assert "wakes already" in stage.deliver("person wakes", "")
    stage.play()
    assert stage.serves() == 1
    assert "awake already" in stage.deliver("person wakes", "")


def test_what_can_not_sleep_or_wake_is_refused_with_the_reason() -> None:
    stage = Slumbering("")
    with pytest.raises(NotPossible, match="no version is live"):
        stage.deliver("person sleeps", "")
    with pytest.raises(NotPossible, match="no version is live"):
        stage.deliver("person wakes", "")
    stage.live_version()
    stage.registry.items["model", MODEL, ""]["experiment"] = "0a1b2c3d"
    with pytest.raises(NotPossible, match="an experiment"):
        stage.deliver("person sleeps", "")


def test_an_unknown_model_is_ignored() -> None:
    assert Slumbering("").deliver("wake", "other") == "ignored"


def story(world: World) -> Slumbering:
    """Idle, asleep, a version approved meanwhile, awake with it, asleep and awake again."""
    stage = Slumbering(INSTANCES, world).live_version().wait(hours=3)
    stage.reap()
    stage.play()
    if stage.sleep is None:  # the reaper crashed before it wrote anything: its next tick
        stage.reap()
        stage.play()
    stage.add("approved")
    stage.play()
    for _ in range(2):
        stage.wait(hours=1).ask()
        stage.play()
        stage.wait(hours=3).reap()
        stage.play()
        stage.reap()
        stage.play()
    stage.wait(hours=1).ask()
    stage.play()
    return stage


def outcome(stage: Slumbering) -> dict[str, object]:
    state = stage.endpoints.states[ENDPOINT]
    item = stage.model()
    assert item["saved"] is not None
    return {
        "serves": (state.status, state.config),
        "live": stage.live,
        "sleep": stage.sleep,
        "statuses": [stage.status(number) for number in (1, 2)],
        "configs": sorted(stage.endpoints.endpoint_configs),
        "routing": (stage.routing["state"], [lane["version"] for lane in stage.routing["lanes"]]),
        "sleeps": item["saved"]["times"],
        "usd": round(item["saved"]["usd"], 1),
    }


_STORY = story(World())
EFFECTS, UNDISTURBED = _STORY.world.effects, outcome(_STORY)
#: what is registered is the test's own doing, and no function's
OURS = [number for number, effect in enumerate(EFFECTS, 1) if not effect.startswith("decide")]


@pytest.mark.parametrize("number", OURS)
def test_a_crash_after_any_effect_changes_nothing(number: int) -> None:
    world = World(crash_after=number)
    stage = story(world)
    assert world.crash_after is None
    assert outcome(stage) == UNDISTURBED, EFFECTS[number - 1]
    assert moment(stage.model()["awake_since"] or "") is not None


def test_a_version_that_is_overtaken_while_it_takes_over_with_the_waking_is_not_lost() -> None:
    stage = asleep()
    stage.add("approved")
    stage.play()
    stage.wait(minutes=5).ask()
    stage.collect()
    stage.attempt("bell", MODEL)
    stage.pending.clear()
    assert stage.status(2) == "deploying"
    stage.add("approved")
    stage.play()
    assert (stage.serves(), stage.live, stage.status(2)) == (3, 3, "retired")
    assert stage.sleep is None
