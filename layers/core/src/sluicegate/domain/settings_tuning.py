"""The parts ``algorithm.tuning`` and ``budget`` of model.yaml, and what can be wrong with them across keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from sluicegate.domain import algorithms, printed_metrics, tunables, tuning
from sluicegate.domain.settings_script import FREE
from sluicegate.domain.tunables import Objective, Tunable

if TYPE_CHECKING:
    from sluicegate.domain.settings import ModelSettings

_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_SPAN = {
    "type": "object",
    "properties": {
        "min": {"type": "number"},
        "max": {"type": "number"},
        "scaling": {"enum": list(tuning.SCALINGS), "default": "Auto"},
    },
    "required": ["min", "max"],
    "additionalProperties": False,
}
_CHOICES = {
    "type": "object",
    "properties": {"values": {"type": "array", "minItems": 1, "maxItems": tuning.MOST_VALUES}},
    "required": ["values"],
    "additionalProperties": False,
}
Range = Annotated[
    dict[str, Any], BeforeValidator(tuning.read_range), WithJsonSchema({"anyOf": [_NUMBERS, _SPAN, _CHOICES]})
]


#: SageMaker's bound for one tuning job
_MOST_RANGES = 30


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(_Part):
    """What a script or an image of the user's prints, and which way is better."""

    name: Annotated[str, AfterValidator(printed_metrics.name)] = Field(
        description="As it is shown, such as validation:auc."
    )
    regex: Annotated[str, AfterValidator(printed_metrics.expression)] = Field(
        description="Finds the number in a line of the log: one group, such as auc=([0-9.]+)."
    )
    goal: Literal["maximize", "minimize"]

    @property
    def objective(self) -> Objective:
        return Objective(self.name, "Maximize" if self.goal == "maximize" else "Minimize", self.regex)


class Tuning(_Part):
    """A search for better hyperparameters, instead of one training job."""

    objective: str | None = Field(
        default=None, min_length=1, max_length=255, description="What is tuned for; by default the metric that decides."
    )
    metric: Metric | None = Field(default=None, description="script, image: what is tuned for, as they print it.")
    strategy: Literal["Bayesian", "Random", "Grid", "Hyperband"] = "Bayesian"
    max_jobs: int = Field(default=12, ge=1, le=tuning.MOST_JOBS, description="Training jobs in all.")
    parallel: int = Field(default=2, ge=1, le=20, description="Training jobs at a time.")
    ranges: dict[Annotated[str, Field(min_length=1, max_length=256)], Range] = Field(
        default={}, description="What is searched, by hyperparameter; by default what does well for the algorithm."
    )
    early_stopping: bool = Field(default=False, description="Stop a job that falls behind the median of the others.")
    warm_start: bool = Field(default=False, description="Begin with what the last run's tuning found.")


class Budget(_Part):
    """What a run may cost."""

    per_run_usd: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="US dollars; a run that is estimated above is refused."
    )


def tunable_of(settings: ModelSettings) -> Tunable | None:
    """What can be tuned of the algorithm that ``settings`` name; None: nothing, or too little is said of it."""
    algorithm = settings.algorithm
    if algorithm.name not in FREE:
        return tunables.of(algorithm.name)
    if algorithm.tuning is None or algorithm.tuning.metric is None or not algorithm.tuning.ranges:
        return None
    return tunables.own(algorithm.tuning.metric.objective, algorithm.tuning.ranges, algorithm.hyperparameters)


def ranges_of(settings: ModelSettings) -> Mapping[str, Mapping[str, Any]]:
    """What is searched: model.yaml's ranges, else the algorithm's own but for what model.yaml sets."""
    asked, tunable = settings.algorithm.tuning, tunable_of(settings)
    if asked is None or tunable is None:
        return {}
    if asked.ranges:
        return asked.ranges
    fixed = {tunable.aliases.get(name, name) for name in settings.algorithm.hyperparameters}
    return {name: range_ for name, range_ in tunable.ranges.items() if name not in fixed}


def jobs_of(settings: ModelSettings) -> int:
    """How many training jobs a run makes."""
    asked = settings.algorithm.tuning
    if asked is None:
        return 1
    return tuning.combinations(ranges_of(settings)) if asked.strategy == "Grid" else asked.max_jobs


