"""An experiment whose lanes are variants of the model's one endpoint: who calls SageMaker directly is shared alike."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sluicegate.domain import names
from sluicegate.services.steer import By
from tests.support.contest import ENDPOINT, MODEL, Contest, contest

BETTER = {"champion": (1600, 160), "challenger": (400, 120)}
WORSE = {"champion": (1600, 480), "challenger": (400, 20)}
CANARY = "deployment: {strategy: canary, bake: 1m}\n"


def running(flow: Contest | None = None, *challengers: int, **given: object) -> Contest:
    made = flow or contest(instances=True)
    made.begin(*(challengers or (2,)), **given)  # type: ignore[arg-type]
    made.play()
    return made


def ordered(flow: Contest) -> None:
    """SageMaker has the order for the variants, and has not begun."""
    flow.attempt("start", "start", flow.wanted(2))
    flow.attempt("look", "look", flow.world.tick())


def config(flow: Contest) -> str:
    return names.lane_config("sluicegate", MODEL, flow.experiment()["experiment"])


def lanes(flow: Contest) -> list[tuple[int, str, str]]:
    found = flow.storage.json(f"routing/{MODEL}.json")["lanes"]
    return [(lane["version"], lane["endpoint"], lane["variant"]) for lane in found]


def test_a_challenger_is_a_variant_that_gets_nothing_until_the_traffic_is_shared() -> None:
    flow = contest(instances=True)
    ordered(flow)
    state = flow.endpoints.states[ENDPOINT]
    assert (state.status, state.config, state.pending_config) == ("Updating", f"{ENDPOINT}-v3", config(flow))
    specs = flow.endpoints.variants[config(flow)]
    assert {name: spec.weight for name, spec in specs.items()} == {"v3": 1.0, "lane-2": 0.0}
    assert specs["lane-2"].model_name == f"{ENDPOINT}-{flow.registry.version(MODEL, 2)['run']}"
    assert (flow.endpoints.kept[config(flow)], flow.endpoints.guards[config(flow)]) == (True, None)
    assert flow.experiment()["lanes_as"] == "variants"
    assert flow.shares() == {3: 1.0}
    flow.play()
    assert flow.experiment()["status"] == "running"
    assert flow.weights() == {"v3": 0.8, "lane-2": 0.2}
    assert lanes(flow) == [(3, ENDPOINT, "v3"), (2, ENDPOINT, "lane-2")]
    assert list(flow.endpoints.states) == [ENDPOINT]
    assert flow.item()["live_version"] == 3


def test_every_variant_scales_until_it_goes() -> None:
    flow = running()
    assert flow.scaling.targets == {(ENDPOINT, "v3"): (1, 3, 1000), (ENDPOINT, "lane-2"): (1, 3, 1000)}
    flow.decide("stop")
    flow.wait(minutes=10)
    assert flow.scaling.targets == {(ENDPOINT, "v3"): (1, 3, 1000)}


def test_a_worse_challenger_has_no_weight_at_once_and_goes_after_the_drain() -> None:
    flow = running()
    flow.serve(WORSE)
    flow.world.now = flow.world.now.replace(minute=40)
    flow.attempt("look", "look", flow.world.now)
    flow.endpoints.settle(ENDPOINT)
    assert flow.experiment()["status"] == "deciding"
    assert flow.weights() == {"v3": 1.0, "lane-2": 0.0}
    assert flow.endpoints.states[ENDPOINT].config == config(flow), "somebody may still remember the lane"
    flow.wait(minutes=5)
    assert flow.experiment()["status"] == "kept"
    assert (flow.weights(), flow.shares()) == ({"v3": 1.0}, {3: 1.0})
    assert flow.endpoints.states[ENDPOINT].config == f"{ENDPOINT}-v3"
    assert config(flow) not in flow.endpoints.endpoint_configs


def test_a_better_challenger_takes_over_under_its_own_name() -> None:
    flow = running()
    flow.serve(BETTER)
    flow.wait(minutes=35)
    assert (flow.experiment()["status"], flow.item()["live_version"]) == ("promoted", 2)
    assert (flow.weights(), lanes(flow)) == ({"v2": 1.0}, [(2, ENDPOINT, "v2")])
    assert flow.scaling.targets == {(ENDPOINT, "v2"): (1, 3, 1000)}
    assert config(flow) not in flow.endpoints.endpoint_configs


def test_who_is_sent_to_a_variant_that_was_just_taken_away_is_sent_on() -> None:
    """Between SageMaker's switch and the next look at the routing."""
    flow = running()
    flow.decide("promote")
    flow.collect()
    flow.attempt(*flow.pending.pop(0))
    assert flow.endpoints.states[ENDPOINT].pending_config == f"{ENDPOINT}-v2"
    routing = flow.storage.json(f"routing/{MODEL}.json")
    known = [(lane["version"], lane["variant"]) for lane in [*routing["lanes"], *routing["coming"]]]
    assert known == [(3, "v3"), (2, "lane-2"), (2, "v2")]


