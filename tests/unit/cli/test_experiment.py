"""``sluice experiment`` over an API that answers as the real one."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from sluice import contests
from sluice.commands.experiment import experiment_command, given
from sluice.errors import CliError
from sluicegate.services.catalog import shaped
from tests.support.cli import Given
from tests.support.sample_experiment import experiments

RUNNING, STOPPED = (shaped("experiment", item) for item in experiments())


class Api:
    """``steps`` are what it answers one after the other; the last again and again."""

    def __init__(self, *steps: dict[str, Any]) -> None:
        self.steps = list(steps)
        self.asked: list[tuple[str, str, Any]] = []

    def _say(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def get(self, path: str) -> dict[str, Any]:
        return self._say("GET", path)

    def put(self, path: str, body: Any) -> dict[str, Any]:
        return self._say("PUT", path, body)

    def post(self, path: str, body: Any) -> dict[str, Any]:
        return self._say("POST", path, body)

    def delete(self, path: str, body: Any) -> dict[str, Any]:
        return self._say("DELETE", path, body)


def run(api: Api, *arguments: str) -> Result:
    return CliRunner().invoke(experiment_command, arguments, obj=Given(api), catch_exceptions=False)


def test_what_is_set_is_sent_as_model_yaml_would_have_it() -> None:
    api = Api(RUNNING)
    words = ["start", "churn", "--challenger", "1", "--mode", "bandit", "--set", "bandit.floor=0.05"]
    found = run(api, *words, "--set", "decision=manual", "--why", "is it better?")
    assert "c0ffee12 is running" in found.output
    body = {
        "challengers": [1],
        "bandit": {"floor": 0.05},
        "decision": "manual",
        "why": "is it better?",
        "mode": "bandit",
    }
    assert api.asked == [("PUT", "models/churn/experiment", body)]
    with pytest.raises(CliError, match="traffic is no KEY=VALUE"):
        given(("traffic",))


def test_it_shows_lanes_numbers_the_course_and_what_they_say() -> None:
    found = run(Api(RUNNING), "show", "churn").output.splitlines()
    head = "c0ffee12, ab, running since 2026-11-22T12:00:00.000Z, 2 looks, lanes are variants; begun by ada: was the"
    assert found[0].startswith(head)
    assert found[2].split("\t")[:5] == ["champion", "2", "80.0%", "1200", "1200"]
    challenger = found[3].split("\t")
    assert challenger[6] == "+0.03"
    assert challenger[7].startswith("-0.0")
    assert "challenger: difference to the champion, look by look" in found
    assert "Nothing is shown yet" in found[-1]


def test_a_look_back_lists_all_or_shows_one() -> None:
    api = Api({"experiments": [RUNNING, STOPPED]})
    assert "0badcafe\tbandit\tstopped\tchampion=v2 challenger=v1" in run(api, "show", "churn", "--all").output
    api = Api(STOPPED)
    assert "stop (by ada): The wrong version." in run(api, "show", "churn", "--id", "0badcafe").output
    assert api.asked[0][1] == "models/churn/experiments/0badcafe"


def test_who_watches_is_told_each_move_and_look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    ended = RUNNING | {
        "status": "kept",
        "ended_at": "2026-11-23T12:00:00.000Z",
        "decision": {"kind": "keep", "reason": "Worse.", "by": "experiment", "at": ""},
        "history": [*RUNNING["history"], {"at": "", "status": "kept", "message": "Worse."}],
    }
    api = Api(RUNNING, RUNNING, ended)
    found = run(api, "show", "churn", "--watch")
    assert found.exit_code == 0
    assert found.output.count("running: The lanes are up.") == 1
    assert found.output.count("look 2:") == 1
    assert "kept: Worse." in found.output
    assert [path for _, path, _ in api.asked[1:]] == ["models/churn/experiments/c0ffee12"] * 2


def test_a_failed_experiment_ends_the_watch_with_1() -> None:
    error = {"title": "The experiment failed", "detail": "no lanes", "remedy": "Start it again."}
    decision = {"kind": "failed", "reason": "no lanes", "by": "experiment", "at": ""}
    failed = STOPPED | {"status": "failed", "error": error, "decision": decision}
    found = run(Api(failed), "show", "churn", "--watch")
    assert (found.exit_code, "Start it again." in found.output) == (1, True)


def test_a_person_stops_and_decides() -> None:
    api = Api(STOPPED)
    assert "0badcafe is stopped" in run(api, "stop", "churn", "--why", "wrong").output
    run(api, "decide", "churn", "promote", "--slot", "challenger-2", "--who", "ada")
    assert api.asked == [
        ("DELETE", "models/churn/experiment", {"why": "wrong"}),
        ("POST", "models/churn/experiment", {"decision": "promote", "slot": "challenger-2", "who": "ada"}),
    ]


def test_the_plot_keeps_its_size_however_many_looks_there_are() -> None:
    point = {"difference": 0.01, "low": -0.02, "high": 0.04, "p": 0.2}
    course = [
        {"comparisons": {"challenger": {**point, "low": -1.0 / n, "high": 1.0 / n + 0.02}}} for n in range(1, 121)
    ]
    lines = contests.plot({"course": course})
    assert len(lines) == contests.HEIGHT
    assert max(len(line) for line in lines) <= contests.WIDTH + 9
    assert sum(line.count("o") for line in lines) == contests.WIDTH
    assert contests.plot({"course": []}) == []


def test_a_bandit_shows_how_its_traffic_moved() -> None:
    course = [
        {"lanes": {"champion": {"share": 1 - share}, "challenger": {"share": share}}, "comparisons": {}}
        for share in (0.5, 0.8, 0.99)
    ]
    lanes = [{"slot": "champion", "version": 2}, {"slot": "challenger", "version": 1}]
    assert contests.shares({"mode": "bandit", "course": course, "lanes": lanes}) == [
        "champion       ▅▂▁",
        "challenger     ▅▇█",
    ]
