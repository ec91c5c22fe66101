"""What linear learner measures: losses, scores, and the threshold of a binary classifier.

Names: https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from local_region.containers.builtin.algorithm import Array

#: how the objective of a loss is called in the log
_OBJECTIVES = {
    "logistic": "binary_classification_cross_entropy",
    "softmax_loss": "multiclass_cross_entropy",
    "squared_loss": "mse",
}
_TINY = 1e-15


def objective_name(loss: str) -> str:
    return f"{_OBJECTIVES.get(loss, loss)}_objective"


def objective(loss: str, truth: Array, score: Array, values: Mapping[str, Any]) -> float:
    """The mean loss, without regularization. ``score`` is what the model answers: a probability for ``logistic``."""
    if loss == "logistic":
        chance = np.clip(score, _TINY, 1 - _TINY)
        return float(-np.mean(truth * np.log(chance) + (1 - truth) * np.log(1 - chance)))
    if loss == "softmax_loss":
        chance = np.clip(score[np.arange(len(truth)), truth.astype(np.int64)], _TINY, 1.0)
        return float(-np.mean(np.log(chance)))
    if loss == "hinge_loss":
        signs = 2 * truth - 1 if score.ndim == 1 else np.where(truth[:, None] == np.arange(score.shape[1]), 1, -1)
        return float(np.mean(np.maximum(0.0, values["margin"] - signs * score)))
    gap = truth - score
    if loss == "squared_loss":
        return float(np.mean(gap**2))
    size = np.abs(gap)
    if loss == "huber_loss":
        delta = values["huber_delta"]
        return float(np.mean(np.where(size <= delta, 0.5 * gap**2, delta * (size - 0.5 * delta))))
    if loss == "quantile_loss":
        return float(np.mean(np.maximum(values["quantile"] * gap, (values["quantile"] - 1) * gap)))
    if loss == "absolute_loss":
        return float(np.mean(size))
    beyond = np.maximum(size - values["loss_insensitivity"], 0.0)
    return float(np.mean(beyond**2 if loss == "eps_insensitive_squared_loss" else beyond))


def of_regression(truth: Array, score: Array) -> dict[str, tuple[str, float]]:
    """Name → (kind, value)."""
    gap = truth - score
    mse, mae = float(np.mean(gap**2)), float(np.mean(np.abs(gap)))
    spread = float(np.var(truth))
    return {
        "mse": ("loss", mse),
        "absolute_loss": ("loss", mae),
        "rmse": ("loss", mse**0.5),
        "mae": ("loss", mae),
        "r2": ("score", 1.0 - mse / spread if spread else 0.0),
    }


def of_binary(truth: Array, score: Array, label: Array, beta: float) -> dict[str, tuple[str, float]]:
    from sklearn.metrics import roc_auc_score

    hits = float(np.sum((truth == 1) & (label == 1)))
    precision = hits / max(float(np.sum(label == 1)), 1.0)
    recall = hits / max(float(np.sum(truth == 1)), 1.0)
    found = {
        "binary_classification_accuracy": ("score", float(np.mean(truth == label))),
        f"binary_f_{beta:.3f}": ("score", _f_beta(precision, recall, beta)),
        "precision": ("score", precision),
        "recall": ("score", recall),
    }
    if len(np.unique(truth)) == 2:
        found["roc_auc_score"] = ("score", float(roc_auc_score(truth, score)))
    return found


def of_classes(truth: Array, score: Array, label: Array, top: int, beta: float) -> dict[str, tuple[str, float]]:
    from sklearn.metrics import precision_recall_fscore_support

    own = np.take_along_axis(score, truth.astype(np.int64)[:, None], axis=1)
    rank = 1 + (score > own).sum(axis=1)
    precision, recall, f, _ = precision_recall_fscore_support(truth, label, beta=beta, average="macro", zero_division=0)
    return {
        "multiclass_accuracy": ("score", float(np.mean(truth == label))),
        f"multiclass_top_k_accuracy_{top}": ("score", float(np.mean(rank <= top))),
        "dcg": ("score", float(np.mean(1.0 / np.log2(1 + rank)))),
        "macro_recall": ("score", float(recall)),
        "macro_precision": ("score", float(precision)),
        f"macro_f_{beta:.3f}": ("score", float(f)),
    }


def _f_beta(precision: Any, recall: Any, beta: float) -> Any:
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / np.where(below > 0, below, 1.0)


def threshold(truth: Array, score: Array, usual: float, values: Mapping[str, Any]) -> float:
    """The score from which on a row is 1, chosen by ``binary_classifier_model_selection_criteria``; ``usual`` (.5 of
    a probability, 0 of a margin) for ``loss_function``. Of equally good ones, the nearest to the usual one."""
    criterion = values["binary_classifier_model_selection_criteria"]
    if criterion in ("loss_function", "cross_entropy_loss") or len(np.unique(truth)) < 2:
        return usual
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(truth[order] == 1)
    positive = np.arange(1, len(truth) + 1)
    ends = np.append(ranked[1:] != ranked[:-1], True)  # equal scores fall on one side
    ranked, hits, positive = ranked[ends], hits[ends], positive[ends]
    precision, recall = hits / positive, hits / hits[-1]
    if criterion == "f_beta":
        worth = _f_beta(precision, recall, values["f_beta"])
    elif criterion == "precision_at_target_recall":
        worth = np.where(recall >= values["target_recall"], precision, recall - 2)
    elif criterion == "recall_at_target_precision":
        worth = np.where(precision >= values["target_precision"], recall, precision - 2)
    else:
        worth = (hits + (len(truth) - hits[-1]) - (positive - hits)) / len(truth)
    between = np.append((ranked[:-1] + ranked[1:]) / 2, ranked[-1])
    best = np.flatnonzero(worth >= worth.max() - 1e-12)
    # A cut anywhere between two scores does the same: take the usual one where it lies between the best.
    low = np.append(ranked[1:], -np.inf)
    if np.any((low[best] < usual) & (usual <= ranked[best])):
        return usual
    return float(between[best[np.argmin(np.abs(between[best] - usual))]])