def test_weights_follow_a_bandit() -> None:
    flow = running(mode="bandit", bandit={"warm_up": 50})
    assert flow.weights() == {"v3": 0.5, "lane-2": 0.5}
    flow.serve({"champion": (300, 30), "challenger": (300, 90)})
    flow.wait(minutes=35)
    shares = flow.shares()
    assert shares[2] > 0.9
    assert flow.weights() == {"v3": shares[3], "lane-2": shares[2]}


def test_weights_that_could_not_be_set_are_set_when_the_endpoint_is_free() -> None:
    flow = running(mode="bandit", bandit={"warm_up": 50})
    flow.endpoints.weigh(ENDPOINT, {"v3": 0.5, "lane-2": 0.5})  # as autoscaling would keep it busy
    flow.serve({"champion": (300, 30), "challenger": (300, 90)})
    flow.world.now = flow.world.now.replace(minute=50)
    flow.attempt("look", "look", flow.world.now)
    assert (flow.endpoints.states[ENDPOINT].status, flow.shares()[2] > 0.9) == ("Updating", True)
    flow.play()
    assert flow.weights()["lane-2"] == flow.shares()[2]
    before = len(flow.world.effects)
    flow.attempt("endpoint", "event", ENDPOINT)
    flow.play()
    assert [effect for effect in flow.world.effects[before:] if effect.startswith("weigh")] == []


def test_several_challengers_are_variants_together() -> None:
    flow = running(None, 1, 2, traffic=0.4)
    assert flow.weights() == pytest.approx({"v3": 0.6, "lane-1": 0.2, "lane-2": 0.2})


def test_a_version_under_the_champions_variant_name_is_a_lane_of_another_name() -> None:
    """SageMaker's guardrails gave both one name before."""
    flow = contest(instances=True)
    flow.endpoints.delete_config(f"{ENDPOINT}-v2")
    flow.registry.items["version", MODEL, 2]["variant"] = "v3"
    running(flow)
    assert flow.weights() == {"v3": 0.8, "lane-2": 0.2}
    flow.decide("promote")
    flow.play()
    flow.wait(minutes=5)
    assert (flow.item()["live_version"], lanes(flow), flow.weights()) == (2, [(2, ENDPOINT, "v3")], {"v3": 1.0})


def test_variants_that_do_not_come_up_fail_the_experiment_and_the_champion_serves_on() -> None:
    flow = contest(instances=True)
    flow.fail_update = "the container did not answer /ping"
    running(flow)
    flow.fail_update = ""
    flow.wait(minutes=5)
    found = flow.experiment()
    assert (found["status"], found["error"]["detail"]) == ("failed", "the container did not answer /ping")
    assert (flow.weights(), flow.shares(), flow.item()["live_version"]) == ({"v3": 1.0}, {3: 1.0}, 3)
    assert config(flow) not in flow.endpoints.endpoint_configs
    assert flow.registry.version(MODEL, 2)["status"] == "retired"
    assert flow.endpoints.orders.count(config(flow)) == 1


