"""The routes that start, stop and decide experiments (``http.steering`` answers them)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sluicegate.domain.experiment_items import ExperimentItem
from sluicegate.domain.items import stamp
from sluicegate.http.answers import Json, Problem
from sluicegate.http.steering import Call, Route
from sluicegate.services.catalog import shaped
from sluicegate.services.contests import WORDS, Contests
from sluicegate.services.experiment_terms import CannotStart, Wanted

PATH = "/models/{model}/experiment"
_MODES = ("ab", "bandit", "shadow")
_LARGEST_VERSION = 999_999


def experiment_routes(contests: Contests) -> dict[tuple[str, str], Route]:
    return {
        ("PUT", PATH): Route(lambda call: _told(lambda: contests.start(call.model, _wanted(call), call.now)), None),
        ("POST", PATH): Route(lambda call: _told(lambda: _decided(contests, call)), frozenset({"decision", "slot"})),
        ("DELETE", PATH): Route(
            lambda call: _told(lambda: contests.decide(call.model, "stop", None, call.by.who, call.by.why, call.now))
        ),
    }


def _told(act: Callable[[], ExperimentItem]) -> tuple[int, Json]:
    try:
        return 202, shaped("experiment", act())
    except CannotStart as error:
        raise Problem(409, f"{error.detail} {error.remedy}".strip(), title=error.title) from error


def _decided(contests: Contests, call: Call) -> ExperimentItem:
    word, slot = call.body.get("decision"), call.body.get("slot")
    if word not in WORDS:
        raise Problem(400, f"decision: given {_short(word)}; accepted is {', '.join(WORDS)}.")
    if slot is not None and not isinstance(slot, str):
        raise Problem(400, f"slot: given {_short(slot)}; accepted is a challenger's slot such as challenger.")
    return contests.decide(call.model, word, slot, call.by.who, call.by.why, call.now)


def _wanted(call: Call) -> Wanted:
    """The request's ``challenger`` or ``challengers``, ``mode``, and keys of model.yaml's part ``experiment``."""
    given = dict(call.body)
    mode = given.pop("mode", None)
    if mode is not None and mode not in _MODES:
        raise Problem(400, f"mode: given {_short(mode)}; accepted is {', '.join(_MODES)}.")
    # what asks is the request: who sends the same again while it runs is told of the experiment that runs
    cause = ("asked", stamp(call.now), call.by.who, json.dumps(call.body, sort_keys=True))
    return Wanted(_challengers(given), cause, call.by.who, call.by.why, mode, given)


def _challengers(given: dict[str, Any]) -> tuple[int, ...]:
    """Taken out of ``given``."""
    one, several = given.pop("challenger", None), given.pop("challengers", None)
    if (one is None) == (several is None):
        raise Problem(400, "challenger: accepted is a version's number, or challengers with a list of them.")
    listed = several if several is not None else [one]
    if not isinstance(listed, list) or not listed or not all(_is_version(number) for number in listed):
        raise Problem(
            400,
            f"challenger{'s' if several is not None else ''}: given {_short(several if one is None else one)}; "
            "accepted are versions' numbers such as 3.",
        )
    return tuple(listed)


def _is_version(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= _LARGEST_VERSION


def _short(value: object) -> str:
    return json.dumps(value, default=str)[:80]
