"""What a model itself says of its features: gains in XGBoost's file, weights of a linear model, a script's own file.

Format of XGBoost's: "JSON schema of models" (doc/tutorials/saving_model.rst), the same in JSON and UBJSON. The gain of
a feature is the sum of ``loss_changes`` over all nodes that split on it: ``total_gain`` of ``Booster.get_score``.
A script's or an image's: `FILE`, see ``of_file``.

Each gives ``{"kind", "method", "columns": [{"column", "share"}, …], "features": [{"feature", "share"}, …]}``, the
largest share first, or raises `NoImportance`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain import ubjson
from sluicegate.domain.encoder import Encoder

Floats = NDArray[np.float64]

#: what a script or an image leaves in its artifact
FILE = "importance.json"
LARGEST_FILE = 1024 * 1024
#: a longer list is cut: nobody reads it, and the rest is near nothing
_MOST = 40
_LONGEST = 300
_LARGEST = 1e100
_GAIN = "Share of the loss that the trees' splits on the column took away (total gain in the model's file)."
_WEIGHTS = (
    "Share of the absolute weights, each times the standard deviation, over the rows held out, of what it weighs: how "
    "far the column moves the answer."
)
_FORM = f'{FILE} holds {{"method": text, "features": [number, …]}} or {{"method": text, "columns": {{name: number}}}}'


class NoImportance(ValueError):
    """The model doesn't say; the text is the reason."""


@dataclass(frozen=True)
class Features:
    """The encoded features: ``names``, and the column that each comes from."""

    names: tuple[str, ...]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, encoder: Encoder) -> Features:
        names = tuple(encoder.feature_names)
        columns = [block.column for block in encoder.blocks for _ in range(block.width)]
        return cls(names, (*columns, *names[len(columns) :]))

    @cached_property
    def groups(self) -> dict[str, NDArray[np.intp]]:
        """The places of each column's features."""
        found: dict[str, list[int]] = {}
        for place, column in enumerate(self.columns):
            found.setdefault(column, []).append(place)
        return {column: np.array(places) for column, places in found.items()}


def of_models(files: Iterable[bytes], features: Features) -> dict[str, Any]:
    """Gain over ``xgboost-model`` files (several after cross-validation)."""
    total, count = np.zeros(len(features.names)), 0
    for count, content in enumerate(files, 1):  # noqa: B007
        total += _gains(content, len(features.names))
    if not count:
        raise NoImportance("the artifact holds no model file")
    if not total.any():
        raise NoImportance("the model never splits: it predicts the same for every row")
    return _shares("gain", _GAIN, total, features)


def of_weights(weights: Floats, rows: NDArray[np.float32], features: Features) -> dict[str, Any]:
    """Of a linear model: absolute ``weights`` (width,), ``rows`` (n, width) held out, NaN where a value is missing."""
    if len(weights) > len(features.names):
        raise NoImportance("the model has other columns than the data set")
    present = np.where(np.isnan(rows), np.float32(0), rows).astype(np.float64)
    total = np.zeros(len(features.names))
    total[: len(weights)] = weights * present.std(axis=0)
    if not total.any():
        raise NoImportance("the model has no weights: it predicts the same for every row")
    return _shares("weights", _WEIGHTS, total, features)


def of_file(content: bytes, features: Features, *, encoded: bool) -> dict[str, Any]:
    """What a script or an image wrote as `FILE`: ``method`` says what the numbers are; they are one for each encoded
    feature, in their order, or by the name of the column; none below 0. ``encoded``: whether it sees the former."""
    if len(content) > LARGEST_FILE:
        raise NoImportance(f"{FILE} is larger than {LARGEST_FILE >> 10:,} kB")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NoImportance(f"{FILE} is no JSON ({error})") from error
    if not isinstance(found, dict) or not isinstance(found.get("method"), str):
        raise NoImportance(_FORM)
    method = found["method"][:_LONGEST]
    if isinstance(found.get("columns"), dict):
        by_column = _by_column(found["columns"], features)
        return {"kind": "script", "method": method, "columns": _largest("column", by_column), "features": []}
    if not isinstance(found.get("features"), list):
        raise NoImportance(_FORM)
    if not encoded:
        raise NoImportance(f"rows are not encoded for this algorithm: {FILE} names columns, not features")
    values = _numbers(found["features"])
    if len(values) != len(features.names):
        raise NoImportance(f"{FILE} has {len(values):,} features, the data set has {len(features.names):,}")
    return _shares("script", method, values, features)


def _by_column(found: Mapping[str, Any], features: Features) -> dict[str, float]:
    values = _numbers(list(found.values()))
    unknown = next((name for name in found if name not in features.groups), None)
    if unknown is not None:
        raise NoImportance(f"{FILE} names {unknown[:60]!r}, which is no column of the data set")
    return dict(zip(found, (values / values.sum()).tolist(), strict=True))


def _numbers(values: list[Any]) -> Floats:
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        raise NoImportance(f"{FILE} has values that are no numbers")
    try:
        found = np.array(values, np.float64)
    except OverflowError as error:
        raise NoImportance(f"{FILE} has numbers that are too large") from error
    if not ((found >= 0) & (found <= _LARGEST)).all():
        raise NoImportance(f"{FILE} has numbers below 0, or above {_LARGEST:g}")
    if not found.any():
        raise NoImportance(f"{FILE} says 0 of every feature")
    return found


def _shares(kind: str, method: str, total: Floats, features: Features) -> dict[str, Any]:
    shares = (total / total.sum()).tolist()
    by_column: dict[str, float] = {}
    for column, share in zip(features.columns, shares, strict=True):
        by_column[column] = by_column.get(column, 0.0) + share
    by_feature = dict(zip(features.names, shares, strict=True))
    found = {"kind": kind, "method": method, "columns": _largest("column", by_column)}
    return found | {"features": _largest("feature", by_feature)}


def _largest(name: str, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{name: key, "share": float(f"{share:.6g}")} for key, share in ordered[:_MOST] if share > 0]


def _gains(content: bytes, width: int) -> Floats:
    """(width,)"""
    try:
        learner = _document(content)["learner"]
        booster = learner["gradient_booster"]
        if int(learner["learner_model_param"]["num_feature"]) > width:  # fewer: the last columns were empty
            raise NoImportance("the model has other columns than the data set")
        if booster["name"] == "gblinear":
            raise NoImportance("a linear booster has weights and no gains, and its weights can't be evaluated here")
        model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
        found = np.zeros(width)
        for tree in model["trees"]:
            splits = np.asarray(tree["left_children"], dtype=np.int64) != -1
            split = np.asarray(tree["split_indices"], dtype=np.int64)[splits]
            gains = np.asarray(tree["loss_changes"], dtype=np.float64)[splits]
            found += np.bincount(split, weights=gains, minlength=width)
        return found
    except NoImportance:
        raise
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise NoImportance(f"the model's file is laid out in an unknown way ({error})") from error


def _document(content: bytes) -> Any:
    if content[:1] != b"{":
        raise NoImportance("the artifact is neither JSON nor UBJSON")
    try:
        return json.loads(content) if content[1:2] in b'"\n \r\t' else ubjson.loads(content)
    except (ValueError, RecursionError) as error:
        raise NoImportance(f"the model's file can't be read ({error})") from error
