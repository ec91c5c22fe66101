"""A version comes in by canary under load, on a clock that is moved: its predictions take it back; then it comes in."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from sluice.api import ApiError
from sluice.errors import CliError
from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

MODEL = "guarded"
SETTINGS = """
evaluation: {against_champion: ignore}
deployment: {strategy: canary, percent: 50, bake: 3m, rollback_on: [errors, predictions]}
algorithm: {hyperparameters: {num_round: 5}}
"""
ALARM = f"sluicegate-{MODEL}-v2-predictions"


def record(random: Random) -> dict[str, Any]:
    return {"height": random.randint(0, 100), "color": random.choice(["red", "green"])}


def table(seed: int) -> str:
    random = Random(seed)
    rows = [record(random) for _ in range(480)]
    lines = (f"{row['height']},{row['color']},{'yes' if row['height'] > 50 else 'no'}\n" for row in rows)
    return "height,color,won\n" + "".join(lines)


@contextmanager
def load(application: Application) -> Iterator[tuple[list[int], list[str]]]:
    """Somebody who calls without pause, with records like those that were learned from: the versions that answered, and
    what failed."""
    versions: list[int] = []
    failures: list[str] = []
    over, random = threading.Event(), Random(5)

    def call() -> None:
        while not over.wait(0.05):
            try:
                versions.append(application.predict(MODEL, record(random))["version"])
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


def say_yes(application: Application, count: int) -> bool | None:
    """Ask version 2 for what it says yes to, so often; None while not every copy of the routing knows its lane."""
    body = json.dumps({"records": [{"height": 90, "color": "red"}] * count}).encode()
    try:
        answer = application.api.predict(MODEL, body, "application/json", lane="challenger")
    except ApiError as error:
        assert "accepted are champion" in str(error)
        return None
    return bool(answer["version"] == 2)


def logged(application: Application, number: int) -> int:
    """Predictions of a version that the log in the bucket holds."""
    texts = (gzip.decompress(application.read(key)).decode() for key in application.keys(f"prediction-log/{MODEL}/"))
    return sum(json.loads(line)["version"] == number for text in texts for line in text.splitlines())


def until(application: Application, found: Callable[[], bool], what: str) -> None:
    """The region's clock goes on until it is so; the minutes' ticks come on the way."""
    for _ in range(6):
        if found():
            return
        application.sluice("clock", "+2m")
    eventually(found, 20, what)


def test_an_alarm_takes_a_canary_back_and_a_second_try_comes_in(application: Application) -> None:
    application.settings(MODEL, SETTINGS)
    application.put(f"data/{MODEL}/a.csv", table(1))
    assert application.watch(MODEL).returncode == 0
    with load(application) as (versions, failures):
        application.put(f"data/{MODEL}/b.csv", table(2))
        eventually(lambda: shares(application, 2), 120, "version 2 gets its first share")
        eventually(lambda: 2 in versions, 60, "version 2 answers")
        eventually(lambda: say_yes(application, 600), 60, "version 2 is asked for one side only")
        eventually(lambda: logged(application, 2) >= 600, 60, "that is in the log")
        # a minute of the machine's own may have passed already: then it was measured before
        application.sluice("clock", "+1m")
        eventually(lambda: version(application, 2)["status"] == "failed", 30, "the alarm takes it back")
        told = version(application, 2)["history"][-1]["message"]
        assert told.startswith(f"Rolled back: alarm {ALARM}: Threshold Crossed: 1 out of the last 3 datapoints [")
        assert "(predictions: PSI " in told
        cloudwatch = application.client("cloudwatch")
        [alarm] = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
        assert (alarm["StateValue"], alarm["Threshold"]) == ("ALARM", 0.25)
        eventually(lambda: versions[-20:] == [1] * 20, 30, "version 1 answers alone")

        application.sluice("rollback", MODEL, "2", "--why", "only one side was asked", "--no-wait")
        until(application, lambda: version(application, 2)["status"] == "live", "version 2 is live")
        eventually(lambda: versions[-20:] == [2] * 20, 30, "version 2 answers alone")
    assert failures == []
    sagemaker = application.client("sagemaker")

    def alone() -> bool:
        named = sagemaker.list_endpoints(NameContains=f"sluicegate-{MODEL}")["Endpoints"]
        return [found["EndpointName"] for found in named] == [f"sluicegate-{MODEL}"]

    until(application, alone, "the lanes are gone")
    assert cloudwatch.describe_alarms(AlarmNamePrefix=f"sluicegate-{MODEL}-")["MetricAlarms"] == []
