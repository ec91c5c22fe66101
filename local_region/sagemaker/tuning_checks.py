"""What CreateHyperParameterTuningJob refuses beyond botocore's model, and the request in the terms of the search.

Rules: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html (ranges and scaling),
…/automatic-model-tuning-warm-start.html (parents), …/automatic-model-tuning-early-stopping.html.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from local_region.containers.common.errors import UserError
from local_region.containers.xgboost.metrics import MAXIMIZED, MINIMIZED
from local_region.ports import AwsError, Json
from local_region.sagemaker import images
from local_region.sagemaker.records import invalid, refuse, refuse_members
from local_region.sagemaker.tuning_search import Range

#: what the tuner tells a container about the metric that counts
OBJECTIVE = "_tuning_objective_metric"
#: where Hyperband finds its largest resource when the request doesn't say it
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
_MOST_RANGES = 30
_DEFINITION = (
    "AlgorithmSpecification", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "RoleArn", "StoppingCondition",
    "VpcConfig", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining",
    "CheckpointConfig", "RetryStrategy", "Environment",
)  # fmt: skip


def check(params: Json) -> None:
    """What is the same for every algorithm. ``AwsError`` names the first thing that is wrong."""
    refuse_members(params, ("TrainingJobDefinitions",), "CreateHyperParameterTuningJob (use TrainingJobDefinition)")
    refuse_members(params, ("Autotune",), "CreateHyperParameterTuningJob")
    config = params["HyperParameterTuningJobConfig"]
    definition = params.get("TrainingJobDefinition")
    if definition is None:
        raise invalid("TrainingJobDefinition is required.")
    if "HyperParameterTuningJobObjective" not in config:
        raise invalid("HyperParameterTuningJobConfig.HyperParameterTuningJobObjective is required.")
    # with one definition the objective and the ranges belong to the job
    refuse_members(
        definition,
        ("DefinitionName", "TuningObjective", "HyperParameterRanges", "HyperParameterTuningResourceConfig"),
        "TrainingJobDefinition",
    )
    _check_criteria(config)
    ranges = ranges_of(config)
    _check_names(ranges, definition.get("StaticHyperParameters") or {})
    _check_strategy(config, ranges, definition)


def _check_criteria(config: Json) -> None:
    limits = config["ResourceLimits"]
    most, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if most is None and config["Strategy"] != "Grid":
        raise invalid("ResourceLimits.MaxNumberOfTrainingJobs is required, except with the strategy Grid.")
    if most is not None and parallel > most:
        raise invalid(f"MaxParallelTrainingJobs ({parallel}) can't be greater than MaxNumberOfTrainingJobs ({most}).")
    converged = (config.get("TuningJobCompletionCriteria") or {}).get("ConvergenceDetected") or {}
    if converged.get("CompleteOnConvergence") == "Enabled":
        raise refuse("TuningJobCompletionCriteria.ConvergenceDetected in HyperParameterTuningJobConfig")
    refuse_members(config.get("ParameterRanges") or {}, ("AutoParameters",), "ParameterRanges")


def _check_names(ranges: list[Range], static: Mapping[str, str]) -> None:
    names = [each.name for each in ranges]
    if not names:
        raise invalid("HyperParameterTuningJobConfig.ParameterRanges must have at least one hyperparameter to tune.")
    if len(names) > _MOST_RANGES:
        raise invalid(f"A tuning job has at most {_MOST_RANGES} tunable hyperparameters, not {len(names)}.")
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"The hyperparameter [{name}] has more than one range.")
        if name in static:
            raise invalid(f"The hyperparameter [{name}] can't be both static and tunable: it is in both.")
        if name == OBJECTIVE:
            raise invalid(f"The hyperparameter [{name}] is the tuner's own.")


def _check_strategy(config: Json, ranges: list[Range], definition: Json) -> None:
    strategy = config["Strategy"]
    early = config.get("TrainingJobEarlyStoppingType", "Off")
    if "StrategyConfig" in config and strategy != "Hyperband":
        raise invalid("StrategyConfig.HyperbandStrategyConfig takes the strategy Hyperband.")
    if strategy == "Grid":
        count = combinations(ranges)
        if any(each.kind != "categorical" for each in ranges):
            raise invalid("The strategy Grid takes only CategoricalParameterRanges.")
        most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", count)
        if most != count:
            raise invalid(
                f"With the strategy Grid, MaxNumberOfTrainingJobs must be the number of combinations ({count})."
            )
    if strategy == "Hyperband":
        if early == "Auto":
            raise invalid(
                "TrainingJobEarlyStoppingType must be Off with the strategy Hyperband, which stops by itself."
            )
        resources_of(config, definition)


def combinations(ranges: list[Range]) -> int:
    """How many trials a grid has."""
    return math.prod(len(each.values) for each in ranges)


def resources_of(config: Json, definition: Json) -> tuple[int, int] | None:
    """Hyperband's smallest and largest resource, in epochs (values of the objective); None for other strategies."""
    if config["Strategy"] != "Hyperband":
        return None
    given = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    low, high = given.get("MinResource", 1), given.get("MaxResource")
    static = definition.get("StaticHyperParameters") or {}
    if high is None:
        found = [static[name] for name in _EPOCHS if static.get(name, "").isdigit()]
        if not found:
            raise invalid(
                "HyperbandStrategyConfig.MaxResource is required: no static hyperparameter "
                f"({', '.join(_EPOCHS)}) says the number of epochs."
            )
        high = int(found[0])
    if low > high:
        raise invalid(f"HyperbandStrategyConfig.MinResource ({low}) can't be greater than MaxResource ({high}).")
    return low, high