def mistakes(settings: ModelSettings) -> Iterator[str]:
    """One line for each thing that is wrong with ``algorithm.tuning``, with its path."""
    asked, name = settings.algorithm.tuning, settings.algorithm.name
    if asked is None:
        return
    path, tunable = "algorithm.tuning", tunable_of(settings)
    yield from _metric_lines(asked, name, path)
    if name == "script" and settings.algorithm.framework == "xgboost":
        # https://github.com/aws/sagemaker-python-sdk/issues/2226
        yield (
            "algorithm.framework: given 'xgboost', for whose container SageMaker tunes only the built-in's "
            "hyperparameters and metrics; accepted with algorithm.tuning is sklearn (with xgboost in requirements.txt) "
            "or pytorch"
        )
    if tunable is None:
        if name not in FREE:
            reason = tunables.REASONS[name]
            yield f"{path}: {name} can't be tuned: {reason}; accepted is algorithm.name {', '.join(_tunable_names())}"
        return
    if asked.parallel > jobs_of(settings) > 0 and "parallel" in asked.model_fields_set:
        yield f"{path}.parallel: given {asked.parallel}; accepted is at most max_jobs ({jobs_of(settings)})"
    said = asked.objective if not tunable.own else None
    if said is not None and not tuning.known_objective(tunable, said, settings.problem):
        known = ", ".join(tuning.objective_names(tunable, settings.problem))
        yield f"{path}.objective: given {said!r}; accepted is {known}"
    yield from _range_lines(settings, tunable, f"{path}.ranges")
    yield from _strategy_lines(settings, tunable, path)


def _tunable_names() -> list[str]:
    return [name for name in algorithms.NAMES if name in FREE or tunables.of(name) is not None]


def _metric_lines(asked: Tuning, name: str, path: str) -> Iterator[str]:
    """A metric and ranges of the user's own go with what nobody else knows: scripts and images."""
    if name not in FREE:
        if asked.metric is not None:
            yield f"{path}.metric: only with algorithm.name {' or '.join(FREE)}; say what is tuned for with objective"
        return
    what = "the script" if name == "script" else "the image"
    if asked.objective is not None:
        yield f"{path}.objective: {name} is tuned for what metric says; remove it"
    if asked.metric is None:
        yield (
            f"{path}.metric: missing; say what {what} prints, such as "
            '{name: "validation:auc", regex: "auc=([0-9.]+)", goal: maximize}'
        )
    if not asked.ranges:
        yield f"{path}.ranges: missing; name the hyperparameters of {what} that are searched, such as {{depth: [2, 8]}}"
    elif len(asked.ranges) > _MOST_RANGES:
        yield f"{path}.ranges: given {len(asked.ranges)}; accepted are at most {_MOST_RANGES}"


def _range_lines(settings: ModelSettings, tunable: Tunable, path: str) -> Iterator[str]:
    asked = settings.algorithm.tuning
    ranges: Mapping[str, Mapping[str, Any]] = asked.ranges if asked is not None else {}
    if not ranges_of(settings):
        yield f"{path}: nothing is left to tune: algorithm.hyperparameters sets everything that would be"
    wrong = dict(tuning.range_mistakes(tunable, ranges))
    algorithm = algorithms.of(settings)
    given = settings.algorithm.hyperparameters
    fixed = {tunable.aliases.get(name, name) for name in given}
    for name, range_ in ranges.items():
        if name not in wrong and tunable.aliases.get(name, name) in fixed:
            wrong[name] = "it has a value in algorithm.hyperparameters, too: keep one"
        for end in tuning.ends(range_) if name not in wrong else ():
            said = algorithm.mistakes({**given, name: end}).get(name)
            if said is not None:
                wrong[name] = f"{end} is not possible: {said}"
                break
    for name, text in wrong.items():
        yield f"{path}.{name}: {text}"


def _strategy_lines(settings: ModelSettings, tunable: Tunable, path: str) -> Iterator[str]:
    asked = settings.algorithm.tuning
    if asked is None:
        return
    ranges = ranges_of(settings)
    if asked.strategy == "Grid":
        if not asked.ranges or not all("values" in range_ for range_ in ranges.values()):
            yield f"{path}.ranges: strategy Grid accepts only {{values: [...]}}, at least one"
        elif (count := tuning.combinations(ranges)) > (most := asked.max_jobs):
            remedy = f"max_jobs: {count}" if count <= tuning.MOST_JOBS else "fewer values"
            yield f"{path}.max_jobs: given {most}, and the grid has {count} combinations; accepted is {remedy}"
    if asked.strategy == "Hyperband":
        if tunable.epochs is None and tunable.own:
            yield (
                f"{path}.strategy: Hyperband needs the number of rounds: say it with algorithm.hyperparameters.epochs, "
                "and print the metric after each of them"
            )
        elif tunable.epochs is None:
            yield f"{path}.strategy: Hyperband needs an algorithm that reports after every round, such as xgboost"
        elif any(tunable.aliases.get(name, name) == tunable.epochs for name in ranges):
            yield f"{path}.ranges.{tunable.epochs}: strategy Hyperband gives each job its number of rounds; remove it"
        if asked.early_stopping:
            yield f"{path}.early_stopping: strategy Hyperband stops jobs by itself; remove it"
        if asked.warm_start:
            yield f"{path}.warm_start: accepted with strategy Bayesian or Random"
    elif asked.early_stopping and tunable.epochs is None and not tunable.own:
        yield f"{path}.early_stopping: needs an algorithm that reports after every round, such as xgboost"
    if asked.strategy == "Grid" and asked.warm_start:
        yield f"{path}.warm_start: accepted with strategy Bayesian or Random"
