"""A version that predicts otherwise than in its evaluation is taken back: by the log of its lane."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from sluicegate.domain.distribution import Distribution
from sluicegate.domain.items import moment, stamp
from sluicegate.ports import StoredObject
from sluicegate.services.drift_log import PredictionLog
from tests.support.fakes import FakeStorage, World
from tests.support.stage import ANN, ENDPOINT, Stage

SETTINGS = "deployment: {strategy: canary, rollback_on: [predictions]}\n"
AT_ONCE = """endpoint: {instance: ml.m5.large}
deployment: {strategy: all_at_once, bake: 10m, rollback_on: [errors, predictions]}
"""
ALARM = "sluicegate-churn-v2-predictions"


def stage(report: bool = True, settings: str = SETTINGS) -> Stage:
    made = Stage(settings)
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


def say(
    made: Stage,
    rows: int,
    shift: float,
    version: int = 2,
    earlier: timedelta = timedelta(),
    served_by: str = "endpoint",
) -> None:
    """Predictions of ``version`` as the log's writer keeps them."""
    random = Random(rows)
    at = made.world.now + timedelta(seconds=1) - earlier
    lines = []
    for number in range(rows):
        share = min(1.0, random.betavariate(2, 5) + shift)
        line = {"inference_id": f"{version}-{number}-{shift}", "model": "churn", "version": version, "at": stamp(at)}
        line["served_by"] = served_by
        lines.append(json.dumps({**line, "prediction": "yes", "probabilities": {"no": 1 - share, "yes": share}}))
    key = f"prediction-log/churn/dt={at:%Y-%m-%d}/hour={at:%H}/{version}-{rows}-{shift}.jsonl.gz"
    made.storage.objects[key] = gzip.compress("\n".join(lines).encode())


def begun(report: bool = True) -> Stage:
    made = stage(report)
    made.until(lambda: shifting(made))
    return made


def after_ticks(made: Stage, count: int = 2) -> str:
    """The first measures, the alarm goes off, the next one sees it."""
    for _ in range(count):
        made.world.now += timedelta(seconds=30)
        made.attempt("tick", "")
    return made.status(2)


def measured(made: Stage) -> list[float]:
    return [distance for distance, _ in made.metrics.told.values()]


def test_predictions_that_are_spread_otherwise_raise_an_alarm_that_takes_it_back() -> None:
    made = begun()
    spec = made.alarms.specs[ALARM]
    attempt = made.model()["rollout"]["id"]  # type: ignore[index]
    assert spec.dimensions == {"NamePrefix": "sluicegate", "Model": "churn", "Version": "2", "Attempt": attempt}
    assert (spec.namespace, spec.metric, spec.statistic) == ("Sluicegate", "PredictionShift", "Maximum")
    assert (spec.threshold, spec.minutes) == (0.25, 3)
    say(made, 400, 0.4)
    assert after_ticks(made, 1) == "deploying", "CloudWatch has not looked at it yet"
    [distance] = measured(made)
    assert distance > 1
    assert made.version(2)["prediction_shift"]["distance"] == pytest.approx(distance)  # type: ignore[index]
    assert after_ticks(made, 1) == "failed"
    said = made.version(2)["history"][-1]["message"]
    assert said.startswith(f"Rolled back: alarm {ALARM}: Threshold Crossed (predictions: PSI ")
    made.play()
    assert (made.live, list(made.endpoints.states), made.alarms.specs) == (1, [ENDPOINT], {})


def test_the_alarms_own_event_acts_at_once_and_a_second_one_changes_nothing() -> None:
    made = begun()
    say(made, 400, 0.4)
    after_ticks(made, 1)
    began = moment(made.model()["rollout"]["began"])  # type: ignore[index]
    made.rollout().alarmed("churn", ALARM, "of the time before", began - timedelta(minutes=3))
    assert made.status(2) == "deploying"
    for _ in range(2):
        made.rollout().alarmed("churn", ALARM, "crossed", made.world.tick())
    assert made.status(2) == "failed"
    assert [line["status"] for line in made.version(2)["history"]].count("failed") == 1
    assert made.version(2)["history"][-1]["message"].startswith(f"Rolled back: alarm {ALARM}: crossed (predictions: ")


def test_what_is_measured_when_a_bake_ends_counts_before_the_alarm_has_seen_it() -> None:
    made = begun()
    made.world.now = moment(made.model()["rollout"]["since"]) + timedelta(seconds=300)  # type: ignore[index]
    say(made, 400, 0.4)
    made.world.now += timedelta(seconds=2)
    made.attempt("tick", "")
    assert made.version(2)["history"][-1]["message"].startswith("Rolled back: predictions: PSI ")


def test_a_second_try_begins_without_what_the_first_was_measured_at() -> None:
    made = begun()
    say(made, 400, 0.4)
    assert after_ticks(made) == "failed"
    before = dict(made.metrics.told)
    made.until(lambda: made.model().get("rollout") is None)
    made.steer().deploy("churn", 2, ANN, made.world.tick())
    made.until(lambda: shifting(made))
    assert frozenset(made.alarms.specs[ALARM].dimensions.items()) not in before
    assert made.version(2).get("prediction_shift") is None
    made.play()
    assert made.live == 2


