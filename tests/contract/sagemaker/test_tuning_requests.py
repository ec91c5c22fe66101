"""What CreateHyperParameterTuningJob refuses, each by name. No job starts here."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local_region.ports import AwsError
from local_region.sagemaker import tuning_checks
from local_region.sagemaker.service import SageMakerService
from tests.contract.sagemaker.test_service_model import IMAGE, ROLE, call, region

__all__ = ["region"]
Json = dict[str, Any]
REQUEST: Json = {
    "HyperParameterTuningJobName": "t",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.01", "MaxValue": "0.3"}],
            "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "6"}],
        },
    },
    "TrainingJobDefinition": {
        "StaticHyperParameters": {"num_round": "10", "objective": "binary:logistic"},
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://b/a"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
}
SCRIPT = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
SILENT = {
    "TrainingImage": SCRIPT,
    "TrainingInputMode": "File",
    "MetricDefinitions": [{"Name": "a", "Regex": "("}],
}
CONFIG, DEFINITION = "HyperParameterTuningJobConfig", "TrainingJobDefinition"
OBJECTIVE = f"{CONFIG}/HyperParameterTuningJobObjective"
PARENT = {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "x"}]}
ETA = {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.3"}


def changed(path: str, value: Any) -> Json:
    """The request with ``value`` at ``path``; None removes it."""
    request = copy.deepcopy(REQUEST)
    *parts, last = path.split("/")
    found = request
    for part in parts:
        found = found.setdefault(part, {})
    if value is None:
        del found[last]
    else:
        found[last] = value
    return request


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("Autotune", {"Mode": "Enabled"}, "does not support Autotune"),
        ("TrainingJobDefinitions", [{"DefinitionName": "a"}], "does not support TrainingJobDefinitions"),
        (DEFINITION, None, "TrainingJobDefinition is required"),
        (OBJECTIVE, None, "HyperParameterTuningJobObjective is required"),
        (f"{OBJECTIVE}/MetricName", "validation:fun", "validation:fun.*MetricDefinitions"),
        (f"{OBJECTIVE}/MetricName", "train:auc", "choose one of validation"),
        (f"{OBJECTIVE}/Type", "Minimize", "Minimize.*isn't valid"),
        (f"{CONFIG}/ResourceLimits/MaxNumberOfTrainingJobs", None, "MaxNumberOfTrainingJobs is required"),
        (f"{CONFIG}/ResourceLimits/MaxParallelTrainingJobs", 5, r"\(5\) can't be greater"),
        (f"{CONFIG}/ParameterRanges", {}, "at least one hyperparameter"),
        (f"{CONFIG}/ParameterRanges/AutoParameters", [{"Name": "a", "ValueHint": "1"}], "does not support AutoParam"),
        (f"{CONFIG}/ParameterRanges/ContinuousParameterRanges", [ETA, ETA], r"\[eta\] has more than one range"),
        (f"{DEFINITION}/StaticHyperParameters/eta", "0.1", r"\[eta\] can't be both static and tunable"),
        (f"{DEFINITION}/StaticHyperParameters/num_round", None, "Missing required hyperparameter: num_round"),
        (f"{DEFINITION}/StaticHyperParameters/gamma", "-1", "gamma"),
        (f"{DEFINITION}/AlgorithmSpecification/TrainingImage", "somebody/own:1", "no container for image somebody"),
        (f"{DEFINITION}/AlgorithmSpecification/TrainingImage", SCRIPT, r"A metric is required.*there are none"),
        (f"{DEFINITION}/AlgorithmSpecification/MetricDefinitions", [{"Name": "a", "Regex": "(.)"}], "can't override"),
        (f"{DEFINITION}/AlgorithmSpecification", SILENT, r"\[a\] can't be used"),
        (f"{DEFINITION}/HyperParameterTuningResourceConfig", {"InstanceCount": 1}, "TuningResourceConfig"),
        (f"{CONFIG}/StrategyConfig", {"HyperbandStrategyConfig": {"MaxResource": 9}}, "takes the strategy Hyperband"),
        (f"{CONFIG}/Strategy", "Grid", "only CategoricalParameterRanges"),
        (f"{CONFIG}/Strategy", "Hyperband", "MaxResource is required"),
        (
            f"{CONFIG}/TuningJobCompletionCriteria",
            {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}},
            "does not support TuningJobCompletionCriteria.ConvergenceDetected",
        ),
        ("WarmStartConfig", PARENT, "can't find a tuning job with the name x"),
    ],
)  # fmt: skip
def test_refused(region: Any, path: str, value: Any, said: str) -> None:
    service = SageMakerService(region)
    with pytest.raises(AwsError, match=said):
        call(service, "CreateHyperParameterTuningJob", **changed(path, value))
    assert call(service, "ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"] == []


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("Continuous", {"MinValue": "1", "MaxValue": "0.5"}, "MinValue.*greater than MaxValue"),
        ("Continuous", {"MinValue": "a", "MaxValue": "1"}, "must be a number, not 'a'"),
        ("Integer", {"MinValue": "1.5", "MaxValue": "2"}, "must be a whole number, not '1.5'"),
        ("Continuous", {"MinValue": "0", "MaxValue": "1", "ScalingType": "Logarithmic"}, "greater than 0"),
        ("Continuous", {"MinValue": "0", "MaxValue": "1", "ScalingType": "ReverseLogarithmic"}, "0 <= values < 1"),
        ("Integer", {"MinValue": "1", "MaxValue": "2", "ScalingType": "ReverseLogarithmic"}, "is an integer"),
    ],
)
def test_refused_ranges(kind: str, given: Json, said: str) -> None:
    with pytest.raises(AwsError, match=said):
        tuning_checks.ranges_of({"ParameterRanges": {f"{kind}ParameterRanges": [{"Name": "x", **given}]}})