def test_a_promotion_that_fails_goes_back_to_one_variant() -> None:
    flow = running()
    flow.decide("promote")
    flow.collect()
    flow.attempt(*flow.pending.pop(0))
    flow.endpoints.settle(ENDPOINT, "no capacity")
    assert (flow.endpoints.states[ENDPOINT].config, flow.item()["live_version"]) == (config(flow), 3)
    flow.wait(minutes=10)
    assert (flow.experiment()["status"], flow.item()["live_version"]) == ("failed", 3)
    assert (flow.weights(), flow.lanes_up()) == ({"v3": 1.0}, set())


def test_a_change_by_hand_ends_the_experiment() -> None:
    flow = running()
    flow.endpoints.update(ENDPOINT, f"{ENDPOINT}-v3")
    flow.play()
    flow.wait(minutes=5)
    found = flow.experiment()
    assert (found["status"], flow.shares()) == ("failed", {3: 1.0})
    assert "which has not the experiment's variants" in found["error"]["detail"]


@pytest.mark.parametrize("at", ["starting", "running"])
def test_a_version_that_somebody_deploys_meanwhile_takes_over(at: str) -> None:
    flow = contest(instances=True, settings=CANARY)
    if at == "starting":
        ordered(flow)
        assert flow.endpoints.states[ENDPOINT].pending_config == config(flow)
    else:
        running(flow)
    flow.steer().deploy(MODEL, 1, By("ada", "go back"), flow.world.tick())
    flow.play()
    flow.wait(minutes=20)
    assert flow.experiment()["status"] == "stopped"
    assert (flow.item()["live_version"], flow.shares(), flow.lanes_up()) == (1, {1: 1.0}, set())
    assert flow.endpoints.states[ENDPOINT].config == f"{ENDPOINT}-v1"
    assert config(flow) not in flow.endpoints.endpoint_configs


def test_an_order_that_comes_after_the_end_is_taken_back() -> None:
    flow = running()
    late = config(flow)
    variants = list(flow.endpoints.variants[late].values())
    flow.decide("stop")
    flow.play()
    flow.wait(minutes=5)
    flow.endpoints.create_config(late, variants, {})
    flow.endpoints.update(ENDPOINT, late)
    flow.play()
    assert flow.endpoints.states[ENDPOINT].config == f"{ENDPOINT}-v3"
    assert flow.item()["live_version"] == 3


def unlike(flow: Contest) -> None:
    version = flow.registry.version(MODEL, 2)
    key = f"datasets/{MODEL}/{version['dataset_version']}/dataset.json"
    document = flow.storage.json(key)
    document["problem"]["classes"] = document["problem"]["classes"][::-1]
    flow.storage.objects[key] = json.dumps(document).encode()


def serverless(flow: Contest) -> None:
    flow.registry.items["run", MODEL, flow.registry.version(MODEL, 2)["run"]]["settings"] = ""


@pytest.mark.parametrize("how", [unlike, serverless])
def test_versions_that_read_otherwise_or_are_serverless_are_endpoints(how: Callable[[Contest], None]) -> None:
    flow = contest(instances=True)
    how(flow)
    running(flow)
    assert flow.experiment()["lanes_as"] == "endpoints"
    assert (flow.lanes_up(), flow.weights()) == ({f"{ENDPOINT}-V2"}, {"v3": 1.0})
    assert lanes(flow) == [(3, ENDPOINT, "v3"), (2, f"{ENDPOINT}-V2", "v2")]


def test_a_shadow_is_an_endpoint_in_any_case() -> None:
    flow = running(mode="shadow", max_duration="2h", outcome_window="1h")
    assert (flow.experiment()["lanes_as"], flow.lanes_up()) == ("endpoints", {f"{ENDPOINT}-V2"})