def test_a_look_at_the_first_try_that_ends_during_the_second_says_nothing_of_it() -> None:
    made = begun()
    say(made, 400, 0.4)

    read = made.storage.read

    def overtaken(key: str, limit: int) -> bytes:
        if key.startswith("prediction-log/"):
            made.registry.items["version", "churn", 2]["attempt"] = "another"
        return read(key, limit)

    made.storage.read = overtaken  # type: ignore[method-assign]
    assert after_ticks(made, 1) == "deploying"
    assert measured(made) == []
    assert made.version(2).get("prediction_shift") is None


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
    assert after_ticks(made) == "deploying"
    assert all(distance < 0.1 for distance in measured(made))
    assert bool(measured(made)) == (shift == 0.0), "nothing is told where nothing can be said"
    made.play()
    assert made.live == 2
    assert made.alarms.specs == {}


def test_what_may_be_chance_is_told_as_no_distance() -> None:
    made = begun()
    say(made, 200, 0.0)
    after_ticks(made)
    assert measured(made) == [0.0]
    assert "PSI 0.10, p = 0.045" in made.version(2)["prediction_shift"]["reason"]  # type: ignore[index]


def test_without_a_distribution_in_its_report_nothing_is_compared() -> None:
    made = begun(report=False)
    say(made, 400, 0.4)
    assert after_ticks(made) == "deploying"
    assert measured(made) == []


def test_in_parts_of_the_traffic_the_way_is_a_lane() -> None:
    made = stage(settings=AT_ONCE.replace("all_at_once", "canary"))
    made.until(lambda: shifting(made))
    assert f"{ENDPOINT}-V2" in made.endpoints.states


# SageMaker's own, all at once: from its shift on every answer is the new fleet's


def baking(settings: str = AT_ONCE) -> Stage:
    made = stage(settings=settings)
    made.until(lambda: made.status(2) == "deploying")
    state = made.endpoints.states[ENDPOINT]
    made.endpoints.states[ENDPOINT] = replace(state, baking_since=made.world.now)
    return made


def test_sagemakers_guardrail_has_the_alarm_and_the_new_fleet_is_measured_once_it_has_all_traffic() -> None:
    made = stage(settings=AT_ONCE)
    made.until(lambda: made.status(2) == "deploying")
    guard = made.endpoints.guards["sluicegate-churn-v2"]
    assert guard is not None
    assert guard.alarms == ["sluicegate-churn-v2-errors", ALARM]
    say(made, 400, 0.4, version=1)
    assert after_ticks(made) == "deploying"
    assert measured(made) == [], "whose they are is not known before the shift"

    state = made.endpoints.states[ENDPOINT]
    made.endpoints.states[ENDPOINT] = replace(state, baking_since=made.world.now)
    say(made, 900, 0.4, version=1)  # predict can't know that it is version 2 already
    after_ticks(made, 1)
    [distance] = measured(made)
    assert distance > 1
    assert [found.value for found in made.alarms.states([ALARM])] == ["ALARM"]
    made.endpoints.settle(ENDPOINT, "an alarm rolled the update back")
    made.play()
    assert (made.live, made.status(2), made.alarms.specs) == (1, "failed", {})
    assert "(predictions: PSI " in made.version(2)["history"][-1]["message"]


def test_what_the_function_answered_is_not_the_new_fleets() -> None:
    made = baking()
    say(made, 400, 0.4, version=1, served_by="function")
    after_ticks(made)
    assert measured(made) == []


def test_nothing_is_measured_where_no_alarm_asks() -> None:
    made = baking(AT_ONCE.replace(", predictions", ""))
    say(made, 400, 0.4, version=1)
    after_ticks(made)
    assert measured(made) == []


@pytest.mark.parametrize("number", range(1, 9))
def test_a_crash_while_it_is_measured_and_taken_back_changes_nothing(number: int) -> None:
    made = begun()
    say(made, 400, 0.4)
    made.world.crash_after = len(made.world.effects) + number
    made.play()
    assert (made.live, made.status(2), made.alarms.specs) == (1, "failed", {})
    assert list(made.endpoints.states) == [ENDPOINT]


def test_of_the_log_the_hours_that_are_asked_for_are_listed_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that comes in is looked at each minute, and a day's log has tens of thousands of files."""
    storage, listed = FakeStorage(World()), list[str]()
    for hour in ("09", "10", "11"):
        storage.objects[f"prediction-log/churn/dt=2026-01-02/hour={hour}/a.jsonl.gz"] = b""

    def list_prefix(prefix: str) -> Iterator[StoredObject]:
        listed.append(prefix)
        return FakeStorage.list(storage, prefix)

    monkeypatch.setattr(storage, "list", list_prefix)
    found = PredictionLog(storage).predictions("churn", [datetime(2026, 1, 2, 10, 30, tzinfo=UTC)])
    assert found == ["prediction-log/churn/dt=2026-01-02/hour=10/a.jsonl.gz"]
    assert listed == ["prediction-log/churn/dt=2026-01-02/hour=10/"]
