"""Which of SageMaker's images run here, and as what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter

from local_region.containers.metric_definitions import BUILT_IN, Definition
from local_region.ports import Family

_URI = re.compile(r"(?:(?P<registry>.*)/)?(?P<repository>[\w.-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?")
#: where SageMaker's own images are: an account for each region. Names as short as knn mean them nowhere else.
_FIRST_PARTY = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True)
class Container:
    """Entry points of the process that stands in for an image, and the zygotes that they are forked from."""

    name: str
    train: str
    serve: str
    train_family: Family = "xgboost"
    serve_family: Family = "xgboost"
    #: what DescribeTrainingJob shows when the request has none of its own
    metrics: Sequence[Definition] = ()
    #: ``module:function`` that checks hyperparameters
    validator: str = ""
    #: entry point that reads the channels and keeps them for training processes forked from it, if there is one
    load: str = ""

    def validate(self, hyperparameters: Mapping[str, str]) -> None:
        """What the training process would do first. Raises ``containers.common.errors.UserError``."""
        module, _, function = self.validator.partition(":")
        attrgetter(function)(import_module(module))(hyperparameters)


def _built_in(name: str, module: str) -> Container:
    """Training needs scikit-learn; serving is a few lines of numpy, which the XGBoost zygote has too."""
    package = f"local_region.containers.builtin.{module}"
    return Container(
        name,
        f"{package}:train",
        f"{package}:serve",
        "sklearn",
        "xgboost",
        BUILT_IN[name],
        f"{package}:ALGORITHM.validate",
        f"{package}:load",
    )


XGBOOST = Container(
    "xgboost",
    "local_region.containers.xgboost.train:main",
    "local_region.containers.xgboost.serve:main",
    metrics=BUILT_IN["xgboost"],
    validator="local_region.containers.xgboost.hyperparameters:validate",
    load="local_region.containers.xgboost.train:load",
)
#: by the repository of SageMaker's first-party registries
_CONTAINERS = {
    "sagemaker-xgboost": XGBOOST,
    "xgboost": XGBOOST,
    "linear-learner": _built_in("linear-learner", "linear_learner"),
    "knn": _built_in("knn", "knn"),
    "kmeans": _built_in("kmeans", "kmeans"),
    "pca": _built_in("pca", "pca"),
    "randomcutforest": _built_in("randomcutforest", "random_cut_forest"),
    "factorization-machines": _built_in("factorization-machines", "factorization_machines"),
}
MAPPED = (
    "sagemaker-xgboost:<any version> (run as 3.0-5); of SageMaker's own registries also linear-learner:1, knn:1, "
    "kmeans:1, pca:1, randomcutforest:1, factorization-machines:1"
)


def container_of(image: str) -> Container | None:
    """The stand-in for an image URI, or None."""
    found = _URI.fullmatch(image)
    container = _CONTAINERS.get(found["repository"]) if found else None
    if container is None or found is None:
        return None
    if container is XGBOOST:
        return container
    ours = found["registry"] is None or _FIRST_PARTY.fullmatch(found["registry"])
    return container if ours and found["tag"] in (None, "1", "latest") else None


def unknown(image: str) -> str:
    return f"The local region has no container for image {image}. Mapped are: {MAPPED}."
