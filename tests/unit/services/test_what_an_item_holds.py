"""DynamoDB takes 400 KB an item; what people did wrong may be much more."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from sluicegate.data.engine import connect
from sluicegate.domain.errors import UserError
from tests.support.flow import Flow

LIMIT = 100_000


def largest(flow: Flow) -> int:
    return max(len(json.dumps(item)) for item in flow.registry.items.values())


def test_a_model_yaml_of_thousands_of_mistakes() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", "".join(f"key{number}: 1\n" for number in range(4_000)).encode())
    flow.play()
    problem = flow.registry.model("churn")["settings_problem"]
    assert "4000 mistakes" in problem["title"]
    assert "more characters" in problem["detail"]
    assert largest(flow) < LIMIT


def test_a_row_that_is_wrong_in_every_one_of_many_columns() -> None:
    names = [f"measurement_number_{number}_of_a_wide_table" for number in range(200)] + ["won"]
    lines = [",".join([str(row + column) for column in range(200)] + ["yes"]) for row in range(80)]
    # the header again: two files were put together
    flow = Flow()
    flow.put("data/churn/a.csv", "\n".join([",".join(names), *lines, *[",".join(names)] * 3]).encode())
    flow.attempt(*flow.pending.pop(0))
    (upload,) = flow.registry.uploads("churn")
    assert (upload["status"], upload["accepted_rows"], upload["rejected_rows"]) == ("accepted", 80, 3)
    assert len(json.dumps(upload)) < 20_000


def test_a_note_for_each_of_many_columns() -> None:
    lines = [",".join([f'"{row + 1},000"'] * 200) for row in range(60)]
    flow = Flow()
    flow.put("data/churn/a.csv", "\n".join([",".join("" for _ in range(200)), *lines]).encode())
    flow.attempt(*flow.pending.pop(0))
    (upload,) = flow.registry.uploads("churn")
    assert upload["status"] == "accepted"
    assert any("more notes" in note for note in upload["notes"])
    assert len(json.dumps(upload)) < 20_000
    assert len(flow.storage.json(upload["report"])["notes"]) > 200


def test_what_fits_neither_memory_nor_disk_is_told_and_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="DataMemoryMb"), connect(tmp_path, 128):
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to offload data block")
