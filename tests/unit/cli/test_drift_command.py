"""``sluice drift`` over an API that answers as the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sluice.commands.drift import drift_command
from tests.support.cli import Given
from tests.support.sample_drift import drift_report


class Api:
    def __init__(self, report: dict[str, Any]) -> None:
        self.report = report

    def get(self, path: str) -> dict[str, Any]:
        assert path.startswith("models/churn/drift")
        return {"url": "https://bucket.example/d", "expires_in": 300} if path.endswith("as=link") else self.report


def called(report: dict[str, Any], *arguments: str) -> Result:
    return CliRunner().invoke(drift_command, ["churn", *arguments], obj=Given(Api(report)))


def test_what_moved_is_told_and_is_the_exit_status() -> None:
    found = called(drift_report())
    assert found.exit_code == 1
    assert "has drifted" in found.output
    table = [
        line.split("\t") for line in found.output.splitlines() if line.startswith(("age\t", "plan\t", "predictions\t"))
    ]
    assert {row[0]: row[-1] for row in table} == {"age": "yes", "plan": "yes", "predictions": ""}
    assert "https://bucket.example/d" in found.output
    assert "ageage not compared: 0 rows; 500 are needed" in found.output


def test_few_rows_are_no_drift() -> None:
    report = drift_report(rows=50) | {"quality": None, "drifted": False, "reasons": []}
    found = called(report)
    assert (found.exit_code, "nothing could be compared" in found.output) == (0, True)
    assert "predictions not compared: 50 predictions; 500 are needed" in found.output


def test_many_columns_are_cut_unless_all_are_asked_for() -> None:
    report = drift_report()
    report["columns"] = [{**report["columns"][0], "name": f"c{number}"} for number in range(40)]
    assert "… and 21 that moved less: --all" in called(report).output
    assert "c39" in called(report, "--all").output


@pytest.mark.parametrize("drifted", [True, False])
def test_for_programs(drifted: bool) -> None:
    report = drift_report() | {"drifted": drifted}
    found = called(report, "--json")
    assert json.loads(found.output) == json.loads(json.dumps(report))
    assert found.exit_code == int(drifted)
