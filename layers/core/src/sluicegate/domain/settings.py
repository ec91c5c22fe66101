"""``model.yaml``: what it may say, what it means when it is silent, and every mistake in it named at once."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sluicegate.domain import algorithms, hyperparameters, settings_script
from sluicegate.domain.date_formats import date_format
from sluicegate.domain.durations import Duration, within
from sluicegate.domain.names import digest
from sluicegate.domain.schema import ColumnType, Problem, ProblemKind
from sluicegate.domain.settings_deployment import Deployment
from sluicegate.domain.settings_drift import Drift
from sluicegate.domain.settings_experiment import Experiment
from sluicegate.domain.settings_retrain import Retrain
from sluicegate.domain.settings_rows import Split, Weights
from sluicegate.domain.settings_script import ScriptKeys
from sluicegate.domain.settings_sleep import IdleShutdown, KeepAwake
from sluicegate.domain.settings_traffic import Feedback, PredictionLog, Traffic
from sluicegate.domain.settings_tuning import Budget, Tuning

BINARY_METRICS = ("auc", "logloss", "accuracy", "f1", "precision", "recall")
MULTICLASS_METRICS = ("accuracy", "macro_f1", "logloss")
REGRESSION_METRICS = ("rmse", "mae", "r2")
CLUSTERING_METRICS = ("silhouette", "mean_distance")
DECOMPOSITION_METRICS = ("explained_variance", "reconstruction_error")
ANOMALY_METRICS = ("flagged_share", "auc", "f1")
METRICS: dict[str, tuple[str, ...]] = {
    "binary": BINARY_METRICS,
    "multiclass": MULTICLASS_METRICS,
    "regression": REGRESSION_METRICS,
    "clustering": CLUSTERING_METRICS,
    "decomposition": DECOMPOSITION_METRICS,
    "anomaly": ANOMALY_METRICS,
}
#: what decides when model.yaml names no metric
DEFAULT_METRICS: dict[str, str] = {
    "binary": "auc",
    "multiclass": "macro_f1",
    "regression": "rmse",
    "clustering": "silhouette",
    "decomposition": "explained_variance",
    "anomaly": "flagged_share",
}
MetricName = Literal[
    "auc",
    "logloss",
    "accuracy",
    "f1",
    "precision",
    "recall",
    "macro_f1",
    "rmse",
    "mae",
    "r2",
    "silhouette",
    "mean_distance",
    "explained_variance",
    "reconstruction_error",
    "flagged_share",
]
AlgorithmName = Literal[
    "xgboost",
    "linear-learner",
    "knn",
    "kmeans",
    "pca",
    "randomcutforest",
    "factorization-machines",
    "lightgbm",
    "catboost",
    "script",
    "image",
]

#: What the design has and this version doesn't, by path. The reader says so instead of calling them unknown.
NOT_YET: frozenset[str] = frozenset({})


def _known_type(value: Any) -> Any:
    return "category" if value == "categorical" else value


def _known_format(value: str) -> str:
    date_format(value)
    return value


DateFormatText = Annotated[str, AfterValidator(_known_format)]
FeatureType = Annotated[ColumnType, BeforeValidator(_known_type)]
Name = Annotated[str, Field(min_length=1, max_length=300)]
Hyperparameter = str | int | float | bool | list[Any]
Instance = Annotated[str, Field(pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$", max_length=40)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Features(_Part):
    """Which columns are used, and as what."""

    exclude: list[Name] = Field(default=[], description="Columns that are never features.")
    types: dict[Name, FeatureType] = Field(
        default={},
        description="Column types that the data should not be asked for: number, boolean, category, date, text.",
    )
    dates: dict[Name, DateFormatText] = Field(
        default={},
        description='Columns of dates that are not ISO 8601, and how they are written: "%d/%m/%Y", "epoch_seconds", …',
    )

    def declared(self, name: str) -> ColumnType | None:
        """The type that the settings give a column."""
        return "date" if name in self.dates else self.types.get(name)

    @model_validator(mode="after")
    def _dates_are_dates(self) -> Features:
        for name in self.dates:
            if (kind := self.types.get(name, "date")) != "date":
                raise ValueError(f"dates.{name}: types says that it is a {kind}; remove one of the two")
        return self


class Algorithm(ScriptKeys):
    """What is trained: a SageMaker built-in."""

    name: AlgorithmName = Field(
        default="xgboost", description="One of SageMaker's built-in algorithms, a ready-made script, or your own code."
    )
    version: Literal["3.0-5", "1", "4.6.0", "1.2.10"] = Field(
        default="3.0-5",
        description="Of the container (xgboost: 3.0-5) or the library (lightgbm: 4.6.0, catboost: 1.2.10); 1 for the "
        "others. The default follows name.",
    )
    hyperparameters: dict[str, Hyperparameter] = Field(
        default={}, description="Hyperparameters of the built-in; they win over the defaults."
    )
    tuning: Tuning | None = Field(default=None, description="Search for better hyperparameters; by default none.")

    @model_validator(mode="before")
    @classmethod
    def _version_of_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("version") is None and data.get("name") in algorithms.NAMES:
            return {**data, "version": algorithms.named(data["name"]).version}
        return data

    @model_validator(mode="after")
    def _known_version(self) -> Algorithm:
        accepted = algorithms.named(self.name).version
        if self.version != accepted:
            raise ValueError(f"version: given {self.version!r}; accepted for {self.name} is {accepted}")
        return self


class Training(_Part):
    """Where training runs."""

    instance: Instance = Field(default="ml.m5.large", description="Instance type of the training job.")
    preparation_instance: Instance | None = Field(
        default=None,
        description="Instance type of the processing job that prepares a data set which is too much for a function; "
        "by default chosen by its size.",
    )
    count: int = Field(default=1, ge=1, le=20, description="Instances; each trains on its share of the rows.")
    spot: bool = Field(default=False, description="Managed spot training.")
    max_runtime: Annotated[Duration, within(60, 5 * 86400, "between 60s and 5d")] = Field(
        default="1h", description="The longest that a training job may run."
    )


class Evaluation(_Part):
    """When a new version is good enough."""

    metric: MetricName | None = Field(
        default=None,
        description="What decides; by default auc (binary), macro_f1 (multiclass), rmse (regression), silhouette "
        "(clustering), explained_variance (decomposition), auc (anomaly with a target) or flagged_share (without).",
    )
    minimum: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="The worst value that is accepted: a floor, or for logloss, rmse, mae, mean_distance, "
        "reconstruction_error and flagged_share a ceiling.",
    )
    against_champion: Literal["not_worse", "ignore"] = "not_worse"
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="How much worse still passes.")


class Serverless(_Part):
    """A serverless endpoint."""

    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 2048
    max_concurrency: int = Field(default=5, ge=1, le=200)


class DataCapture(_Part):
    """What SageMaker itself keeps of requests and answers, encoded as the model reads them."""

    percent: int = Field(ge=1, le=100, description="Percent of the requests.")


class Endpoint(_Part):
    """Where the model serves: serverless, or instances of one type."""

    serverless: Serverless | None = Field(default=None, description="The default, with 2048 MB and 5 at a time.")
    instance: Instance | None = Field(default=None, description="Instance type, instead of serverless.")
    min: int = Field(default=1, ge=1, le=20, description="Number of instances.")
    max: int | None = Field(
        default=None, ge=1, le=100, description="Autoscaling goes up to so many instances; by default there is none."
    )
    requests_per_instance: int = Field(
        default=1000, ge=1, le=1_000_000, description="Requests a minute that autoscaling gives an instance."
    )
    data_capture: DataCapture | None = Field(
        default=None, description="Keep requests and answers under data-capture/ in the bucket. Needs instance."
    )

    @model_validator(mode="before")
    @classmethod
    def _serverless_unless_instance(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("instance") is None:
            return {**data, "serverless": data.get("serverless") or {}}
        return data

    @model_validator(mode="after")
    def _one_kind(self) -> Endpoint:
        if self.serverless is not None and self.instance is not None:
            raise ValueError("serverless and instance exclude each other: keep one")
        if self.instance is None and self.min != 1:
            raise ValueError("min needs instance: a serverless endpoint scales by itself")
        if self.instance is None and self.max is not None:
            raise ValueError("max needs instance: a serverless endpoint scales by itself, up to max_concurrency")
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max is {self.max} and min {self.min}: accepted is a max of at least min")
        if "requests_per_instance" in self.model_fields_set and self.max is None:
            raise ValueError("requests_per_instance needs max: without it there is no autoscaling")
        if self.instance is None and self.data_capture is not None:
            raise ValueError(
                "data_capture needs instance: SageMaker has none for serverless endpoints; prediction_log keeps "
                "what was predicted there"
            )
        return self


class ModelSettings(_Part):
    """Settings of one model: models/<model>/model.yaml. Every key is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title="Sluicegate model.yaml")

    target: Name | None = Field(
        default=None,
        description="The column to predict; by default one named target or label, else the last. Of anomaly detection "
        "a column that says what is anomalous: never learned from, only judged by.",
    )
    problem: ProblemKind | None = Field(default=None, description="Inferred from algorithm and target by default.")
    positive_class: str | int | float | bool | None = Field(
        default=None, description="Binary: the class whose probability is predicted."
    )
    id_column: Name | None = Field(default=None, description="Never a feature; keys the split.")
    features: Features = Features()
    algorithm: Algorithm = Algorithm()
    training: Training = Training()
    split: Split = Split()
    weights: Weights | None = Field(default=None, description="By default every row counts the same.")
    evaluation: Evaluation = Evaluation()
    approval: Literal["automatic", "manual"] = "automatic"
    deployment: Deployment = Deployment()
    endpoint: Endpoint = Endpoint()
    experiment: Experiment = Experiment()
    idle_shutdown: IdleShutdown | None = Field(
        default=None,
        description="The endpoint is shut down after so long without a call, and woken by the next; by default never.",
    )
    keep_awake: list[KeepAwake] = Field(
        default=[], max_length=20, description="Times of the week in which idle_shutdown leaves the endpoint alone."
    )
    retrain: Retrain = Retrain()
    budget: Budget = Budget()
    traffic: Traffic = Traffic()
    prediction_log: PredictionLog = PredictionLog()
    feedback: Feedback = Feedback()
    drift: Drift = Drift()

    def metric_for(self, problem: Problem) -> str:
        """The metric that decides for ``problem``."""
        # where a column says what is anomalous, finding it counts
        labelled = problem.kind == "anomaly" and problem.classes
        return self.evaluation.metric or ("auc" if labelled else DEFAULT_METRICS[problem.kind])

    def preparation_fingerprint(self) -> str:
        """Changes exactly when the same uploads would be prepared differently."""
        from sluicegate.domain import algorithms  # which reads settings

        chosen = self.model_dump(
            mode="json", include={"target", "problem", "positive_class", "id_column", "features"}
        ) | {"split": self.split.prepared()}
        if self.weights is not None:
            chosen["weights"] = self.weights.model_dump(mode="json")
        algorithm = algorithms.of(self)
        form = {
            "wire": [algorithm.train_format, algorithm.infer_format, algorithm.sparse_format],
            "scaled": not algorithm.takes_missing,
            "learns": None if algorithm.supervised else algorithm.problems[0],
            "parts": self.training.count,
        }
        if form != _USUAL_FORM:  # data sets from before there was a choice keep their names
            chosen["form"] = form
        return _fingerprint("preparation", chosen)

    def training_fingerprint(self) -> str:
        """Changes exactly when the same data set would be trained or judged differently."""
        chosen = self.model_dump(mode="json", include={"algorithm", "evaluation"})
        if self.algorithm.tuning is None:
            del chosen["algorithm"]["tuning"]  # a model without it keeps the runs that it had before there was tuning
        for key in settings_script.unused(chosen["algorithm"]):
            del chosen["algorithm"][key]
        return _fingerprint("training", chosen)


