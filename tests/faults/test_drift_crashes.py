"""A look at drift that breaks off after effect n, and is delivered again: one report, one line, one wish that is sent.

What becomes of the wish is in tests/unit/services/test_drift.py: the same one is sent until a run takes it up.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from sluicegate.services.drift import WatchDrift
from sluicegate.services.wake import Wake
from tests.support.fakes import Crash
from tests.support.flow import Flow, table
from tests.support.logs import files, labels, rows
from tests.unit.services.test_drift import BEGIN, LOOK, FakeMetrics


@pytest.fixture(scope="module")
def drifted() -> Flow:
    """Version 1 serves, newer data wait for drift, and what comes in has moved."""
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {on: [drift]}\n")
    flow.put("data/churn/a.csv", table(600))
    flow.play()
    flow.put("data/churn/b.csv", table(300, 2))
    flow.play()
    predicted = rows(700, BEGIN, heights=(60, 160))
    for folder, lines in {"prediction-log": predicted, "feedback": labels(predicted)}.items():
        for key, content in files("churn", folder, lines):
            flow.storage.put(key, content)
    flow.world.now = LOOK
    return flow


def played(flow: Flow, crash_after: int | None = None) -> dict[str, Any]:
    """Both functions, delivered three times, whether they broke off or not."""
    before = len(flow.world.messages)
    flow.world.crash_after = None if crash_after is None else len(flow.world.effects) + crash_after
    for attempt in range(3):
        try:
            WatchDrift(flow.ledger(), flow.storage, FakeMetrics()).look(LOOK + timedelta(seconds=attempt))
            Wake(flow.ledger()).look(flow.registry.models(), LOOK + timedelta(minutes=4, seconds=attempt))
        except Crash:
            continue
    model = flow.registry.model("churn")
    return {
        "drift": {name: value for name, value in model["drift"].items() if name != "at"},
        "reports": {key: body for key, body in flow.storage.objects.items() if key.startswith("drift/")},
        "asked": model.get("asked"),
        "sent": {body["cause"] for _, body, _ in flow.world.messages[before:]},
    }


@pytest.fixture(scope="module")
def undisturbed(drifted: Flow) -> dict[str, Any]:
    return played(copy.deepcopy(drifted))


def test_the_undisturbed_outcome(undisturbed: dict[str, Any]) -> None:
    assert sorted(key.rsplit(".", 1)[1] for key in undisturbed["reports"]) == ["html", "json"]
    assert undisturbed["sent"] == {undisturbed["asked"]} == {"drift:2026-01-04T00:00:00.000Z"}
    assert undisturbed["drift"]["retrain"] == "a run was asked for"


@pytest.mark.parametrize("effect", range(1, 5))
def test_broken_off_after_an_effect(drifted: Flow, undisturbed: dict[str, Any], effect: int) -> None:
    flow = copy.deepcopy(drifted)
    assert played(flow, effect) == undisturbed
    assert flow.world.crash_after is None, "the crash did not happen"
