"""What the built-ins have in common: a description each, and one way to train, to score and to serve."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from local_region.containers.common.errors import UserError
from local_region.containers.common.hosts import Cluster
from local_region.containers.common.parameters import Parameter, Value, parsed

Array = npt.NDArray[Any]
#: settings of the machinery, which clients and tuning jobs send along; they change nothing here
_PRIVATE = (
    "_tuning_objective_metric", "_num_gpus", "_num_kv_servers", "_kvstore", "_log_level", "_enable_profiler",
    "_data_format",
)  # fmt: skip


@dataclass
class Data:
    """Rows × features of float32, dense or scipy CSR, and a label for each row where there are labels."""

    features: Any
    labels: Array | None

    @property
    def rows(self) -> int:
        return int(self.features.shape[0])

    @property
    def width(self) -> int:
        return int(self.features.shape[1])

    def known(self, what: str) -> Array:
        """The labels. ``UserError`` when there are none."""
        if self.labels is None:
            raise UserError(f"The {what} channel has no labels (text/csv takes label_size=1; records have 'label').")
        return self.labels


class Model(ABC):
    """What was learned, and how it answers. ``arrays`` and ``about`` (JSON) are all there is to keep."""

    def __init__(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
        self.arrays, self.about = dict(arrays), dict(about)

    @property
    def width(self) -> int:
        return int(self.about["feature_dim"])

    @abstractmethod
    def answer(self, features: Any) -> dict[str, Array]:
        """For rows × ``width``, dense or CSR: a column for each field, of one dimension or two."""

    def details(self, features: Any) -> dict[str, Array]:
        """What ``verbose=true`` in a request's Accept asks for."""
        return self.answer(features)


@dataclass
class Job:
    """One training: what was asked for, the data of all hosts together, and its log."""

    values: dict[str, Value]
    train: Data
    channels: Mapping[str, Data]
    cluster: Cluster
    started: float = field(default_factory=time.perf_counter)

    def quality(self, channel: str, metric: str, kind: str, value: float, epoch: int | None = None) -> None:
        """A line as the built-ins print it; ``kind`` is ``loss`` or ``score``."""
        when = "" if epoch is None else f"epoch={epoch}, "
        print(f"#quality_metric: host={self.cluster.current}, {when}{channel} {metric} <{kind}>={value}", flush=True)

    def finished(self) -> None:
        seconds = max(time.perf_counter() - self.started, 1e-9)
        host = self.cluster.current
        print(f"#progress_metric: host={host}, completed 100.0 %", flush=True)
        print(
            f"#throughput_metric: host={host}, train throughput={self.train.rows / seconds} records/second", flush=True
        )


class Algorithm(ABC):
    """One of the built-ins."""

    name: ClassVar[str]
    hyperparameters: ClassVar[Mapping[str, Parameter]]
    required: ClassVar[Sequence[str]]
    #: of hyperparameters that are not given; one without a default is left out
    defaults: ClassVar[Mapping[str, Value]]
    #: beside ``train``, which every one has
    channels: ClassVar[Sequence[str]] = ("test",)
    csv_training: ClassVar[bool] = True
    csv_requests: ClassVar[bool] = True
    csv_answers: ClassVar[bool] = False
    only_float32: ClassVar[bool] = False
    #: the key of JSON answers
    answers: ClassVar[str] = "predictions"

    def validate(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Parsed, checked alone and together, defaults filled in. ``UserError`` names the first mistake."""
        texts = {name: text for name, text in given.items() if name not in _PRIVATE}
        for name in self.required:
            if name not in texts:
                raise UserError(f"Missing required hyperparameter: {name}")
        values = {**self.defaults, **parsed(self.hyperparameters, texts)}
        values["_tuned"] = "_tuning_objective_metric" in given
        self.check(values)
        return values

    def check(self, values: Mapping[str, Value]) -> None:  # noqa: B027 - most have nothing to ask
        """How hyperparameters depend on one another. ``UserError``."""

    def check_channel(self, name: str, channel: Mapping[str, Any]) -> None:  # noqa: B027 - as above
        """What the algorithm asks of a channel's settings. ``UserError``."""

    @abstractmethod
    def fit(self, job: Job) -> Model: ...

    @abstractmethod
    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Model:
        """``KeyError`` or ``ValueError`` when it is not this algorithm's."""

    @abstractmethod
    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:
        """Print the metrics of a channel beside ``train``."""


def dense(features: Any) -> Array:
    """For methods that take no sparse rows."""
    return np.asarray(features if isinstance(features, np.ndarray) else features.toarray())


def model_path(base: Path) -> Path:
    """SageMaker's name of the file."""
    return base / "model/model_algo-1"
