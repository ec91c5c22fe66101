"""A version that predicts otherwise than in its evaluation is taken back: by the log of its lane."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from random import Random

import pytest

from sluicegate.domain.distribution import Distribution
from sluicegate.domain.items import stamp
from tests.support.stage import ENDPOINT, Stage

SETTINGS = "deployment: {strategy: canary, rollback_on: [predictions]}\n"


def stage(report: bool = True) -> Stage:
    made = Stage(SETTINGS)
    made.add("approved")
    made.play()
    made.add("approved")
    random = Random(7)
    expected = Distribution.of_numbers([random.betavariate(2, 5) for _ in range(2000)])
    content = {"prediction_distribution": expected.to_json()} if report else {}
    made.storage.objects["evaluations/churn/2/report.json"] = json.dumps(content).encode()
    made.registry.items["version", "churn", 2]["report"] = "evaluations/churn/2/report.html"
    return made


def shifting(made: Stage) -> bool:
    rollout = made.model().get("rollout")
    return rollout is not None and rollout["stage"] == "shifting"


def say(made: Stage, rows: int, shift: float, version: int = 2, earlier: timedelta = timedelta()) -> None:
    """Predictions of ``version`` as the log's writer keeps them."""
    random = Random(rows)
    at = made.world.now + timedelta(seconds=1) - earlier
    lines = []
    for number in range(rows):
        share = min(1.0, random.betavariate(2, 5) + shift)
        line = {"inference_id": f"{version}-{number}-{shift}", "model": "churn", "version": version, "at": stamp(at)}
        lines.append(json.dumps({**line, "prediction": "yes", "probabilities": {"no": 1 - share, "yes": share}}))
    key = f"prediction-log/churn/dt={at:%Y-%m-%d}/hour={at:%H}/{version}-{rows}-{shift}.jsonl.gz"
    made.storage.objects[key] = gzip.compress("\n".join(lines).encode())


def begun(report: bool = True) -> Stage:
    made = stage(report)
    made.until(lambda: shifting(made))
    return made


def after_a_tick(made: Stage) -> str:
    made.world.now += timedelta(seconds=30)
    made.attempt("tick", "")
    return made.status(2)


def test_predictions_that_are_spread_otherwise_take_it_back() -> None:
    made = begun()
    say(made, 1000, 0.4)
    assert after_a_tick(made) == "failed"
    assert made.version(2)["history"][-1]["message"].startswith("Rolled back: predictions")
    made.play()
    assert (made.live, list(made.endpoints.states)) == (1, [ENDPOINT])


@pytest.mark.parametrize(
    ("rows", "shift", "version", "earlier"),
    [
        (1000, 0.0, 2, timedelta()),  # as in the evaluation
        (100, 0.4, 2, timedelta()),  # too few to say
        (1000, 0.4, 1, timedelta()),  # the champion's
        (1000, 0.4, 2, timedelta(hours=1)),  # from a time before this one came in
    ],
)
def test_what_says_nothing_against_it(rows: int, shift: float, version: int, earlier: timedelta) -> None:
    made = begun()
    say(made, rows, shift, version, earlier)
    assert after_a_tick(made) == "deploying"
    made.play()
    assert made.live == 2


def test_without_a_distribution_in_its_report_nothing_is_compared() -> None:
    made = begun(report=False)
    say(made, 1000, 0.4)
    assert after_a_tick(made) == "deploying"


def test_there_is_no_alarm_for_predictions_and_the_way_is_a_lane() -> None:
    made = begun()
    assert made.alarms.specs == {}
    assert f"{ENDPOINT}-V2" in made.endpoints.states
