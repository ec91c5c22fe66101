"""Experiments as the registry keeps them: one under way with two looks, one that a person stopped.

The looks are made by the code that looks, so that what is shown of them is what there is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sluicegate.domain.course import extended, point
from sluicegate.domain.experiment import Cohort, Latency, Tally, look
from sluicegate.domain.items import stamp
from sluicegate.domain.settings_experiment import Experiment

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _cohorts(hours: int, count: int, rate: float, milliseconds: float) -> list[Cohort]:
    latency = sum((Latency.of(milliseconds + n % 5) for n in range(40)), Latency())
    hits = float(round(count * rate))
    tally = Tally(exposures=count, outcomes=count, total=hits, squares=hits, errors=1, latency=latency)
    return [Cohort((START + timedelta(hours=hour + 1)).timestamp(), tally) for hour in range(hours)]


def experiments() -> list[dict[str, Any]]:
    design = Experiment(no_outcome="unknown", look_every="1h").design("champion", ["challenger"])
    course: list[Any] = []
    seen: dict[str, Any] = {}
    for hours in (1, 3):
        lanes = {
            "champion": _cohorts(hours, 400, 0.1, 9.0),
            "challenger": _cohorts(hours, 100, 0.13, 9.5),
        }
        now = (START + timedelta(hours=hours, minutes=5)).timestamp()
        seen = look(design, lanes, now, START.timestamp()).to_json()
        course = list(extended(course, point(seen)))
    running = {
        "experiment": "c0ffee12",
        "model": "churn",
        "status": "running",
        "mode": "ab",
        "decides": "automatic",
        "look_every": 3600,
        "lanes": [{"slot": "champion", "version": 2}, {"slot": "challenger", "version": 1}],
        "lanes_as": "variants",
        "weights": {"champion": 0.8, "challenger": 0.2},
        "design": design.to_json(),
        "asked": {"who": "ada", "why": "was the first one better?"},
        "created_at": stamp(START - timedelta(minutes=2)),
        "started_at": stamp(START),
        "updated_at": stamp(START + timedelta(hours=3, minutes=5)),
        "looks": 2,
        "look": seen,
        "course": course,
        "history": [
            {"at": stamp(START - timedelta(minutes=2)), "status": "starting", "message": "version 1 against version 2"},
            {"at": stamp(START), "status": "running", "message": "The lanes are up."},
        ],
        "looked_at": stamp(START + timedelta(hours=3, minutes=5)),
        "information": [],
    }
    at = stamp(START - timedelta(days=2))
    stopped = {
        "experiment": "0badcafe",
        "model": "churn",
        "status": "stopped",
        "mode": "bandit",
        "decides": "manual",
        "look_every": 3600,
        "lanes": [{"slot": "champion", "version": 2}, {"slot": "challenger", "version": 1}],
        "design": {"mode": "bandit"},
        "asked": {"who": "ada", "why": ""},
        "created_at": at,
        "ended_at": at,
        "updated_at": at,
        "looks": 0,
        "decision": {"kind": "stop", "reason": "The wrong version.", "by": "ada", "at": at},
        "history": [{"at": at, "status": "stopped", "message": "The wrong version."}],
    }
    return [running, stopped]
