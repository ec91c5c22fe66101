"""A version that is approved where model.yaml says experiment or shadow is a challenger first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.services.sleep_orders import SleepOrders
from sluicegate.services.steer import By, NotPossible
from tests.support.contest import MODEL, Contest, contest
from tests.support.fakes import FakeBell

SETTINGS = """
deployment: {{strategy: {strategy}}}
experiment: {{no_outcome: unknown, look_every: 30m, max_duration: 1d, outcome_window: 1h{more}}}
"""


def asleep(flow: Contest) -> None:
    orders(flow).sleep(MODEL, By("ada"), flow.world.tick())
    flow.play()
    assert flow.item()["sleep"]["state"] == "asleep"


def awake(flow: Contest) -> None:
    orders(flow).wake(MODEL, By("ada"), flow.world.tick())
    flow.play()
    assert "sleep" not in flow.item()


def orders(flow: Contest) -> SleepOrders:
    return SleepOrders(flow.ledger(), FakeBell(flow.world), lambda _instance: None)


def told(strategy: str = "experiment", more: str = "") -> Contest:
    return contest(settings=SETTINGS.format(strategy=strategy, more=more))


def run_of(flow: Contest, number: int) -> str:
    return str(flow.registry.run(MODEL, flow.registry.version(MODEL, number)["run"])["status"])


def test_it_is_compared_first() -> None:
    flow = told(more=", traffic: 0.5")
    flow.registry.items["model", MODEL, ""]["active_run"] = flow.registry.version(MODEL, 2)["run"]
    assert flow.approve(2) == "compared"
    found = flow.experiment()
    assert (found["status"], found["mode"], found["asked"]["who"]) == ("running", "ab", "deployment.strategy")
    assert flow.shares() == {3: 0.5, 2: 0.5}
    assert flow.item()["live_version"] == 3
    assert run_of(flow, 2) == "in_experiment"
    assert "active_run" not in flow.item(), "new data may train the next version meanwhile"


def test_the_winner_is_live_and_the_loser_retired() -> None:
    flow = told()
    flow.approve(2)
    flow.serve({"champion": (1600, 480), "challenger": (400, 20)})
    flow.wait(minutes=40)
    assert flow.registry.version(MODEL, 2)["status"] == "retired"
    assert run_of(flow, 2) == "rejected"
    flow.approve(1)
    flow.serve({"champion": (1600, 160), "challenger": (400, 200)})
    flow.wait(minutes=40)
    assert flow.item()["live_version"] == 1
    assert run_of(flow, 1) == "live"
    assert [found["status"] for found in flow.registry.experiments(MODEL)] == ["promoted", "kept"]


def test_shadow_is_a_strategy_too() -> None:
    flow = told("shadow")
    flow.approve(2)
    assert (flow.experiment()["mode"], flow.shares()) == ("shadow", {3: 1.0})


def test_with_another_strategy_it_is_deployed_as_ever() -> None:
    flow = contest()
    assert flow.approve(2) == "deploying"
    assert flow.item()["live_version"] == 2
    assert flow.registry.experiments(MODEL) == []


def test_a_newer_version_waits_for_the_end_and_says_so() -> None:
    flow = told()
    flow.approve(2)
    first = flow.experiment()["experiment"]
    flow.approve(1)
    assert flow.item()["message"] == (
        f"Version 1 is approved and will be compared with version 3 when experiment {first} has ended."
    )
    assert flow.shares() == {3: 0.8, 2: 0.2}
    flow.decide("stop")
    flow.wait(minutes=10)
    second = flow.experiment()
    assert (second["status"], second["lanes"][1]["version"]) == ("running", 1)
    assert flow.registry.experiment(MODEL, first)["status"] == "stopped"
    assert "challenging" not in flow.item()


@pytest.mark.parametrize(("earlier", "waits", "retired"), [(False, 1, 2), (True, 2, 1)])
def test_of_two_that_wait_the_one_approved_last_stays(earlier: bool, waits: int, retired: int) -> None:
    flow = told()
    asleep(flow)
    flow.approve(2)
    flow.approve(1, flow.world.now - timedelta(hours=1) if earlier else None)
    assert flow.item()["challenging"] == waits
    assert flow.registry.version(MODEL, retired)["status"] == "retired"
    assert run_of(flow, retired) == "failed"
    awake(flow)
    flow.wait(minutes=5)
    assert flow.experiment()["lanes"][1]["version"] == waits


def test_a_strategy_that_changes_while_a_version_waits_counts() -> None:
    flow = told()
    asleep(flow)
    flow.approve(2)
    flow.put("models/churn/model.yaml", b"deployment: {strategy: all_at_once}")
    flow.play()
    awake(flow)
    flow.wait(minutes=10)
    assert flow.item()["live_version"] == 2
    assert run_of(flow, 2) == "live"


def test_an_approval_that_is_told_again_starts_nothing_again() -> None:
    flow = told()
    flow.approve(2)
    before = flow.registry.experiments(MODEL)
    assert flow.deliver("package", "event", flow.registry.version(MODEL, 2)["model_package_arn"]) == "compared"
    assert flow.registry.experiments(MODEL) == before
    assert flow.experiment()["status"] == "running"


def test_a_person_who_approves_sends_a_version_into_an_experiment() -> None:
    flow = told()
    flow.registry.items["version", MODEL, 2]["status"] = "pending_approval"
    decided = flow.steer().approve(MODEL, 2, By("ada", "looks good"), flow.world.tick())
    assert decided.message.startswith("Approved by ada: looks good Version 2 is approved and will be compared")
    flow.play()
    assert (flow.experiment()["status"], flow.shares()) == ("running", {3: 0.8, 2: 0.2})
    arn = flow.registry.version(MODEL, 2)["model_package_arn"]
    assert (flow.packages.packages[arn].approval, flow.packages.reasons[arn]) == ("Approved", "looks good (ada)")


def test_a_version_that_waits_for_approval_is_approved_by_who_starts_its_experiment() -> None:
    flow = contest()
    flow.registry.items["version", MODEL, 2]["status"] = "pending_approval"
    flow.begin(2)
    flow.play()
    assert flow.registry.version(MODEL, 2)["decision"]["who"] == "ada"
    assert flow.packages.reasons[flow.registry.version(MODEL, 2)["model_package_arn"]] == "is it better? (ada)"
    assert flow.experiment()["status"] == "running"


@pytest.mark.parametrize("by_api", [True, False])
def test_a_challenger_that_is_rejected_serves_nobody(by_api: bool) -> None:
    flow = told()
    flow.approve(2)
    arn = flow.registry.version(MODEL, 2)["model_package_arn"]
    if by_api:
        flow.steer().reject(MODEL, 2, By("ada"), flow.world.tick())
    else:
        flow.packages.decide(arn, "Rejected", "no")
    flow.play()
    flow.tick()
    assert flow.shares() == {3: 1.0}
    flow.wait(minutes=5)
    assert flow.experiment()["status"] == "stopped"
    assert (flow.registry.version(MODEL, 2)["status"], run_of(flow, 2)) == ("rejected", "failed")
    assert flow.lanes_up() == set()


def test_a_version_that_waits_and_is_rejected_begins_nothing() -> None:
    flow = told()
    asleep(flow)
    flow.approve(2)
    flow.steer().reject(MODEL, 2, By("ada"), flow.world.tick())
    awake(flow)
    flow.wait(minutes=5)
    assert flow.registry.experiments(MODEL) == []
    assert "challenging" not in flow.item()
    assert flow.item()["live_version"] == 3


def test_an_endpoint_in_an_experiment_stays_awake() -> None:
    flow = contest()
    flow.begin(2)
    flow.play()
    with pytest.raises(NotPossible, match="an experiment shares its traffic"):
        asleep(flow)
