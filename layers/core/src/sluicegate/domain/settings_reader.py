"""From the text of ``model.yaml`` to settings, or to one error that lists every mistake."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from sluicegate.domain import algorithms, settings_script, settings_tuning
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.schema import ProblemKind
from sluicegate.domain.settings import METRICS, NOT_YET, ModelSettings
from sluicegate.domain.settings_experiment import Experiment
from sluicegate.domain.yaml_text import YamlError, load

_KINDS = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "finite_number": "a finite number",
}
_REMEDY = "Correct model.yaml and upload it again; until then nothing starts."
_SHOWN = 80


def parse_settings(text: str) -> ModelSettings:
    """The settings that ``text`` (YAML) says. Raises ``SettingsError``; its detail has a line for every mistake."""
    try:
        document = load(text)
    except YamlError as error:
        raise SettingsError("model.yaml can't be read", str(error), _REMEDY) from error
    if document is None:
        return ModelSettings()
    if not isinstance(document, dict):
        raise SettingsError("model.yaml can't be read", f"expected keys with values, got {_show(document)}", _REMEDY)
    found: list[str] = []
    settings: ModelSettings | None = None
    document = _without_null(document)
    try:
        settings = ModelSettings.model_validate(document)
    except ValidationError as error:
        found.extend(dict.fromkeys(_lines(error)))
    found.extend(_hyperparameter_lines(document))
    if settings is not None:
        found.extend(_across(settings))
        found.extend(settings_tuning.mistakes(settings))
    if found or settings is None:
        title = "model.yaml has a mistake" if len(found) == 1 else f"model.yaml has {len(found)} mistakes"
        raise SettingsError(title, "\n".join(found), _REMEDY)
    return settings


def experiment_settings(document: Mapping[str, Any]) -> Experiment:
    """The part ``experiment`` alone, as a request to start one says it. Raises ``SettingsError``; a line a mistake."""
    try:
        return ModelSettings.model_validate({"experiment": dict(document)}).experiment
    except ValidationError as error:
        lines = list(dict.fromkeys(_lines(error)))
        title = "The experiment has a mistake" if len(lines) == 1 else f"The experiment has {len(lines)} mistakes"
        raise SettingsError(title, "\n".join(lines), "Nothing was started.") from error


def _without_null(document: dict[str, Any]) -> dict[str, Any]:
    """A key without a value (``features:``) says nothing."""
    return {
        key: _without_null(value) if isinstance(value, dict) else value
        for key, value in document.items()
        if value is not None
    }


def _lines(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        location = [part for part in item["loc"] if part != "[key]"]
        path = _path(location)
        given = item["input"]
        kind = item["type"]
        context = item.get("ctx", {})
        if kind == "extra_forbidden":
            yield f"{path}: {_unknown_key(path, location)}"
            continue
        if kind == "value_error":
            yield f"{path or 'model.yaml'}: given {_show(given)}: {context['error']}"
            continue
        if kind in ("string_type", "int_type", "bool_type", "float_type", "list_type") and path.startswith(
            ("positive_class", "algorithm.hyperparameters")
        ):
            key = "positive_class" if path.startswith("positive_class") else ".".join(path.split(".")[:3])
            wanted = "text, a number or true/false"
            yield f"{key}: given {_show(given)}; accepted is {wanted}"
            continue
        yield f"{path}: given {_show(given)}; accepted is {_expected(item)}"


def _expected(item: Mapping[str, Any]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "string_pattern_mismatch":
        return "an instance type such as ml.m5.large"
    bounds = {
        "greater_than": "above {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
        "string_too_short": "text that is not empty",
        "string_too_long": "text of at most {max_length} characters",
    }
    if kind in bounds:
        return bounds[kind].format(**context)
    return str(item["msg"])


def _path(location: list[Any]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _unknown_key(path: str, location: list[Any]) -> str:
    if path in NOT_YET:
        return "not available in this version; remove it"
    accepted = _keys_at(location[:-1])
    close = difflib.get_close_matches(str(location[-1])[:100], accepted, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown key{hint}; accepted are {', '.join(accepted)}"


def _keys_at(location: list[Any]) -> list[str]:
    model: type[BaseModel] = ModelSettings
    for part in location:
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)


def _hyperparameter_lines(document: Mapping[str, Any]) -> Iterator[str]:
    algorithm = document.get("algorithm")
    given = algorithm.get("hyperparameters") if isinstance(algorithm, dict) else None
    if not isinstance(given, dict):
        return
    named = algorithm.get("name", algorithms.DEFAULT) if isinstance(algorithm, dict) else None
    # of an algorithm that is unknown nothing is known; a mistake in its name is told by itself
    known = algorithms.named(named if named in algorithms.NAMES else algorithms.DEFAULT)
    plain = {name: value for name, value in given.items() if isinstance(value, (str, int, float, list))}
    for name, problem in known.mistakes(plain).items():
        yield f"algorithm.hyperparameters.{name}: given {_show(plain[name])}; {problem}"
    kind = document.get("problem")
    if kind in known.problems:
        for name, problem in known.problem_mistakes(plain, kind).items():
            yield f"algorithm.hyperparameters.{name}: given {_show(plain[name])}; {problem}"


def _across(settings: ModelSettings) -> Iterator[str]:
    yield from settings_script.mistakes(settings.algorithm, settings.training.count)
    metric, kind = settings.evaluation.metric, settings.problem
    algorithm = algorithms.of(settings)
    if settings.training.count > 1:
        for name in algorithm.alone(settings.algorithm.hyperparameters):
            given = settings.algorithm.hyperparameters[name]
            yield f"training.count: given {settings.training.count}; accepted with {name} {given} is 1"
    if kind is not None and kind not in algorithm.problems:
        solves = [name for name in algorithms.NAMES if kind in algorithms.named(name).problems]
        yield (
            f"problem: given {kind!r}; accepted for {algorithm.name} is {', '.join(algorithm.problems)} "
            f"({kind} is what {', '.join(solves)} solve{'s' if len(solves) == 1 else ''})"
        )
        return
    kinds = [kind] if kind is not None else list(algorithm.problems)
    accepted = dict.fromkeys(name for one in kinds for name in METRICS[one])
    if metric is not None and metric not in accepted:
        what = f"a {kind} problem" if kind is not None else algorithm.name
        yield f"evaluation.metric: given {metric!r}; accepted for {what} is {', '.join(accepted)}"
    if metric is None and settings.evaluation.minimum is not None and len(kinds) > 1:
        yield "evaluation.minimum: needs evaluation.metric or problem, so that it is clear what it bounds"
    if settings.positive_class is not None and not {"binary", "anomaly"} & set(kinds):
        yield f"positive_class: only a binary problem has one, and problem is {kind or kinds[0]}"
    yield from _target(settings, algorithm)
    yield from _weights(settings, algorithm, kinds)
    yield from _spot(settings, algorithm)
    yield from _feedback(settings, algorithm)
    yield from _rollback(settings)
    if settings.retrain.by_drift and not settings.drift.watch:
        yield "drift.watch: given false; retrain.on has drift, which is found only when watched: accepted is true"


def _feedback(settings: ModelSettings, algorithm: Algorithm) -> Iterator[str]:
    if not settings.retrain.by_feedback:
        return
    if not settings.prediction_log.kept:
        key = "records" if not settings.prediction_log.records else "sample"
        yield f"prediction_log.{key}: retrain.on has feedback, which joins labels with records that are kept; keep them"
    if not algorithm.supervised:
        yield f"retrain.on: feedback are labels to learn from, and {algorithm.name} learns from no target; remove it"


def _rollback(settings: ModelSettings) -> Iterator[str]:
    """A version's predictions are read in the prediction log; where it keeps none, nothing would be compared."""
    kept = settings.prediction_log
    if "predictions" not in settings.deployment.rollback_on or kept.kept:
        return
    off, accepted = ("sample: 0", "above 0") if kept.records else ("records: false", "true")
    yield (
        f"deployment.rollback_on: given {_show(settings.deployment.rollback_on)}, and with prediction_log.{off} no "
        f"predictions are kept to compare: remove predictions, or keep them (accepted is {accepted})"
    )


