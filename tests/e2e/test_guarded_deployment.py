"""A version comes in by canary in a region whose clock is moved, under load: taken back by an alarm, then let in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from sluice.errors import CliError
from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

MODEL = "guarded"
SETTINGS = """
evaluation: {against_champion: ignore}
deployment: {strategy: canary, percent: 50, bake: 1m, rollback_on: [errors]}
algorithm: {hyperparameters: {num_round: 5}}
"""
RECORD = {"height": 70, "color": "red"}


def table(seed: int) -> str:
    random = Random(seed)
    rows = [(random.randint(0, 100), random.choice(["red", "green"])) for _ in range(240)]
    return "height,color,won\n" + "".join(f"{h},{c},{'yes' if h > 50 else 'no'}\n" for h, c in rows)


@contextmanager
def load(application: Application) -> Iterator[tuple[list[int], list[str]]]:
    """Somebody who calls without pause: the versions that answered, and what failed."""
    versions: list[int] = []
    failures: list[str] = []
    over = threading.Event()

    def call() -> None:
        while not over.wait(0.05):
            try:
                versions.append(application.predict(MODEL, RECORD)["version"])
            except (CliError, OSError) as error:
                failures.append(f"{type(error).__name__}: {error}")

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield versions, failures
    finally:
        over.set()
        caller.join(60)


def version(application: Application, number: int) -> dict[str, Any]:
    return application.api.find(f"models/{MODEL}/versions/{number}") or {"status": "none", "history": []}


def shares(application: Application, number: int) -> list[str]:
    history = version(application, number)["history"]
    return [line["message"] for line in history if line["message"].endswith("of the requests.")]


def until(application: Application, found: Callable[[], bool], what: str) -> None:
    """The region's clock goes on until it is so; the minutes' ticks come on the way."""
    for _ in range(4):
        if found():
            return
        application.sluice("clock", "+4m")
    eventually(found, 20, what)


def test_an_alarm_takes_a_canary_back_and_a_second_try_comes_in(application: Application) -> None:
    application.settings(MODEL, SETTINGS)
    application.put(f"data/{MODEL}/a.csv", table(1))
    assert application.watch(MODEL).returncode == 0
    with load(application) as (versions, failures):
        application.put(f"data/{MODEL}/b.csv", table(2))
        eventually(lambda: shares(application, 2), 120, "version 2 gets its first share")
        eventually(lambda: 2 in versions, 30, "version 2 answers")
        alarm = f"sluicegate-{MODEL}-v2-errors"
        cloudwatch = application.client("cloudwatch")
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="the test says so")
        eventually(lambda: version(application, 2)["status"] == "failed", 30, "the alarm takes it back")
        told = version(application, 2)["history"][-1]["message"]
        assert told == f"Rolled back: alarm {alarm}: the test says so"
        eventually(lambda: versions[-20:] == [1] * 20, 30, "version 1 answers alone")

        application.sluice("rollback", MODEL, "2", "--why", "the alarm was a test", "--no-wait")
        until(application, lambda: version(application, 2)["status"] == "live", "version 2 is live")
        eventually(lambda: versions[-20:] == [2] * 20, 30, "version 2 answers alone")
    assert failures == []
    sagemaker = application.client("sagemaker")

    def alone() -> bool:
        named = sagemaker.list_endpoints(NameContains=f"sluicegate-{MODEL}")["Endpoints"]
        return [found["EndpointName"] for found in named] == [f"sluicegate-{MODEL}"]

    until(application, alone, "the lanes are gone")
    assert cloudwatch.describe_alarms(AlarmNamePrefix=f"sluicegate-{MODEL}-")["MetricAlarms"] == []
