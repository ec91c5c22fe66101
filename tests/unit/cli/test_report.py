"""``sluice report`` over an API that answers as the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sluice.commands.reports import report_command
from sluice.errors import CliError
from tests.support.cli import Given
from tests.support.sample_report import report


class Api:
    def __init__(self, runs: list[dict[str, Any]]) -> None:
        self.runs = runs
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if path.startswith("models/churn/runs?"):
            return {"runs": self.runs}
        if path == "models/churn/versions/2":
            return {"run": "1f2e3d4c"}
        if path.endswith("as=link"):
            return {"url": "https://bucket.example/report.html", "expires_in": 300}
        return report()

    def text(self, path: str, accept: str) -> str:
        self.asked.append(path)
        return json.dumps(report()) if accept == "application/json" else "<!doctype html>"


def called(api: Api, *arguments: str) -> Result:
    found = CliRunner().invoke(report_command, arguments, obj=Given(api), standalone_mode=False)
    if found.exception is not None:
        raise found.exception
    return found


def test_the_newest_run_that_was_measured() -> None:
    api = Api([{"run": "77aa88bb", "report": None}, {"run": "1f2e3d4c", "report": "evaluations/x"}])
    shown = called(api, "churn").output
    assert api.asked[-1] == "models/churn/runs/1f2e3d4c/report"
    made = report()
    assert made["verdict"]["reason"] in shown
    assert "without features: auc 0.5" in shown
    assert "auc is worse without: age 0.2, plan -0.001" in shown
    assert "gain: age 75 %, plan 25 %" in shown
    assert made["data"]["findings"][0]["text"] in shown


def test_none_was_measured_yet() -> None:
    with pytest.raises(CliError, match="no run that was measured"):
        called(Api([{"run": "77aa88bb", "report": None}]), "churn")


def test_a_run_and_a_version_are_two_answers() -> None:
    with pytest.raises(CliError, match="can't both"):
        called(Api([]), "churn", "1f2e3d4c", "--version", "2")


@pytest.mark.parametrize(("name", "begins"), [("r.html", "<!doctype html>"), ("r.json", "{")])
def test_a_file(tmp_path: Path, name: str, begins: str) -> None:
    api = Api([])
    called(api, "churn", "--version", "2", "-o", str(tmp_path / name))
    assert (tmp_path / name).read_text().startswith(begins)
    assert api.asked == ["models/churn/versions/2", "models/churn/runs/1f2e3d4c/report"]


def test_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("click.launch", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert "https://bucket.example/report.html" in called(Api([]), "churn", "1f2e3d4c", "--open").output
    assert opened == []  # no screen: the address is all there is to show
    monkeypatch.setenv("DISPLAY", ":0")
    called(Api([]), "churn", "1f2e3d4c", "--open")
    assert opened == ["https://bucket.example/report.html"]


def test_all_numbers() -> None:
    assert json.loads(called(Api([]), "churn", "1f2e3d4c", "--json").output)["run"] == "1f2e3d4c"
