"""Hyperparameter tuning: ranges, objectives and trials. What each algorithm has of them: ``tunables``."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sluicegate.domain.tunables import Objective, Tunable

SCALINGS = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")
#: every trial stands on the run's item, and an item holds 400 KB
MOST_JOBS = 100
#: SageMaker's own bounds for the values of a categorical range
MOST_VALUES, LONGEST_VALUE = 30, 256


def read_range(given: Any) -> dict[str, Any]:
    """A range of model.yaml as ``{"min", "max", "scaling"}`` or ``{"values"}``; ``ValueError`` says what is accepted.

    >>> read_range([0.01, 0.3])
    {'min': 0.01, 'max': 0.3, 'scaling': 'Auto'}
    """
    if isinstance(given, list) and len(given) == 2:
        given = {"min": given[0], "max": given[1]}
    if isinstance(given, dict) and set(given) == {"values"}:
        return {"values": _values(given["values"])}
    if not isinstance(given, dict) or not {"min", "max"} <= set(given) <= {"min", "max", "scaling"}:
        raise ValueError("accepted is [low, high], {min, max, scaling} or {values: [...]}")
    low, high, scaling = given["min"], given["max"], given.get("scaling", "Auto")
    if not _is_number(low) or not _is_number(high) or low > high:
        raise ValueError("accepted are two numbers, the smaller first")
    if scaling not in SCALINGS:
        raise ValueError(f"scaling accepts {', '.join(SCALINGS)}")
    if scaling == "Logarithmic" and low <= 0:
        raise ValueError("Logarithmic scaling accepts numbers above 0")
    if scaling == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise ValueError("ReverseLogarithmic scaling accepts numbers from 0 to below 1")
    return {"min": low, "max": high, "scaling": scaling}


def _values(given: Any) -> list[Any]:
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_VALUES:
        raise ValueError(f"values accepts a list of 1 to {MOST_VALUES}")
    texts = [str(value) for value in given]
    if any(isinstance(value, (list, dict)) or value is None for value in given) or len(set(texts)) != len(texts):
        raise ValueError("values accepts different texts or numbers")
    if any(len(text) > LONGEST_VALUE for text in texts):
        raise ValueError(f"values accepts texts of at most {LONGEST_VALUE} characters")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def ends(range_: Mapping[str, Any]) -> list[Any]:
    """The values of a range that have to be possible for all to be."""
    return list(range_["values"]) if "values" in range_ else [range_["min"], range_["max"]]


def combinations(ranges: Mapping[str, Mapping[str, Any]]) -> int:
    """How many jobs a grid has; 0 when a range lists no values."""
    return math.prod(len(range_.get("values", ())) for range_ in ranges.values())


def objective(tunable: Tunable, kind: str, metric: str, said: str | None) -> Objective | None:
    """What is tuned for: ``said`` in model.yaml (``auc`` or ``validation:auc``), else what stands for the metric that
    decides, else the first that the algorithm has. None when it has no such objective for that kind of problem."""
    known = tunable.objectives.get(kind, {})
    if said is None:
        return known.get(metric) or next(iter(known.values()), None)
    return next((each for name, each in known.items() if said in (name, each.metric)), None)


def along(tunable: Tunable, searched: Collection[str], objective_: Objective) -> dict[str, str]:
    """Static hyperparameters that a search for ``objective_`` sets where nobody else does."""
    found = {name: value for each in searched for name, value in tunable.along.get(each, {}).items()}
    if tunable.printed_by is not None:
        found[tunable.printed_by] = objective_.metric.partition(":")[2]
    return found


def objective_names(tunable: Tunable, kind: str | None) -> list[str]:
    """Of every objective (of one kind of problem) our name, for messages and checks."""
    kinds = [kind] if kind is not None else list(tunable.objectives)
    return sorted({name for each in kinds for name in tunable.objectives.get(each, {})})


def known_objective(tunable: Tunable, said: str, kind: str | None) -> bool:
    kinds = [kind] if kind is not None else list(tunable.objectives)
    return any(objective(tunable, each, "", said) is not None for each in kinds)


def range_mistakes(tunable: Tunable, ranges: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What is wrong with ranges, by name, beyond what ``read_range`` saw. Their ends are checked with the algorithm."""
    seen: dict[str, str] = {}
    for name, range_ in ranges.items():
        known = tunable.aliases.get(name, name)
        kind = tunable.kinds.get(known)
        if known in seen:
            yield name, f"the same as {seen[known]}, which has a range too: keep one"
        elif kind is None:
            yield name, f"can't be tuned; accepted are {', '.join(sorted(tunable.kinds))}"
        elif kind == "categorical" and "values" not in range_:
            yield name, "accepted is {values: [...]}"
        elif kind == "integer" and not all(float(end).is_integer() for end in ends(range_) if _is_number(end)):
            yield name, "accepted are whole numbers"
        elif kind == "integer" and range_.get("scaling") == "ReverseLogarithmic":
            yield name, "ReverseLogarithmic scaling accepts no whole numbers"
        seen.setdefault(known, name)


def parameter_ranges(tunable: Tunable, ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """SageMaker's ``ParameterRanges``: numbers as text."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, range_ in ranges.items():
        known = tunable.aliases.get(name, name)
        if "values" in range_:
            values = [_text(value) for value in range_["values"]]
            found.setdefault("CategoricalParameterRanges", []).append({"Name": known, "Values": values})
            continue
        whole = tunable.kinds[known] == "integer"
        low, high = (_text(int(range_[end]) if whole else float(range_[end])) for end in ("min", "max"))
        entry = {"Name": known, "MinValue": low, "MaxValue": high, "ScalingType": range_["scaling"]}
        found.setdefault("IntegerParameterRanges" if whole else "ContinuousParameterRanges", []).append(entry)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def best(objective_: Objective, trials: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The best of the trials that completed; the first of equals."""
    found: Mapping[str, Any] | None = None
    for trial in trials:
        value = trial.get("value")
        if trial.get("status") != "Completed" or value is None:
            continue
        if found is None or objective_.better(value, found["value"]):
            found = trial
    return found