_USUAL_FORM = {"wire": ["csv", "csv", "libsvm"], "scaled": False, "learns": None, "parts": 1}


def _fingerprint(kind: str, chosen: dict[str, Any]) -> str:
    return digest([kind, "1", json.dumps(chosen, sort_keys=True, ensure_ascii=True)], 16)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of model.yaml, for editors."""
    schema = ModelSettings.model_json_schema()
    schema["$defs"]["Algorithm"]["allOf"] = [
        _hyperparameters_of(name) for name in algorithms.NAMES if name not in settings_script.FREE
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://sluicegate.dev/schemas/model-settings.json",
    } | schema


def _hyperparameters_of(name: str) -> dict[str, Any]:
    """Where algorithm.name is ``name``, which hyperparameters there are."""
    algorithm = algorithms.named(name)
    accepted = [*algorithm.rules(), *(hyperparameters.ALIASES if name == algorithms.DEFAULT else ())]
    known = [key for key in sorted(accepted) if not algorithm.mistakes({key: None}).get(key, "").startswith("not to")]
    names: dict[str, dict[str, Any]] = {key: {} for key in known}
    # without a name it is the default's
    asked = {"properties": {"name": {"const": name}}} | ({} if name == algorithms.DEFAULT else {"required": ["name"]})
    then = {"hyperparameters": {"properties": names, "additionalProperties": False}}
    return {"if": asked, "then": {"properties": then}}


def parse_settings(text: str) -> ModelSettings:
    """The settings in the text of a model.yaml. Raises ``SettingsError``, whose detail lists every mistake."""
    from sluicegate.domain.settings_reader import parse_settings as read

    return read(text)


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
