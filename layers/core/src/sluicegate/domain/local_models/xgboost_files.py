"""From ``xgboost-model`` files to a document (numpy). No file is unpickled, and XGBoost is not needed.

Format: XGBoost's "JSON schema of models" (doc/tutorials/saving_model.rst), the same in JSON and UBJSON.
``base_score`` is kept there as an answer; the objective's ``ProbToMargin`` (src/objective/) makes a margin of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sluicegate.domain import ubjson
from sluicegate.domain.local_models import FORMAT, NoLocalModel
from sluicegate.domain.local_models.packing import pack

MOST_NODES = 300_000
#: a record walks through every tree: more would take longer than an endpoint
MOST_TREES = 5_000

#: objective → its link
_LINKS = {
    "binary:logistic": "logistic",
    "reg:logistic": "logistic",
    "multi:softprob": "softmax",
    "count:poisson": "exponential",
    "reg:gamma": "exponential",
    "reg:tweedie": "exponential",
} | dict.fromkeys(
    ("reg:squarederror", "reg:linear", "reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror"), "identity"
)
_ONE = np.float32(1)
#: numpy's own log of 32 bits is off by more than C's
_MARGINS: Mapping[str, Callable[[np.float32], float]] = {
    "logistic": lambda score: -np.log(np.float64(_ONE / score - _ONE)),
    "exponential": lambda score: np.log(np.float64(score)),
    "softmax": float,
    "identity": float,
}


def document(files: Iterable[bytes]) -> dict[str, Any]:
    """Of the files of an artifact (several after cross-validation). ``NoLocalModel``."""
    found = [_learner(content) for content in files]
    if not found:
        raise NoLocalModel("the artifact holds no model file")
    if len({(kind, link, width) for kind, link, width, _ in found}) > 1:
        raise NoLocalModel("the artifact's models differ in kind or width")
    kind, link, width, _ = found[0]
    return {
        "format": FORMAT,
        "kind": kind,
        "link": link,
        "width": width,
        "members": [member for _, _, _, member in found],
    }


def _learner(content: bytes) -> tuple[str, str, int, dict[str, Any]]:
    try:
        learner = _parsed(content)["learner"]
        objective, parameters = learner["objective"]["name"], learner["learner_model_param"]
        if objective not in _LINKS:
            raise NoLocalModel(f"the objective {objective} is not evaluated in the function")
        if int(parameters.get("num_target", "1")) != 1:
            raise NoLocalModel("the model has several targets")
        link, width = _LINKS[objective], int(parameters["num_feature"])
        outputs = max(1, int(parameters["num_class"]))
        with np.errstate(all="ignore"):
            base = float(np.float32(_MARGINS[link](np.float32(str(parameters["base_score"]).strip("[]")))))
        booster = learner["gradient_booster"]
        if booster["name"] == "gblinear":
            return "linear", link, width, _linear(booster["model"], width, outputs, base)
        dart = booster["name"] == "dart"
        model = (booster["gbtree"] if dart else booster)["model"]
        drops = booster["weight_drop"] if dart else [1.0] * len(model["trees"])
        return "trees", link, width, _trees(model, outputs, base, drops)
    except NoLocalModel:
        raise
    except (KeyError, TypeError, IndexError, ValueError, RecursionError) as error:
        raise NoLocalModel(f"the model's file is laid out in an unknown way ({error})") from error


def _parsed(content: bytes) -> Any:
    if content[:1] != b"{":
        raise NoLocalModel("the artifact is neither JSON nor UBJSON")
    return json.loads(content) if content[1:2] in b'"\n \r\t' else ubjson.loads(content)


def _linear(model: Mapping[str, Any], width: int, outputs: int, base: float) -> dict[str, Any]:
    """The file has a row a feature, a column an output, the biases last."""
    table = np.asarray(model["weights"], np.float32).reshape(width + 1, outputs)
    if not np.isfinite(table).all():
        raise NoLocalModel("the training diverged: weights of the model are not finite")
    biases = table[-1] + np.float32(base)
    return {
        "precision": "single",
        "weights": pack("f", table[:-1].T.ravel().tolist()),
        "bias": [float(bias) for bias in biases],
    }


def _trees(model: Mapping[str, Any], outputs: int, base: float, drops: Sequence[float]) -> dict[str, Any]:
    trees, groups = model["trees"], [int(group) for group in model["tree_info"]]
    nodes = sum(len(tree["left_children"]) for tree in trees)
    if len(trees) > MOST_TREES or nodes > MOST_NODES:
        raise NoLocalModel(
            f"the model is too large: {len(trees):,} trees of {nodes:,} nodes, at most {MOST_TREES:,} of {MOST_NODES:,}"
        )
    if len(groups) != len(trees) or len(drops) != len(trees):
        raise ValueError("a tree without its output or weight")
    forest = _Forest()
    roots = [forest.add(tree, np.float32(drop)) for tree, drop in zip(trees, drops, strict=True)]
    return {"base": base, "outputs": outputs, "groups": groups, "roots": roots, **forest.document()}


class _Forest:
    """The nodes of all trees in one numbering: a tree's level by level, children side by side."""

    def __init__(self) -> None:
        self._features: list[int] = []
        self._values: list[float] = []
        self._lefts: list[int] = []
        self._missing: list[int] = []
        self._categories: dict[str, list[int]] = {}

    def add(self, tree: Mapping[str, Any], drop: np.float32) -> int:
        """The root's index. ``drop`` is what dart gives the tree's leaves as weight."""
        if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
            raise NoLocalModel("a leaf holds several outputs")
        lefts, rights = _whole(tree["left_children"]), _whole(tree["right_children"])
        features, default = _whole(tree["split_indices"]), _whole(tree["default_left"])
        conditions = np.asarray(tree["split_conditions"], np.float32)
        if not np.isfinite(conditions[np.asarray(lefts) < 0]).all():
            raise NoLocalModel("the training diverged: leaves of the model are not finite")
        sets = _sets(tree)
        start = len(self._features)
        order = [0]
        for place, node in enumerate(order):  # it grows while it is walked
            if place >= len(lefts):
                raise ValueError("a tree that leads back into itself")
            leaf = lefts[node] < 0
            self._features.append(-1 if leaf else features[node])
            self._values.append(float(conditions[node] * drop if leaf else conditions[node]))
            self._lefts.append(-1 if leaf else start + len(order))
            self._missing.append(0 if leaf else default[node])
            if not leaf:
                order += [lefts[node], rights[node]]
                if node in sets:
                    self._categories[str(start + place)] = sets[node]
        return start

    def document(self) -> dict[str, Any]:
        return {
            "features": pack("i", self._features),
            "values": pack("f", self._values),
            "left": pack("i", self._lefts),
            "missing": pack("B", self._missing),
            "categories": self._categories,
        }


def _whole(values: Any) -> list[int]:
    return [int(value) for value in np.asarray(values, np.int64)]


def _sets(tree: Mapping[str, Any]) -> dict[int, list[int]]:
    """By node: the categories that go to the right."""
    every = _whole(tree.get("categories", []))
    spans = zip(
        _whole(tree.get("categories_nodes", [])),
        _whole(tree.get("categories_segments", [])),
        _whole(tree.get("categories_sizes", [])),
        strict=True,
    )
    return {node: every[start : start + size] for node, start, size in spans}
