"""Autoscaling follows the live version: its bounds, its variant, and nothing once that is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluicegate.domain.errors import Refused
from tests.support.stage import ANN, DOCUMENT, ENDPOINT, MODEL, Stage

SCALED = "endpoint: {instance: ml.m5.large, min: 1, max: 4}\n"
OTHER = DOCUMENT.replace(b'{"columns": []}', b'{"columns": [1]}', 1)


def stage(settings: str = SCALED) -> Stage:
    made = Stage(settings)
    made.add("approved")
    made.play()
    return made


def test_what_serves_scales_as_its_settings_say() -> None:
    made = stage()
    assert made.scaling.targets == {(ENDPOINT, "v1"): (1, 4, 1000)}
    assert made.endpoints.endpoint_configs["sluicegate-churn-v1"][2].count == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("endpoint", ["{}", "{instance: ml.m5.large}", "{instance: ml.m5.large, max: 1}"])
def test_without_a_max_above_min_nothing_scales(endpoint: str) -> None:
    assert stage(f"endpoint: {endpoint}\n").scaling.targets == {}


def test_a_new_variant_scales_instead_of_the_old() -> None:
    made = stage()
    made.add("approved", OTHER)
    made.until(lambda: made.status(2) == "deploying")
    assert made.scaling.targets == {}, "SageMaker removes no variant that scales"
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v2"): (1, 4, 1000)}


@pytest.mark.parametrize(("serve", "begins"), [(3, 3), (9, 4), (0, 1)])
@pytest.mark.parametrize("deployment", ["", "deployment: {strategy: canary}\n"])
def test_a_fleet_that_comes_up_under_load_has_as_many_instances_as_serve(
    deployment: str, serve: int, begins: int
) -> None:
    made = stage(SCALED + deployment)
    made.endpoints.states[ENDPOINT] = replace(made.endpoints.states[ENDPOINT], instances={"v1": serve})
    made.add("approved", OTHER)
    made.until(lambda: "sluicegate-churn-v2" in made.endpoints.endpoint_configs)
    assert made.endpoints.endpoint_configs["sluicegate-churn-v2"][2].count == begins  # type: ignore[union-attr]
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v2"): (1, 4, 1000)}


def test_an_update_that_fails_leaves_the_old_one_scaling() -> None:
    made = stage()
    made.add("approved", OTHER)
    made.until(lambda: made.status(2) == "deploying")
    made.endpoints.settle(ENDPOINT, "no capacity")
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v1"): (1, 4, 1000)}


def test_one_variant_name_goes_on_scaling_through_a_guarded_update() -> None:
    made = stage(SCALED + "deployment: {strategy: canary}\n")
    made.add("approved")
    made.until(lambda: made.status(2) == "deploying")
    assert made.scaling.targets == {(ENDPOINT, "v1"): (1, 4, 1000)}
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v1"): (1, 4, 1000)}


def test_a_version_that_does_not_scale_ends_it() -> None:
    made = stage()
    made.settings = "endpoint: {instance: ml.m5.large}\n"
    made.add("approved")
    made.play()
    assert (made.live, made.scaling.targets) == (2, {})
    made.steer().deploy(MODEL, 1, ANN, made.world.tick())
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v1"): (1, 4, 1000)}


@pytest.mark.parametrize("changes", [True, False])
def test_what_is_refused_while_the_endpoint_changes_comes_with_its_next_event(
    changes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody set its weights since it was looked at. Refused for anything else, it is an error."""
    made = Stage(SCALED)
    made.add("approved")
    made.until(lambda: made.endpoints.states.get(ENDPOINT) is not None)
    made.endpoints.settle(ENDPOINT)

    def refused(*_asked: object) -> None:
        monkeypatch.undo()
        if changes:
            made.endpoints.weigh(ENDPOINT, {"v1": 1.0})
        raise Refused("the endpoint is not in service")

    monkeypatch.setattr(made.scaling, "keep", refused)
    if not changes:
        with pytest.raises(Refused):
            made.deliver("endpoint", ENDPOINT)
        return
    made.deliver("endpoint", ENDPOINT)
    assert (made.scaling.targets, made.live) == ({}, 1)
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v1"): (1, 4, 1000)}


@pytest.mark.parametrize("number", range(1, 16))
def test_a_crash_anywhere_leaves_one_variant_scaling(number: int) -> None:
    made = stage()
    made.add("approved", OTHER)
    made.world.crash_after = len(made.world.effects) + number
    made.play()
    assert made.scaling.targets == {(ENDPOINT, "v2"): (1, 4, 1000)}
