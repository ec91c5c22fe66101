"""A version that is approved where model.yaml says experiment or shadow is a challenger first."""

from __future__ import annotations

import pytest

from tests.support.contest import MODEL, Contest, contest

SETTINGS = """
deployment: {{strategy: {strategy}}}
experiment: {{no_outcome: unknown, look_every: 30m, max_duration: 1d, outcome_window: 1h{more}}}
"""


def approved(flow: Contest, number: int, at: str = "2026-01-02T05:00:00.000Z") -> str:
    version = flow.registry.items["version", MODEL, number]
    version["status"] = "approved"
    flow.registry.items["run", MODEL, version["run"]]["status"] = "deploying"
    said = flow.deliver("approved", "event", (number, at))
    flow.play()
    return said


def told(strategy: str = "experiment", more: str = "") -> Contest:
    return contest(settings=SETTINGS.format(strategy=strategy, more=more))


def run_of(flow: Contest, number: int) -> str:
    return str(flow.registry.run(MODEL, flow.registry.version(MODEL, number)["run"])["status"])


def test_it_is_compared_first() -> None:
    flow = told(more=", traffic: 0.5")
    flow.registry.items["model", MODEL, ""]["active_run"] = flow.registry.version(MODEL, 2)["run"]
    assert approved(flow, 2) == "contest"
    found = flow.experiment()
    assert (found["status"], found["mode"], found["asked"]["who"]) == ("running", "ab", "deployment.strategy")
    assert flow.shares() == {3: 0.5, 2: 0.5}
    assert flow.item()["live_version"] == 3
    assert run_of(flow, 2) == "in_experiment"
    assert "active_run" not in flow.item(), "new data may train the next version meanwhile"


def test_the_winner_is_live_and_the_loser_retired() -> None:
    flow = told()
    approved(flow, 2)
    flow.serve({"champion": (1600, 480), "challenger": (400, 20)})
    flow.wait(minutes=40)
    assert flow.registry.version(MODEL, 2)["status"] == "retired"
    assert run_of(flow, 2) == "rejected"
    approved(flow, 1, "2026-01-02T06:00:00.000Z")
    flow.serve({"champion": (1600, 160), "challenger": (400, 200)})
    flow.wait(minutes=40)
    assert flow.item()["live_version"] == 1
    assert run_of(flow, 1) == "live"
    assert [found["status"] for found in flow.registry.experiments(MODEL)] == ["promoted", "kept"]


def test_shadow_is_a_strategy_too() -> None:
    flow = told("shadow")
    approved(flow, 2)
    assert (flow.experiment()["mode"], flow.shares()) == ("shadow", {3: 1.0})


def test_with_another_strategy_it_is_deployed_as_ever() -> None:
    flow = contest()
    assert approved(flow, 2) == "deployed"
    assert flow.registry.experiments(MODEL) == []


def test_a_newer_version_waits_for_the_end_and_says_so() -> None:
    flow = told()
    approved(flow, 2)
    first = flow.experiment()["experiment"]
    approved(flow, 1, "2026-01-02T06:00:00.000Z")
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


@pytest.mark.parametrize(("second", "waits", "retired"), [("06", 1, 2), ("04", 2, 1)])
def test_of_two_that_wait_the_one_approved_last_stays(second: str, waits: int, retired: int) -> None:
    flow = told()
    flow.registry.items["model", MODEL, ""]["sleep"] = {"state": "asleep"}
    approved(flow, 2)
    approved(flow, 1, f"2026-01-02T{second}:00:00.000Z")
    assert flow.item()["challenging"] == waits
    assert flow.registry.version(MODEL, retired)["status"] == "retired"
    assert run_of(flow, retired) == "failed"
    del flow.registry.items["model", MODEL, ""]["sleep"]
    flow.wait(minutes=5)
    assert flow.experiment()["lanes"][1]["version"] == waits


def test_a_strategy_that_changes_while_a_version_waits_counts() -> None:
    flow = told()
    flow.registry.items["model", MODEL, ""]["sleep"] = {"state": "asleep"}
    approved(flow, 2)
    del flow.registry.items["model", MODEL, ""]["sleep"]
    flow.put("models/churn/model.yaml", b"deployment: {strategy: all_at_once}")
    flow.play()
    flow.wait(minutes=5)
    flow.play()
    assert flow.item()["live_version"] == 2
    assert run_of(flow, 2) == "live"


def test_an_approval_that_is_told_again_starts_nothing_again() -> None:
    flow = told()
    approved(flow, 2)
    before = flow.registry.experiments(MODEL)
    flow.deliver("approved", "event", (2, "2026-01-02T05:00:00.000Z"))
    assert flow.registry.experiments(MODEL) == before
    assert flow.experiment()["status"] == "running"


def test_a_challenger_whose_approval_is_taken_back_serves_nobody() -> None:
    flow = told()
    approved(flow, 2)
    assert flow.contests().refuse(MODEL, 2, flow.world.tick())
    flow.tick()
    assert flow.shares() == {3: 1.0}
    flow.wait(minutes=5)
    assert flow.experiment()["status"] == "stopped"
    assert (flow.registry.version(MODEL, 2)["status"], run_of(flow, 2)) == ("rejected", "rejected")
