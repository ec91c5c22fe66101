"""Experiments over the API: what a request may say, and what it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.http.samples import proxy_event
from tests.contract.http.test_steering import ADMIN, checked
from tests.support.stage import ANN, MODEL, Stage

PATH = "/models/{model}/experiment"


@pytest.fixture
def stage() -> Stage:
    """Version 2 is live, version 1 served before it, 3 waits for approval, 4 is rejected."""
    made = Stage()
    for number in (1, 2):
        made.add()
        made.steer().approve(MODEL, number, ANN, made.world.tick())
        made.play()
    made.add()
    made.add("rejected")
    return made


def ask(stage: Stage, method: str, body: Any = None, model: str = MODEL) -> tuple[int, Any]:
    text = None if body is None else json.dumps(body)
    event = proxy_event(method, PATH, {"model": model}, body=text)
    event["requestContext"]["identity"]["apiKeyId"] = ADMIN
    return checked(stage, event, PATH)


def test_a_challenger_is_named_and_keys_of_model_yaml_win_over_it(stage: Stage) -> None:
    stage.registry.items["model", MODEL, ""]["settings"] = "experiment: {traffic: 0.3, alpha: 0.01}"
    status, body = ask(stage, "PUT", {"challenger": 1, "traffic": 0.1, "who": "ann", "why": "is it better?"})
    assert (status, body["status"], body["mode"]) == (202, "starting", "ab")
    assert body["design"]["shares"] == {"champion": 0.9, "challenger": 0.1}
    assert body["design"]["alpha"] == 0.01
    assert body["lanes"] == [{"slot": "champion", "version": 2}, {"slot": "challenger", "version": 1}]
    assert body["asked"] == {"who": f"ann (admin key {ADMIN})", "why": "is it better?"}
    assert ("bell", MODEL) in [(kind, about) for kind, _, about in stage.world.events]


def test_another_mode_takes_the_keys_of_the_first_away(stage: Stage) -> None:
    stage.registry.items["model", MODEL, ""]["settings"] = "experiment: {traffic: 0.3, horizon: 5000}"
    status, body = ask(stage, "PUT", {"challengers": [1, 3], "mode": "bandit", "bandit": {"floor": 0.1}})
    assert (status, body["mode"]) == (202, "bandit")
    assert body["design"]["bandit"]["floor"] == 0.1
    assert stage.status(3) == "approved", "who starts an experiment with a version that waits has approved it"


def test_the_same_request_again_is_the_same_experiment_and_another_is_a_conflict(stage: Stage) -> None:
    first = ask(stage, "PUT", {"challenger": 1})[1]
    stage.world.tick()
    assert ask(stage, "PUT", {"challenger": 1}) == (202, first)
    status, body = ask(stage, "PUT", {"challenger": 3})
    assert (status, body["title"]) == (409, "An experiment is under way")
    assert f"sluice experiment stop {MODEL}" in body["detail"]


def test_a_person_stops_it(stage: Stage) -> None:
    ask(stage, "PUT", {"challenger": 1})
    status, body = ask(stage, "DELETE", {"why": "the wrong one"})
    assert (status, body["status"], body["decision"]["reason"]) == (202, "deciding", "the wrong one")
    assert ask(stage, "DELETE", {"why": "again"}) == (status, body), "what is asked for twice is done once"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "challenger: accepted is a version's number"),
        ({"challenger": 1, "challengers": [1]}, 400, "challenger: accepted"),
        ({"challenger": "1"}, 400, 'challenger: given "1"'),
        ({"challenger": True}, 400, "challenger: given true"),
        ({"challengers": []}, 400, "challengers: given []"),
        ({"challengers": [1, 1]}, 409, "each once"),
        ({"challenger": 1, "mode": "abc"}, 400, 'mode: given "abc"; accepted is ab, bandit, shadow'),
        ({"challenger": 1, "trafic": 0.5}, 400, "experiment.trafic: unknown key (did you mean traffic?)"),
        ({"challenger": 1, "traffic": 2}, 400, "experiment.traffic: given 2; accepted is"),
        ({"challenger": 2}, 409, "Version 2 is the champion."),
        ({"challenger": 9}, 409, "has no version 9"),
        ({"challenger": 4}, 409, "Version 4 is rejected: worse than the champion"),
    ],
)
def test_what_cannot_begin_is_said_precisely(stage: Stage, body: Any, status: int, words: str) -> None:
    found = ask(stage, "PUT", body)
    assert (found[0], words in found[1]["detail"]) == (status, True), found[1]
    assert stage.registry.experiments(MODEL) == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"decision": "maybe"}, 400, "accepted is promote, keep, stop"),
        ({"decision": "promote", "slot": 1}, 400, "slot: given 1"),
        ({"decision": "promote", "winner": 1}, 400, "'winner'; accepted are why, who, decision, slot"),
        ({"decision": "promote"}, 409, "not up yet"),
    ],
)
def test_what_cannot_be_decided_is_said_precisely(stage: Stage, body: Any, status: int, words: str) -> None:
    ask(stage, "PUT", {"challenger": 1})
    found = ask(stage, "POST", body)
    assert (found[0], words in found[1]["detail"]) == (status, True), found[1]


def test_without_an_experiment_there_is_nothing_to_decide(stage: Stage) -> None:
    assert ask(stage, "POST", {"decision": "keep"})[0] == 409
    assert ask(stage, "POST", {"decision": "keep"}, model="other")[0] == 404


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    made = Stage()
    made.add()
    status, body = ask(made, "PUT", {"challenger": 1})
    assert (status, body["title"]) == (409, "No champion")