def _weights(settings: ModelSettings, algorithm: Algorithm, kinds: Sequence[ProblemKind]) -> Iterator[str]:
    weights = settings.weights
    special = {settings.target: "target", settings.id_column: "id_column"}
    if settings.split.column is not None and settings.split.column == settings.target:
        yield f"split.column: given {settings.split.column!r}, which is the target; accepted is another column"
    if weights is None:
        return
    if weights.column is not None:
        if not algorithm.takes_weights:
            takes = [name for name in algorithms.NAMES if algorithms.named(name).takes_weights]
            yield f"weights.column: {algorithm.name} takes no weights; {', '.join(takes)} does"
        if weights.column in special:
            yield f"weights.column: given {weights.column!r}, which is the {special[weights.column]}; name another"
        return
    if not set(kinds) & {"binary", "multiclass"}:
        yield f"weights.classes: a {kinds[0]} problem has no classes; remove it"
    elif not algorithm.takes_weights and all(algorithm.balancing(kind) is None for kind in kinds):
        yield f"weights.classes: {algorithm.name} can't balance classes; remove it or name another algorithm"


def _target(settings: ModelSettings, algorithm: Algorithm) -> Iterator[str]:
    target = settings.target
    if not algorithm.supervised and "anomaly" not in algorithm.problems and target is not None:
        yield (
            f"target: given {target!r}; {algorithm.name} learns from no target: remove it, and name the column in "
            "features.exclude if it is an answer that a caller doesn't have"
        )
    if target is not None and target == settings.id_column:
        yield f"id_column: given {settings.id_column!r}, which is the target; accepted is another column"
    if target is not None and target in settings.features.exclude:
        yield f"features.exclude: has the target {target!r}; remove it (the target is never a feature)"


def _spot(settings: ModelSettings, algorithm: Algorithm) -> Iterator[str]:
    longest, training = algorithm.longest_spot, settings.training
    if training.spot and longest is not None and duration_seconds(training.max_runtime) > longest:
        yield (
            f"training.max_runtime: given {training.max_runtime!r}; with spot accepted is at most {longest // 60}m, "
            f"because {algorithm.name} writes no checkpoints"
        )


def _show(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
