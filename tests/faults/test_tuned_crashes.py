"""A run that tunes, broken off after effect n, delivered again, repeated and in any order: the same one outcome."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.fakes import World
from tests.support.flow import Flow, table
from tests.support.rehearsal import Rehearsal

SETTINGS = b"algorithm: {tuning: {max_jobs: 3}}\nbudget: {per_run_usd: 5}\n"


SCRIPT = (
    b"algorithm: {name: script, tuning: {max_jobs: 2, ranges: {depth: [1, 9]}, "
    b"metric: {name: loss, regex: 'loss=([0-9.]+)', goal: minimize}}}\n"
)


def tuned(world: World, copies: int = 1, random: Random | None = None, settings: bytes = SETTINGS) -> Flow:
    flow = Flow(world)
    flow.put("models/churn/model.yaml", settings)
    if settings == SCRIPT:
        flow.put("models/churn/code/train.py", b"print('loss=1')\n")
    flow.play(copies, random)
    flow.put("data/churn/first.csv", table(240, 1))
    flow.play(copies, random)
    return flow


def outcome(flow: Flow) -> dict[str, Any]:
    (run,) = flow.registry.runs("churn")
    (job,) = flow.jobs.tunings.values()
    return {
        "status": run["status"],
        "history": [line["status"] for line in run["history"]],
        "trained by": run["training_job"],
        "tuning": run["tuning"],
        "cost": run["cost"],
        "trials": [trial.name for trial in job.trials],
        "training": flow.jobs.training,
        "models": flow.jobs.models,
        "transforms": sorted(flow.jobs.transforms),
        "packages": sorted(flow.packages.packages),
        "live": flow.registry.model("churn")["live_version"],
        "active": flow.registry.model("churn").get("active_run"),
    }


TOLD = Rehearsal(
    Flow(),
    [
        lambda flow: flow.put("models/churn/model.yaml", SETTINGS),
        lambda flow: flow.put("data/churn/first.csv", table(240, 1)),
    ],
)


@pytest.fixture(scope="module")
def undisturbed() -> Flow:
    return TOLD.flow


def test_the_undisturbed_outcome(undisturbed: Flow) -> None:
    found = outcome(undisturbed)
    assert (found["status"], found["live"], found["training"]) == ("live", 1, {})
    assert found["trained by"] == found["trials"][1] == found["tuning"]["best"]["job"]
    assert [line["what"] for line in found["cost"]["actual"]["lines"]] == ["training", "evaluation"]


@pytest.mark.parametrize("number", TOLD.numbers)
def test_a_crash_after_any_effect_changes_nothing(undisturbed: Flow, number: int) -> None:
    flow = TOLD.broken_off(number)
    assert outcome(flow) == outcome(undisturbed), flow.world.effects[number - 1]


@pytest.mark.parametrize("seed", range(8))
def test_crashes_repeats_and_any_order_together(undisturbed: Flow, seed: int) -> None:
    random = Random(seed)
    world = World(crash_after=random.choice(TOLD.numbers))
    assert outcome(tuned(world, random.choice([1, 2]), random)) == outcome(undisturbed)


@pytest.mark.parametrize("seed", range(6))
def test_a_script_that_is_tuned_is_no_different(seed: int) -> None:
    random = Random(seed)
    wanted = tuned(World(), settings=SCRIPT)
    world = World(crash_after=random.randint(1, len(wanted.world.effects)))
    found = outcome(tuned(world, random.choice([1, 2]), random, SCRIPT))
    assert found == outcome(wanted)
    assert (found["status"], found["live"], found["tuning"]["objective"]) == ("live", 1, "loss")


def test_old_news_changes_nothing(undisturbed: Flow) -> None:
    flow = tuned(World())
    for delivery in reversed([*flow.world.events]):
        flow.attempt(*delivery)
    flow.play()
    assert outcome(flow) == outcome(undisturbed)


def until_the_first_trial() -> Flow:
    flow = Flow()
    flow.jobs.seconds = 7200.0
    flow.put("models/churn/model.yaml", SETTINGS.replace(b"5", b"0.2"))
    flow.play()
    flow.put("data/churn/first.csv", table(240, 1))
    for _ in range(60):
        flow.collect()
        if not flow.pending and flow.jobs.tunings:
            return flow
        flow.attempt(*flow.pending.pop(0))
    raise AssertionError("no tuning job was started")


@pytest.fixture(scope="module")
def spent() -> Rehearsal:
    """From the first trial's end on: the note, the stop, the evaluation."""
    return Rehearsal(until_the_first_trial(), [lambda _flow: None])


def test_a_budget_that_is_spent_stops_the_job(spent: Rehearsal) -> None:
    found = outcome(spent.flow)
    assert found["tuning"]["stopped"].startswith("The budget is spent")
    assert len(found["trials"]) == 1


@pytest.mark.parametrize("number", range(11))
def test_a_budget_that_is_spent_stops_once_whatever_breaks_off(spent: Rehearsal, number: int) -> None:
    assert outcome(spent.broken_off(spent.numbers[number])) == outcome(spent.flow)