def ranges_of(config: Json) -> list[Range]:
    """The ranges, in the request's order. ``AwsError`` for one that can't be searched."""
    given = config.get("ParameterRanges") or {}
    found = [_number(each, "integer") for each in given.get("IntegerParameterRanges") or []]
    found += [_number(each, "continuous") for each in given.get("ContinuousParameterRanges") or []]
    for each in given.get("CategoricalParameterRanges") or []:
        if len(set(each["Values"])) != len(each["Values"]):
            raise invalid(f"The values of the hyperparameter [{each['Name']}] must be different.")
        found.append(Range(each["Name"], "categorical", values=tuple(each["Values"])))
    return found


def _number(given: Json, kind: Any) -> Range:
    name, scaling = given["Name"], given.get("ScalingType", "Auto")
    bounds = []
    for member in ("MinValue", "MaxValue"):
        try:
            value = float(int(given[member])) if kind == "integer" else float(given[member])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            wanted = "a whole number" if kind == "integer" else "a number"
            raise invalid(f"{member} of the hyperparameter [{name}] must be {wanted}, not {given[member]!r}.")
        bounds.append(value)
    low, high = bounds
    if low > high:
        raise invalid(f"MinValue of the hyperparameter [{name}] can't be greater than MaxValue.")
    if scaling == "Logarithmic" and low <= 0:
        raise invalid(f"Logarithmic scaling of the hyperparameter [{name}] takes values greater than 0.")
    if scaling == "ReverseLogarithmic":
        if kind == "integer":
            raise invalid(f"ReverseLogarithmic scaling is for continuous hyperparameters; [{name}] is an integer.")
        if low < 0 or high >= 1:
            raise invalid(f"ReverseLogarithmic scaling of the hyperparameter [{name}] takes 0 <= values < 1.")
    return Range(name, kind, low, high, scaling)


