"""What may be said of a prediction afterwards, and whether something that was said is taken. Pure.

A piece of feedback is a label (what turned out to be true) or a reward (how good the outcome was), under the inference
id of the prediction. The id is authenticated and says model, version, lane and time; nothing is looked up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluicegate.domain.inference_id import InferenceId, InvalidInferenceId, verify
from sluicegate.domain.numbers import finite
from sluicegate.domain.schema import SUPERVISED

#: pieces in one request
MOST = 100
#: a clock may be behind the one that issued the id by so much, seconds
SKEW_SECONDS = 60
_DEFAULT_WINDOW = 7 * 86400
_SHOWN = 60
_CLASSES_SHOWN = 20
#: a label longer than this is no class; it isn't shown back or kept either
_LONGEST_LABEL = 1_000


@dataclass(frozen=True)
class Rules:
    """What a model takes. ``classes`` of all versions that serve; ``positive`` of a binary problem."""

    window_seconds: int = _DEFAULT_WINDOW
    rewards: tuple[float, float] | None = None
    kind: str | None = None  # of the problem
    classes: tuple[str, ...] = ()
    positive: str | None = None

    @classmethod
    def of_routing(cls, document: Mapping[str, Any]) -> Rules:
        """From ``routing/<model>.json``; keys that it doesn't have yet mean the defaults."""
        said = document.get("feedback") or {}
        lanes = [*document.get("lanes", ()), *document.get("coming", ())]
        problems = [lane["problem"] for lane in lanes]
        first = problems[0] if problems else {}
        rewards = (float(said["minimum"]), float(said["maximum"])) if said.get("kind") == "reward" else None
        return cls(
            window_seconds=int(said.get("window_seconds", _DEFAULT_WINDOW)),
            rewards=rewards,
            kind=first.get("kind"),
            classes=tuple(dict.fromkeys(name for problem in problems for name in problem.get("classes", ()))),
            positive=first.get("positive"),
        )


class Refused(Exception):
    """``reason`` in a word: malformed, forged, other_model, early, late, wrong_kind, unknown_label, out_of_range or
    doubled. ``status`` is HTTP's."""

    def __init__(self, reason: str, message: str, field: str = "inference_id", status: int = 400) -> None:
        super().__init__(message)
        self.reason, self.message, self.field, self.status = reason, message, field, status


@dataclass(frozen=True)
class Accepted:
    """``value``: a class, or a number. ``outcome`` is what it adds to the sums of experiments; None: nothing."""

    inference_id: str
    read: InferenceId
    kind: str  # label | reward
    value: str | float
    outcome: float | None = field(default=None)

    @property
    def once(self) -> str:
        """One label and one reward of a prediction count, each once."""
        return f"{self.kind}:{self.inference_id}"

    @property
    def said(self) -> str:
        return json.dumps(self.value)


def judged(item: object, rules: Rules, model: str, key: bytes, now_ms: int) -> Accepted:
    """``item`` is {"inference_id", "label" | "reward"} as it came. Raises `Refused`."""
    if not isinstance(item, Mapping):
        raise Refused("malformed", 'feedback is an object {"inference_id", "label" or "reward"}', "")
    unknown = sorted(set(map(str, item)) - {"inference_id", "label", "reward"})
    if unknown:
        raise Refused("malformed", f"unknown key {unknown[0][:_SHOWN]!r}; accepted are inference_id, label, reward", "")
    token = item.get("inference_id")
    if not isinstance(token, str):
        raise Refused("malformed", "inference_id is missing: it is the text that came with the prediction")
    if ("label" in item) == ("reward" in item):
        raise Refused("malformed", "accepted is either label or reward", "label")
    try:
        read = verify(token, key)
    except InvalidInferenceId as error:
        raise Refused("forged", str(error)) from error
    if not read.is_of(model):
        raise Refused("other_model", f"this inference id belongs to another model than {model}")
    age = (now_ms - read.time_ms) / 1000
    if age < -SKEW_SECONDS:
        raise Refused("early", "this inference id is of a time that hasn't come")
    if age > rules.window_seconds:
        raise Refused(
            "late",
            f"the prediction is {_span(age)} old; feedback is taken for {_span(rules.window_seconds)}",
            status=410,
        )
    if "reward" in item:
        reward = _reward(item["reward"], rules)
        return Accepted(token, read, "reward", reward, reward)
    label = _label(item["label"], rules)
    # where rewards are the outcome, labels are for learning only; units must not mix
    hit = rules.rewards is None and rules.kind == "binary"
    return Accepted(token, read, "label", label, float(label == rules.positive) if hit else None)


def _reward(value: object, rules: Rules) -> float:
    if rules.rewards is None:
        raise Refused(
            "wrong_kind", "this model takes labels; feedback.reward in model.yaml makes it take rewards", "reward"
        )
    low, high = rules.rewards
    number = finite(value)
    if number is None:
        raise Refused(
            "out_of_range", f"reward must be a number from {low:g} to {high:g}, not {_shown(value)}", "reward"
        )
    if not low <= number <= high:
        raise Refused("out_of_range", f"reward must be from {low:g} to {high:g}, not {number:g}", "reward")
    return number


def _label(value: object, rules: Rules) -> str | float:
    if rules.classes:
        name = _class_name(value, rules.classes)
        if name is None:
            raise Refused("unknown_label", f"label must be {_listed(rules.classes)}, not {_shown(value)}", "label")
        return name
    if rules.kind not in SUPERVISED:
        raise Refused("wrong_kind", f"a {rules.kind or 'model without a version'} has no labels", "label")
    number = finite(value)
    if number is None:
        raise Refused("out_of_range", f"label must be a finite number, not {_shown(value)}", "label")
    return number


def _class_name(value: object, classes: Sequence[str]) -> str | None:
    """A class as the model names it: of {"label": 1}, "1" or, if that is none, "1.0". None when it is no class."""
    if isinstance(value, str):
        names = [value]
    elif isinstance(value, bool):
        names = [json.dumps(value), str(value)]
    elif isinstance(value, (int, float)) and (number := finite(value)) is not None:
        names = [json.dumps(value), f"{number:.0f}" if number.is_integer() else "", json.dumps(number)]
    else:
        names = []
    return next((name for name in names if name in classes), None)


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) > _LONGEST_LABEL:
        return f"a text of {len(value):,} characters"
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _listed(classes: Sequence[str]) -> str:
    shown = ", ".join(name[:_SHOWN] for name in classes[:_CLASSES_SHOWN])
    more = len(classes) - _CLASSES_SHOWN
    return f"one of {shown}" + (f" and {more:,} more" if more > 0 else "")


def _span(seconds: float) -> str:
    """
    >>> _span(7 * 86400), _span(5400), _span(90)
    ('7 days', '1.5 hours', '90 seconds')
    """
    for size, name in ((86400, "days"), (3600, "hours")):
        if seconds >= size:
            return f"{round(seconds / size, 1):g} {name}"
    return f"{seconds:.0f} seconds"
