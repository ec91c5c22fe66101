"""What an XGBoost model says about its features, read from its own file without XGBoost (numpy).

Format: XGBoost's "JSON schema of models" (doc/tutorials/saving_model.rst), the same in JSON and UBJSON. The gain of a
feature is the sum of ``loss_changes`` over all nodes that split on it: what ``Booster.get_score`` calls ``total_gain``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain import ubjson

#: a longer list is cut: nobody reads it, and the rest is near nothing
_MOST = 40
_GAIN = "Share of the loss that the trees' splits on the column took away (total gain in the model's file)."
_WEIGHTS = "Share of the absolute weights in the model's file; they depend on each column's scale."


class NoImportance(ValueError):
    """The model's file doesn't say; the text is the reason."""


def of_models(files: Iterable[bytes], columns: Sequence[str], features: Sequence[str]) -> dict[str, Any]:
    """Importance over ``xgboost-model`` files (several after cross-validation).

    ``features`` are the encoded columns' names, ``columns`` the column that each comes from. ``NoImportance``.
    """
    total, kinds = np.zeros(len(features)), set()
    for content in files:
        kind, found = _of_model(content, len(features))
        kinds.add(kind)
        total += found
    if not kinds:
        raise NoImportance("the artifact holds no model file")
    whole = float(total.sum())
    if not whole > 0:
        raise NoImportance("the model never splits: it predicts the same for every row")
    shares = total / whole
    by_column: dict[str, float] = {}
    for column, share in zip(columns, shares.tolist(), strict=True):
        by_column[column] = by_column.get(column, 0.0) + share
    return {
        "kind": "gain" if kinds == {"gain"} else "weights",
        "method": _GAIN if kinds == {"gain"} else _WEIGHTS,
        "columns": _largest("column", by_column),
        "features": _largest("feature", dict(zip(features, shares.tolist(), strict=True))),
    }


def _largest(name: str, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{name: key, "share": float(f"{share:.6g}")} for key, share in ordered[:_MOST] if share > 0]


def _of_model(content: bytes, width: int) -> tuple[str, NDArray[np.float64]]:
    try:
        learner = _document(content)["learner"]
        booster = learner["gradient_booster"]
        count = int(learner["learner_model_param"]["num_feature"])
        if count > width:  # fewer: the last columns were empty
            raise NoImportance("the model has other columns than the data set")
        if booster["name"] == "gblinear":
            return "weights", _weights(np.asarray(booster["model"]["weights"], dtype=np.float64), count, width)
        model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
        return "gain", _gains(model["trees"], width)
    except NoImportance:
        raise
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise NoImportance(f"the model's file is laid out in an unknown way ({error})") from error


def _document(content: bytes) -> Any:
    if content[:1] != b"{":
        raise NoImportance("the artifact is neither JSON nor UBJSON")
    try:
        return json.loads(content) if content[1:2] in b'"\n \r\t' else ubjson.loads(content)
    except ValueError as error:
        raise NoImportance(f"the model's file can't be read ({error})") from error


def _gains(trees: Iterable[Mapping[str, Any]], width: int) -> NDArray[np.float64]:
    found = np.zeros(width)
    for tree in trees:
        splits = np.asarray(tree["left_children"], dtype=np.int64) != -1
        features = np.asarray(tree["split_indices"], dtype=np.int64)[splits]
        gains = np.asarray(tree["loss_changes"], dtype=np.float64)[splits]
        found += np.bincount(features, weights=gains, minlength=width)
    return found


def _weights(weights: NDArray[np.float64], count: int, width: int) -> NDArray[np.float64]:
    """Of each feature, over all classes; the last row is the bias."""
    found = np.zeros(width)
    rows = np.abs(weights.reshape(count + 1, -1)[:count])
    found[:count] = rows.sum(axis=1)
    return found
