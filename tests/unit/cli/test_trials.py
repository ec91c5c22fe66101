"""What `sluice trials`, `sluice watch` and `sluice runs` tell of a search and of costs."""

from __future__ import annotations

from typing import Any

import pytest

from sluice import trials
from sluice.story import Snapshot, Story
from tests.contract.http.samples import registry

RUN: dict[str, Any] = registry().of["churn", "run"][0]


def trial(number: int, status: str = "Completed", value: float | None = 0.5) -> dict[str, Any]:
    return {
        "job": f"t-{number:03d}-0a1b2c3d",
        "status": status,
        "value": value,
        "seconds": 60,
        "hyperparameters": {"max_depth": "6", "eta": "0.10471285480508996"},
    }


def search(*given: dict[str, Any], direction: str = "Maximize", **more: Any) -> dict[str, Any]:
    best = {"job": given[0]["job"], "value": given[0]["value"]} if given else None
    return {
        "job": "t",
        "status": "InProgress",
        "strategy": "Bayesian",
        "objective": "validation:auc",
        "direction": direction,
        "max_jobs": 4,
        "best": best,
        "trials": list(given),
        "stopped": None,
        **more,
    }


@pytest.mark.parametrize(
    ("direction", "order"), [("Maximize", ["002", "001", "003", "004"]), ("Minimize", ["003", "001", "002", "004"])]
)
def test_trials_are_listed_best_first_and_those_without_a_value_last(direction: str, order: list[str]) -> None:
    given = [trial(1, value=0.7), trial(2, value=0.9), trial(3, value=0.1), trial(4, "Failed", None)]
    rows = trials.rows(search(*given, direction=direction))
    assert [row[1][:3] for row in rows] == order
    assert rows[0][5] == "eta 0.1047, max_depth 6"


def test_progress_counts_what_is_over() -> None:
    given = [trial(1, value=0.9134), trial(2, "InProgress", None), trial(3, "Stopped", 0.5)]
    assert trials.progress(search(*given)) == "tuning: 2 of 4 jobs, best validation:auc 0.9134"
    assert trials.progress(search()) == "tuning: 0 of 4 jobs"


def test_the_headline_says_what_ended_it() -> None:
    stopped = search(trial(1), status="Stopped", stopped="The budget is spent: $5.10 of $5.00.", warm_start="t0")
    assert trials.headline(stopped) == (
        "t: Bayesian search for validation:auc, Stopped; 1 of 4 jobs, best validation:auc 0.5; "
        "began with what t0 found; The budget is spent: $5.10 of $5.00."
    )


def test_costs_say_where_their_prices_come_from() -> None:
    cost = RUN["cost"]
    assert trials.estimate_text(cost) == "estimated at $0.0149, at most $0.3450 (prices of us-east-1, 2026-08-11)"
    assert trials.cost_text(cost) == "$0.0126 of $0.0149"
    assert trials.cost_text({**cost, "actual": None}) == "about $0.0149"
    seconds = {"usd": 0, "lines": [{"what": "training", "seconds": 1, "usd": 0}]}
    assert trials.cost_text({**cost, "actual": seconds}) == "under $0.0001 of $0.0149"
    assert trials.cost_text(None) == trials.estimate_text({"estimate": None}) == ""


def test_watch_tells_each_trial_once() -> None:
    story = Story("churn")
    run: dict[str, Any] = {
        "run": "1f2e3d4c",
        "status": "training",
        "created_at": "2026-11-22T12:03:58.000Z",
        "history": [{"at": "2026-11-22T12:04:01.000Z", "status": "training", "message": ""}],
        "cost": RUN["cost"],
        "tuning": search(),
    }

    def told(**changed: Any) -> list[str]:
        return [line.text for line in story.observe(Snapshot({"model": "churn"}, runs=[{**run, **changed}]))]

    first = told()
    assert first[1] == "tuning t: Bayesian, up to 4 jobs"
    assert first[2].startswith("estimated at $0.0149")
    assert told() == []
    assert told(tuning=search(trial(1))) == ["tuning: 1 of 4 jobs, best validation:auc 0.5"]
    assert told(tuning=search(trial(1))) == []
    assert story.status == "tuning: 1 of 4 jobs, best validation:auc 0.5"
