"""Two whole lives of a model, disturbed wherever they can be: one outcome, and nothing that stands still or is left.

All disturbances take an hour; here is a fixed share of them, every act among it. All of them:
``FAULTS=all pytest tests/faults/test_life.py``.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from typing import TypeVar

import pytest

from tests.support.life import Happening, Life, Moment, broken_off, differences, interrupted, repeated, state_of, wrong
from tests.support.lives import HAPPENINGS, LIVES, shared, told

T = TypeVar("T")
ACTS = [(life, act.name) for life, acts in LIVES.items() for act in acts]
#: acts in which data are read, encoded and judged: a disturbance there costs a hundred times as much
DATA = ("first", "second", "batch", "canary", "guarded", "asleep")


def moments(life: str, act: str) -> list[Moment]:
    return [moment for moment in told(life).moments if moment.act.name == act]


def some(found: list[T], act: str, of_data: int, of_others: int) -> list[T]:
    """Every n-th, from a place that differs from act to act."""
    every = of_data if act in DATA else of_others
    return found if os.environ.get("FAULTS") == "all" else found[len(act) % every :: every]


def same(life: Life, moment: Moment, kind: str) -> None:
    found = differences(state_of(life), told(kind).ends[moment.act.name])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("life", LIVES)
def test_the_undisturbed_lives(life: str) -> None:
    last = copy.deepcopy(told(life).last)
    statuses = {item["version"]: item["status"] for item in last.registry.versions("churn")}
    ends = {"serverless": {1: "retired", 2: "retired", 3: "retired", 4: "live"}}
    assert statuses == ends.get(life, {1: "retired", 2: "live", 3: "retired"})
    experiments = {item["status"]: item["lanes_as"] for item in last.registry.experiments("churn")}
    assert (
        experiments
        == {
            "serverless": {"promoted": "endpoints"},
            "instances": {"promoted": "variants", "kept": "variants"},
        }[life]
    )
    assert wrong(last) == []
    assert sum(len(moment.effects) for moment in told(life).moments) > 200


@pytest.mark.parametrize(("life", "act"), ACTS)
def test_broken_off_after_an_effect_and_delivered_again(life: str, act: str) -> None:
    every = [(moment, effect) for moment in moments(life, act) for effect in range(1, len(moment.effects) + 1)]
    for number, (moment, effect) in enumerate(some(every, act, 20, 5)):
        same(broken_off(moment, effect, behind=bool(number % 2)), moment, life)


@pytest.mark.parametrize(("life", "act"), ACTS)
def test_delivered_three_times_and_when_all_is_over(life: str, act: str) -> None:
    for moment in some(moments(life, act), act, 8, 5):
        same(repeated(moment), moment, life)


def others(moment: Moment) -> Iterator[Happening]:
    """What changes no outcome: the same delivery at once, the one behind it, the schedules, SageMaker going on."""

    def overtakes(life: Life) -> None:
        life.collect()
        if life.pending:
            life.attempt(*life.pending.pop(0))

    yield lambda life: life.attempt(*moment.delivery)
    yield overtakes
    yield HAPPENINGS["the schedules come"]
    yield HAPPENINGS["SageMaker ends something"]


@pytest.mark.parametrize(("life", "act"), ACTS)
def test_two_deliveries_at_once(life: str, act: str) -> None:
    """The second takes place between any two calls of the first."""
    every = [
        (moment, call, other)
        for moment in moments(life, act)
        for call in range(1, moment.calls + 1)
        for other in others(moment)
    ]
    for moment, call, other in some(every, act, 299, 89):
        same(interrupted(moment, call, other), moment, life)


@pytest.mark.parametrize(("life", "act"), ACTS)
def test_whatever_happens_meanwhile_it_comes_to_rest_and_nothing_is_left(life: str, act: str) -> None:
    """People decide, delete and stop between any two calls: what comes of it may differ, but it fits together."""
    every = [
        (moment, call, name)
        for moment in moments(life, act)
        for call in range(1, moment.calls + 1)
        for name in HAPPENINGS
    ]
    for moment, call, name in some(every, act, 1999, 699):
        world = interrupted(moment, call, HAPPENINGS[name], lambda one: one.rests or shared(one))
        world.pending.append(("person", "decides", ("stop",)))  # if an experiment has come so far
        assert wrong(world) == [], f"{name} before call {call} of {moment.delivery}"
