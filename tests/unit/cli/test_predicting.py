"""``sluice watch`` and ``sluice batch`` tell of files line by line, each line once."""

from __future__ import annotations

from typing import Any

from sluice.predicting import BatchStory
from sluice.story import Line


def batch(name: str, *history: tuple[str, str]) -> dict[str, Any]:
    lines = [{"at": "t", "status": status, "message": message} for status, message in history]
    return {"batch": name, "key": f"batch/churn/{name}.csv", "status": history[-1][0], "history": lines}


def test_what_is_new_is_told_once_and_what_was_over_before_is_not() -> None:
    story = BatchStory()
    old = batch("old", ("received", ""), ("done", "5 rows predicted."))
    first = batch("first", ("received", ""), ("preparing", "Reading."))
    assert story.observe([first, old]) == [Line("work", "batch/churn/first.csv: Reading.")]
    assert story.observe([first, old]) == []
    first = batch("first", ("received", ""), ("preparing", "Reading."), ("failed", "No rows."))
    second = batch("second", ("received", ""), ("done", "1 row predicted."))
    assert story.observe([second, first, old]) == [
        Line("bad", "batch/churn/first.csv: No rows."),
        Line("done", "batch/churn/second.csv: 1 row predicted."),
    ]
    assert story.observe([second, first, old]) == []
