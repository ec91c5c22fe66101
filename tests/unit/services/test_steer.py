"""What people decide about versions, and that it is carried out once whatever ends before its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluicegate.domain.errors import NotFound
from sluicegate.services.steer import By, Decided, NotPossible, Steer
from tests.support.fakes import Crash, World
from tests.support.stage import ANN, MODEL, Stage


def stage(*statuses: str, settings: str = "") -> Stage:
    """Versions one after the other, each brought to its end before the next comes."""
    made = Stage(settings)
    for status in statuses:
        made.add(status)
        made.play()
    return made


def test_an_approval_deploys_and_says_who_and_why() -> None:
    found = stage("pending_approval")
    decided = found.steer().approve(MODEL, 1, ANN, found.world.tick())
    assert (decided.done, decided.message) == (True, "Version 1: Approved by ann: because")
    found.play()
    assert (found.live, found.status(1), found.serves()) == (1, "live", 1)
    version = found.version(1)
    assert version["history"][1]["message"] == "Approved by ann: because"
    assert version["decision"] is not None
    assert (version["decision"]["approval"], version["decision"]["who"]) == ("Approved", "ann")
    package = found.packages.packages[version["model_package_arn"]]
    assert package.approval == "Approved"
    assert found.packages.reasons[package.arn] == "because (ann)"
    assert found.registry.run(MODEL, version["run"])["status"] == "live"
    assert found.model().get("telling") is None


def test_a_second_approval_changes_nothing_and_says_so() -> None:
    found = stage("pending_approval")
    found.steer().approve(MODEL, 1, ANN, found.world.tick())
    again = found.steer().approve(MODEL, 1, By("bob"), found.world.tick())
    assert (again.done, again.message) == (False, "Version 1 is approved already.")
    found.play()
    assert found.steer().approve(MODEL, 1, By("bob"), found.world.tick()).message == "Version 1 is live already."
    assert found.steer().deploy(MODEL, 1, By("bob"), found.world.tick()).message == "Version 1 is live already."


def test_going_back_is_deploying_an_older_version() -> None:
    found = stage("approved", "approved")
    assert (found.live, found.status(1)) == (2, "retired")
    found.steer().deploy(MODEL, 1, ANN, found.world.tick())
    found.play()
    assert (found.live, found.serves(), found.status(1), found.status(2)) == (1, 1, "live", "retired")
    assert [lane["version"] for lane in found.lanes] == [1]


def test_going_back_to_a_version_that_was_tidied_up_makes_its_model_and_config_again() -> None:
    found = stage("approved", "approved", "approved")
    assert "sluicegate-churn-v1" not in found.endpoints.endpoint_configs
    assert "sluicegate-churn-00000001" not in found.jobs.models
    assert found.version(1).get("released")
    found.steer().deploy(MODEL, 1, ANN, found.world.tick())
    found.play()
    assert (found.live, found.serves()) == (1, 1)
    assert found.jobs.models["sluicegate-churn-00000001"].endswith("sluicegate-churn-00000001/output/model.tar.gz")
    assert not found.version(1).get("released")


def test_a_rejected_version_is_never_deployed() -> None:
    found = stage("approved", "rejected")
    for ask in (found.steer().approve, found.steer().deploy):
        with pytest.raises(NotPossible, match=r"it was rejected\. worse than the champion"):
            ask(MODEL, 2, ANN, found.world.tick())
    assert found.steer().reject(MODEL, 2, ANN, found.world.tick()).done is False


def test_a_version_that_served_can_be_forbidden_but_not_the_one_that_serves() -> None:
    found = stage("approved", "approved")
    with pytest.raises(NotPossible, match=r"it serves\. Deploy another version first"):
        found.steer().reject(MODEL, 2, ANN, found.world.tick())
    found.steer().reject(MODEL, 1, ANN, found.world.tick())
    found.play()
    assert found.status(1) == "rejected"
    assert found.packages.packages[found.version(1)["model_package_arn"]].approval == "Rejected"
    with pytest.raises(NotPossible, match="Rejected by ann: because"):
        found.steer().deploy(MODEL, 1, ANN, found.world.tick())


def test_what_waits_for_approval_is_approved_not_deployed() -> None:
    found = stage("pending_approval")
    with pytest.raises(NotPossible, match="Approving it deploys it"):
        found.steer().deploy(MODEL, 1, ANN, found.world.tick())
    found.steer().reject(MODEL, 1, ANN, found.world.tick())
    found.play()
    assert (found.status(1), found.live, found.endpoints.states) == ("rejected", None, {})
    assert found.registry.run(MODEL, found.version(1)["run"])["status"] == "rejected"


def test_a_version_that_failed_may_be_tried_again() -> None:
    found = stage("approved")
    found.add("approved")
    found.collect()
    found.attempt(*found.pending.pop())
    found.sagemaker("no capacity")
    found.play()
    assert (found.live, found.status(2)) == (1, "failed")
    found.steer().deploy(MODEL, 2, ANN, found.world.tick())
    found.play()
    assert (found.live, found.status(2), found.serves()) == (2, "live", 2)


def test_going_back_while_the_next_version_comes_in() -> None:
    found = stage("approved")
    found.add("approved")
    found.collect()
    found.attempt(*found.pending.pop())
    assert found.status(2) == "deploying"
    found.steer().deploy(MODEL, 1, ANN, found.world.tick())
    found.play()
    assert (found.live, found.serves(), found.status(1), found.status(2)) == (1, 1, "live", "retired")


def test_the_newest_decision_wins() -> None:
    found = stage("pending_approval", "pending_approval")
    found.steer().approve(MODEL, 1, ANN, found.world.tick())
    found.steer().approve(MODEL, 2, ANN, found.world.tick())
    found.play()
    assert (found.live, found.status(1)) == (2, "retired")


def test_unknown_models_and_versions_are_said() -> None:
    found = stage("approved")
    for model, number in (("other", 1), (MODEL, 7)):
        with pytest.raises(NotFound):
            found.steer().deploy(model, number, ANN, found.world.tick())


DECISIONS: list[Callable[[Steer, World], Decided]] = [
    lambda steer, world: steer.deploy(MODEL, 1, ANN, world.tick()),
    lambda steer, world: steer.approve(MODEL, 3, ANN, world.tick()),
    lambda steer, world: steer.reject(MODEL, 3, ANN, world.tick()),
]


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("number", range(1, 9))
def test_a_crash_after_any_effect_delays_a_decision_and_no_more(decision: Callable[..., Decided], number: int) -> None:
    undisturbed = stage("approved", "approved", "pending_approval")
    decision(undisturbed.steer(), undisturbed.world)
    undisturbed.play()
    found = stage("approved", "approved", "pending_approval")
    found.world.crash_after = len(found.world.effects) + number
    try:
        decision(found.steer(), found.world)
    except Crash:
        found.world.events.clear()  # nobody rang: the tick has to find it
        found._seen = 0
    found.play()
    for one in (undisturbed, found):
        assert one.serves() == one.live
    assert [v["status"] for v in found.registry.versions(MODEL)] == [
        v["status"] for v in undisturbed.registry.versions(MODEL)
    ]
    assert {arn: p.approval for arn, p in found.packages.packages.items()} == {
        arn: p.approval for arn, p in undisturbed.packages.packages.items()
    }
    assert found.model().get("telling") is None


def test_an_endpoint_that_was_switched_by_hand_goes_back() -> None:
    found = stage("approved", "approved")
    found.endpoints.update("sluicegate-churn", "sluicegate-churn-v1")
    found.play()
    assert (found.live, found.serves(), found.status(1)) == (2, 2, "retired")


def test_as_many_versions_as_the_settings_say_can_come_back_without_being_made_again() -> None:
    found = stage(*["approved"] * 5, settings="deployment: {keep: 2}\n")
    assert sorted(found.endpoints.endpoint_configs) == [f"sluicegate-churn-v{number}" for number in (3, 4, 5)]
    assert len(found.jobs.models) == 3
