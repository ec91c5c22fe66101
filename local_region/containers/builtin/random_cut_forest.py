"""Random cut forest. https://docs.aws.amazon.com/sagemaker/latest/dg/randomcutforest.html, hyperparameters:
…/rcf_hyperparameters.html.

The trees are scikit-learn's IsolationForest's (Liu, Ting, Zhou 2008): as a random cut tree, each cuts a sample of
``num_samples_per_tree`` rows at random until every row is alone. They differ in how a cut's feature is drawn (here each
is as likely as another, there by its range) and in rows outside of the sample's range (there they may be cut off higher
up). The score is random cut forest's own function of a row's depth, from aws/random-cut-forest-by-aws
(``CommonUtils``): ``log2(1 + size of the sample) / (depth + log2(1 + rows in its leaf))``, its mean over the trees. So
scores are of its scale, from .5 to 1 for a usual row and more for a strange one, and their order is what can be relied
on; the values themselves are not those of SageMaker. Set thresholds by the scores of your own data, as AWS advises:
three standard deviations above their mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from local_region.containers.builtin import serving, training
from local_region.containers.builtin.algorithm import Algorithm, Array, Data, Job, Model, dense
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, integer, subset

_BLOCK = 8_192
_DEVIATIONS = 3.0


class Forest(Model):
    """All trees' nodes one after another. ``feature`` is -1 in a leaf, ``left`` and ``right`` are nodes, ``threshold``
    sends a row left when its value is at most that; ``gain`` is a leaf's score; ``roots`` are the trees' first."""

    def answer(self, features: Any) -> dict[str, Array]:
        rows = dense(features)
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK):
            scores[start : start + _BLOCK] = self._scores(rows[start : start + _BLOCK])
        return {"score": scores}

    def _scores(self, rows: Array) -> Array:
        """All rows go down all trees together, a level at a time."""
        arrays = self.arrays
        node = np.tile(arrays["roots"], (len(rows), 1))
        at = np.arange(len(rows))[:, None]
        for _ in range(int(self.about["depth"])):
            feature = arrays["feature"][node]
            inner = feature >= 0
            goes_left = rows[at, np.maximum(feature, 0)] <= arrays["threshold"][node]
            following = np.where(goes_left, arrays["left"][node], arrays["right"][node])
            node = np.where(inner, following, node)
        return np.asarray(arrays["gain"][node].mean(axis=1))


class RandomCutForest(Algorithm):
    name = "randomcutforest"
    answers = "scores"
    required = ("feature_dim",)
    hyperparameters: ClassVar[Mapping[str, Parameter]] = {
        "feature_dim": integer(1, 10_000),
        "num_trees": integer(50, 1000),
        "num_samples_per_tree": integer(1, 2048),
        "eval_metrics": subset("accuracy", "precision_recall_fscore"),
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "num_trees": 100,
        "num_samples_per_tree": 256,
        "eval_metrics": ["accuracy", "precision_recall_fscore"],
    }

    def check_channel(self, name: str, channel: Mapping[str, Any]) -> None:
        wanted = "ShardedByS3Key" if name == "train" else "FullyReplicated"
        if channel.get("S3DistributionType", "FullyReplicated") != wanted:
            raise UserError(f"The {name} channel of randomcutforest takes S3DataDistributionType {wanted} only.")

    def fit(self, job: Job) -> Forest:
        from sklearn.ensemble import IsolationForest

        values, data = job.values, job.train
        size = min(values["num_samples_per_tree"], data.rows)
        learned = IsolationForest(n_estimators=values["num_trees"], max_samples=size, random_state=0)
        learned.fit(dense(data.features))
        parts: dict[str, list[Array]] = {name: [] for name in ("feature", "threshold", "left", "right", "gain")}
        roots, deepest = [0], 0
        for estimator in learned.estimators_:
            tree, first = estimator.tree_, roots[-1]
            leaf = tree.children_left < 0
            depth = _depths(tree)
            gain = np.log2(1 + size) / np.maximum(depth + np.log2(1 + tree.n_node_samples), 1e-9)
            parts["feature"].append(np.where(leaf, -1, tree.feature).astype(np.int32))
            parts["threshold"].append(tree.threshold.astype(np.float64))
            parts["left"].append(np.where(leaf, 0, tree.children_left + first).astype(np.int32))
            parts["right"].append(np.where(leaf, 0, tree.children_right + first).astype(np.int32))
            parts["gain"].append(np.where(leaf, gain, 0.0))
            roots.append(first + tree.node_count)
            deepest = max(deepest, int(depth.max()))
        arrays = {name: np.concatenate(part) for name, part in parts.items()}
        arrays["roots"] = np.array(roots[:-1], np.int32)
        return Forest(arrays, {"feature_dim": data.width, "depth": deepest})

    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Forest:
        nodes = len(arrays["feature"])
        if any(arrays[name].min() < 0 or arrays[name].max() >= nodes for name in ("left", "right", "roots")):
            raise ValueError("a node that is not in the forest")
        if arrays["feature"].max() >= about["feature_dim"]:
            raise ValueError("a feature beyond feature_dim")
        return Forest(arrays, about)

    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:
        from sklearn.metrics import accuracy_score, precision_recall_fscore_support

        truth = data.known(channel)
        if not np.isin(truth, (0, 1)).all():
            raise UserError(f"Labels of the {channel} channel must be 1 for an anomaly and 0 for a normal row.")
        scores = model.answer(data.features)["score"]
        guess = scores > scores.mean() + _DEVIATIONS * scores.std()
        if "accuracy" in job.values["eval_metrics"]:
            job.quality(channel, "accuracy", "score", float(accuracy_score(truth, guess)))
        if "precision_recall_fscore" in job.values["eval_metrics"]:
            found = precision_recall_fscore_support(truth, guess, average="binary", zero_division=0)
            for metric, value in zip(("precision", "recall", "f1"), found, strict=False):
                job.quality(channel, metric, "score", float(value))


def _depths(tree: Any) -> Array:
    """Of each node; children come after their parent."""
    depth = np.zeros(tree.node_count, np.int64)
    for node in range(tree.node_count):
        if tree.children_left[node] >= 0:
            depth[tree.children_left[node]] = depth[tree.children_right[node]] = depth[node] + 1
    return depth


ALGORITHM = RandomCutForest()
load, train, serve = training.loading(ALGORITHM), training.entry(ALGORITHM), serving.entry(ALGORITHM)
