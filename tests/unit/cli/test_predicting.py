"""``sluice watch`` and ``sluice batch`` tell of files line by line, each line once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from sluice.api import ApiError
from sluice.commands.batches import batch_command
from sluice.predicting import BatchStory
from sluice.story import Line
from tests.support.cli import Given


def test_a_file_for_a_model_that_there_is_not_is_not_uploaded(tmp_path: Path) -> None:
    class Api:
        def get(self, path: str) -> dict[str, Any]:
            assert path == "models/chrun/batches"
            raise ApiError(404, {"title": "Unknown model", "detail": "There is no model 'chrun'."})

    file = tmp_path / "june.csv"
    file.write_text("a\n1\n")
    found = CliRunner().invoke(batch_command, ["chrun", str(file)], obj=Given(Api()))  # a target it has none
    assert (found.exit_code, "There is no model 'chrun'." in found.output) == (1, True)


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