def check_objective(config: Json, algorithm: Json) -> None:
    """The metric must be one that the algorithm's definitions read from the log; ``algorithm`` has them."""
    objective = config["HyperParameterTuningJobObjective"]
    metric, direction = objective["MetricName"], objective["Type"]
    known = [each["Name"] for each in algorithm.get("MetricDefinitions") or []]
    container = images.container_of(algorithm["TrainingImage"])
    if metric not in known and container is None:
        raise invalid(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            f"definitions: [{metric}] is not among them ({', '.join(known) or 'there are none'})."
        )
    if metric not in known:
        raise invalid(
            f"The objective metric for the hyperparameter tuning job, [{metric}], isn't valid: it is not among the "
            f"MetricDefinitions of the algorithm ({', '.join(known) or 'there are none'})."
        )
    if container is None or container.name != "xgboost":
        return
    data, _, name = metric.partition(":")
    if data != "validation":
        raise invalid(f"The objective metric [{metric}] isn't valid for XGBoost: choose one of validation:*.")
    if name in (MINIMIZED if direction == "Maximize" else MAXIMIZED):
        raise invalid(f"The objective metric type, [{direction}], isn't valid for the metric [{metric}].")


def check_parents(params: Json, parents: list[Json], ranges: list[Range]) -> None:
    """``parents`` are the requests of the jobs that WarmStartConfig names, with their status under ``Status``."""
    config, definition = params["HyperParameterTuningJobConfig"], params["TrainingJobDefinition"]
    if config["Strategy"] not in ("Bayesian", "Random"):
        raise refuse(f"WarmStartConfig with the strategy {config['Strategy']} (use Bayesian or Random)")
    names = {each.name for each in ranges} | set(definition.get("StaticHyperParameters") or {})
    identical = params["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"
    for parent in parents:
        name = parent["HyperParameterTuningJobName"]
        if parent["Status"] not in ("Completed", "Stopped", "Failed"):
            raise invalid(f"The parent tuning job {name} is {parent['Status']}: it must have ended.")
        before, older = parent["HyperParameterTuningJobConfig"], parent["TrainingJobDefinition"]
        if before["HyperParameterTuningJobObjective"] != config["HyperParameterTuningJobObjective"]:
            raise invalid(f"The parent tuning job {name} has another objective metric.")
        known = {each.name for each in ranges_of(before)} | set(older.get("StaticHyperParameters") or {})
        if known - {OBJECTIVE} != names - {OBJECTIVE}:
            raise invalid(
                f"The hyperparameters, static and tunable together, must be the same as the parent's ({name}); "
                f"different are: {', '.join(sorted((known ^ names) - {OBJECTIVE}))}."
            )
        image = definition["AlgorithmSpecification"].get("TrainingImage")
        if identical and older["AlgorithmSpecification"].get("TrainingImage") != image:
            raise invalid(f"IdenticalDataAndAlgorithm takes the parent's training image, and {name} has another.")
        if identical and older.get("InputDataConfig") != definition.get("InputDataConfig"):
            raise invalid(f"IdenticalDataAndAlgorithm takes the parent's input data, and {name} has others.")


def check_hyperparameters(definition: Json, ranges: list[Range]) -> None:
    """For the built-ins, whose hyperparameters SageMaker knows: both ends of every range must be possible."""
    container = images.container_of(definition["AlgorithmSpecification"]["TrainingImage"])
    if container is None:
        return
    static = {name: value for name, value in definition["StaticHyperParameters"].items() if name != OBJECTIVE}
    for end in ("low", "high"):
        values = dict(static)
        for each in ranges:
            number = each.low if end == "low" else each.high
            text = each.values[0 if end == "low" else -1] if each.values else repr(number)
            values[each.name] = str(int(number)) if each.kind == "integer" else text
        try:
            container.validate(values)
        except UserError as error:
            raise invalid(f"The hyperparameters can't be used with the values at the {end} end: {error}") from error


def training_request(name: str, definition: Json, values: Mapping[str, str], tags: Mapping[str, str]) -> Json:
    """CreateTrainingJob's parameters of one trial."""
    request: Json = {member: definition[member] for member in _DEFINITION if member in definition}
    return request | {
        "TrainingJobName": name,
        "HyperParameters": {**(definition.get("StaticHyperParameters") or {}), **values},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def missing(name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Amazon SageMaker can't find a tuning job with the name {name}.")


def taken(arn: str) -> AwsError:
    return AwsError(
        "ResourceInUse",
        "Hyperparameter tuning job names must be unique within an AWS account and region, and a job with this name "
        f"already exists ({arn})",
    )
