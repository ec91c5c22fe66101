"""Decisions in SageMaker's registry whose event never comes: the minute's tick finds them, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.domain.items import is_moving
from tests.support.stage import ANN, MODEL, Stage


def unheard(*statuses: str, settings: str = "") -> Stage:
    """Versions whose events were lost for good."""
    made = Stage(settings)
    for status in statuses:
        made.add(status)
    lose(made)
    return made


def lose(made: Stage) -> None:
    made.collect()
    made.pending.clear()


def arn(made: Stage, number: int) -> str:
    return made.version(number)["model_package_arn"]


def tick(made: Stage, minutes: int = 3) -> None:
    made.world.now += timedelta(minutes=minutes)
    made.attempt("tick", "")


def test_an_approval_that_nobody_told_of_is_deployed_by_the_tick() -> None:
    made = unheard("approved")
    tick(made)
    made.play()
    assert (made.live, made.serves(), made.status(1)) == (1, 1, "live")
    tick(made)
    assert made.model().get("awaited") is None
    assert made.endpoints.orders == ["sluicegate-churn-v1"]


def test_a_young_decision_is_left_to_its_event_and_an_event_that_comes_late_finds_it_done() -> None:
    made = unheard("approved")
    tick(made, minutes=1)
    assert made.model().get("desired_version") is None
    tick(made)
    assert made.model()["desired_version"] == 1
    revision, history = made.model()["revision"], made.version(1)["history"]
    assert made.deliver("package", arn(made, 1)) == "busy"
    assert (made.model()["revision"], made.version(1)["history"]) == (revision, history)
    made.play()
    assert made.endpoints.orders == ["sluicegate-churn-v1"]


def test_the_newest_decision_wins_and_the_older_never_serves() -> None:
    made = unheard("approved", "pending_approval", "approved")
    made.packages.decide(arn(made, 2), "Approved", "a person, last of all")
    lose(made)
    tick(made)
    made.play()
    assert (made.live, [made.status(number) for number in (1, 2, 3)]) == (2, ["retired", "live", "retired"])
    assert made.endpoints.orders == ["sluicegate-churn-v2"]


def test_it_never_goes_before_a_wish_that_is_newer() -> None:
    made = unheard("approved", "approved")
    made.world.now += timedelta(minutes=1)
    made.steer().deploy(MODEL, 1, ANN, made.world.tick())
    made.play()
    assert made.live == 1
    tick(made)
    made.play()
    assert (made.live, made.status(2), made.endpoints.orders) == (1, "retired", ["sluicegate-churn-v1"])


def test_a_rejection_that_nobody_told_of_counts() -> None:
    made = unheard("pending_approval")
    made.packages.decide(arn(made, 1), "Rejected", "no")
    lose(made)
    tick(made)
    assert made.status(1) == "rejected"
    tick(made)
    assert made.model().get("awaited") is None


def test_what_waits_for_a_person_waits_on_and_keeps_nothing_awake() -> None:
    made = unheard("pending_approval")
    before = made.model()
    tick(made, minutes=600)
    assert made.model() == before
    assert not is_moving(before)


def test_a_package_that_was_never_decided_is_and_one_that_is_gone_is_forgotten() -> None:
    made = unheard("approved", "pending_approval")
    package = arn(made, 1)
    made.packages.decide(package, "PendingManualApproval", "")
    del made.packages.packages[arn(made, 2)]
    tick(made)
    assert made.packages.packages[package].approval == "PendingManualApproval", "its function may still be tried again"
    assert made.model()["awaited"] == [1]
    tick(made, minutes=20)
    assert made.packages.packages[package].approval == "Approved"
    made.play()
    assert made.live == 1


def test_a_challenger_is_compared_not_deployed() -> None:
    made = Stage("deployment: {strategy: experiment}\n")
    made.add("approved")
    made.play()
    made.add("approved")
    lose(made)
    tick(made)
    assert (made.live, made.model()["challenging"], made.model()["desired_version"]) == (1, 2, 1)
    tick(made)
    assert made.model().get("awaited") is None


@pytest.mark.parametrize("effect", range(1, 9))
def test_a_tick_that_ends_anywhere_comes_to_one_end(effect: int) -> None:
    made = unheard("approved", "approved")
    made.world.crash_after = len(made.world.effects) + effect
    tick(made)
    made.play()
    tick(made)
    assert (made.live, made.status(1), made.status(2)) == (2, "retired", "live")
    assert made.endpoints.orders == ["sluicegate-churn-v2"]
    assert made.model().get("awaited") is None
