"""``sluice sleep``, ``wake``, and a prediction that waits for an endpoint, over an API that answers as the real one."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from sluice.commands.models import predict_command
from sluice.commands.sleep import endpoint_text, saved_text, sleep_command, wake_command
from sluice.errors import CliError
from tests.support.cli import Given

ASLEEP = {"state": "asleep", "since": "2026-01-02T03:04:05.000Z", "by": "idle_shutdown", "why": "nobody called."}
SAVED = {"usd": 12.5, "seconds": 360_000, "times": 3, "since": "2026-01-02T03:04:05.000Z"}


class Api:
    """The endpoint's state is the next of ``states``, each time that the model is asked for."""

    def __init__(self, *states: str, error: str | None = None) -> None:
        self.states, self.error = list(states), error
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.predictions = 0

    def get(self, path: str) -> dict[str, Any]:
        assert path == "models/churn"
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        sleep = {**ASLEEP, "version": 2, "usd_per_hour": 0.23, "error": self.error} if state != "serving" else None
        return {
            "model": "churn",
            "endpoint": "sluicegate-churn",
            "endpoint_state": state,
            "live_version": 2,
            "sleep": sleep,
            "saved": SAVED,
            "schema": {"columns": []},
        }

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted.append((path, body))
        return {"done": True, "message": "It is on its way."}

    def predict(self, model: str, *_asked: object) -> dict[str, Any]:
        self.predictions += 1
        if self.predictions == 1 and self.states[0] != "serving":
            return {"model": model, "state": "waking", "retry_after": 15}
        by = "function" if self.states[0] == "asleep" else "endpoint"
        return {"version": 2, "served_by": by, "predictions": [{"prediction": "yes", "inference_id": "i"}]}


def run(api: Api, command: click.Command, *arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments), obj=Given(api), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.commands.sleep.time.sleep", lambda _: None)


def test_sleep_says_what_it_is_worth() -> None:
    api = Api("serving", "asleep")
    said = run(api, sleep_command, "churn", "--why", "a quiet week")
    assert api.posted == [("models/churn/sleep", {"why": "a quiet week"})]
    assert "version 2 serves when it wakes. That saves $0.23 an hour." in said


def test_wake_waits_and_says_what_was_saved() -> None:
    api = Api("waking", "waking", "serving")
    said = run(api, wake_command, "churn")
    assert api.posted == [("models/churn/wake", {})]
    assert "serves version 2. Asleep 3 times since 2026-01-02, 100.0 h in all: $12.50 saved." in said


def test_an_endpoint_that_can_not_be_woken_ends_the_wait_with_the_reason() -> None:
    with pytest.raises(CliError, match="could not be woken: no capacity"):
        run(Api("waking", "asleep", error="no capacity"), wake_command, "churn")


def test_the_wait_has_an_end() -> None:
    with pytest.raises(CliError, match="still waking after 0 s"):
        run(Api("waking"), wake_command, "churn", "--timeout", "0")
    assert "on its way" in run(Api("waking"), wake_command, "churn", "--no-wait")


def test_predict_waits_for_the_endpoint_and_shows_it() -> None:
    api = Api("waking", "waking", "serving")
    said = run(api, predict_command, "churn", "age=1")
    assert api.predictions == 2
    assert said.count("was asleep and wakes") == 1
    assert "yes" in said
    api = Api("waking", "waking", "serving")
    assert run(api, predict_command, "churn", "age=1", "--json").lstrip().startswith("{"), "nothing but JSON"


def test_predict_says_that_the_function_answered() -> None:
    api = Api("asleep")
    api.predictions = 1
    assert "the function answered by itself" in run(api, predict_command, "churn", "age=1")


def test_what_a_models_page_says() -> None:
    detail = Api("asleep", error="no capacity").get("models/churn")
    said = endpoint_text(detail) or ""
    assert said.startswith("sluicegate-churn (asleep since 2026-01-02T03:04:05.000Z: nobody called.)")
    assert said.endswith("could not be woken: no capacity")
    assert endpoint_text(Api("serving").get("models/churn")) == "sluicegate-churn"
    assert saved_text({"saved": None}) == ""
