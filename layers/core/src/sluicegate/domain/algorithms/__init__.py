"""What the application knows of each SageMaker algorithm, by its name in model.yaml.

``of(settings)`` is asked by whoever prepares, trains, evaluates or registers; ``named(name)`` by ``predict``, which
reads no settings. An algorithm's module is imported when it is asked for: ``predict`` pays for the one it serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from sluicegate.domain.algorithms.base import Algorithm, Decoded, Format

__all__ = ["DEFAULT", "NAMES", "Algorithm", "Decoded", "Format", "Named", "Settings", "named", "of", "of_lane"]

DEFAULT = "xgboost"
#: all that model.yaml may name; each is a module beside this one that has ``ALGORITHM``
NAMES: tuple[str, ...] = (
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
)


class Named(Protocol):
    """The part ``algorithm`` of model.yaml."""

    @property
    def name(self) -> str: ...


class Settings(Protocol):
    """As much of ``domain.settings.ModelSettings`` as it takes to choose."""

    @property
    def algorithm(self) -> Named: ...


def of(settings: Settings) -> Algorithm:
    """The algorithm that ``settings`` ask for."""
    return named(settings.algorithm.name).configured(settings.algorithm)


def of_lane(lane: Mapping[str, Any]) -> Algorithm:
    """The algorithm behind a lane of ``routing/<model>.json`` (see ``Algorithm.lane``)."""
    return named(lane.get("algorithm", DEFAULT)).restored(lane)


def named(name: str) -> Algorithm:
    """The algorithm of that name. ``KeyError`` when there is none."""
    if name not in NAMES:
        raise KeyError(name)
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    algorithm: Algorithm = module.ALGORITHM
    return algorithm
