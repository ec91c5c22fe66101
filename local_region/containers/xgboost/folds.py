"""Cross validation (``_kfold``, ``_num_cv_round``): how rows are dealt, and the held-out predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def folds(labels: Array, count: int, rounds: int, stratified: bool, seed: int) -> Iterator[tuple[Array, Array]]:
    """``rounds × count`` pairs of (training rows, held-out rows). Stratified: each class dealt evenly."""
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        fold_of = np.empty(len(labels), dtype=np.int64)
        blocks = [np.flatnonzero(labels == c) for c in np.unique(labels)] if stratified else [np.arange(len(labels))]
        dealt = 0  # classes go on where the class before ended, so that fold sizes stay even
        for block in blocks:
            fold_of[random.permutation(block)] = (np.arange(len(block)) + dealt) % count
            dealt += len(block)
        for fold in range(count):
            held_out = fold_of == fold
            yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


class HeldOut:
    """Predictions of every row while it was held out, over all rounds: the built-in's ``predictions.csv``."""

    def __init__(self, truth: Array, rounds: int, classes: bool) -> None:
        self._truth, self._classes = truth, classes
        self._guess = np.zeros((len(truth), rounds))
        self._score = np.zeros((len(truth), rounds))
        self._seen = np.zeros(len(truth), dtype=np.int64)

    def record(self, rows: Array, predictions: Array) -> None:
        at = self._seen[rows]
        if not self._classes:
            self._guess[rows, at] = predictions
        elif predictions.ndim > 1:
            winner = predictions.argmax(axis=1)
            self._guess[rows, at] = winner
            self._score[rows, at] = predictions[np.arange(len(winner)), winner]
        else:
            self._guess[rows, at] = predictions > 0.5
            self._score[rows, at] = predictions
        self._seen[rows] += 1

    def save(self, path: Path) -> None:
        """A line a row: truth, mean probability and commonest class; for regression truth and mean prediction."""
        if self._classes:
            commonest = [np.unique(row, return_counts=True) for row in self._guess]
            guess = np.array([values[counts.argmax()] for values, counts in commonest])
            table = np.column_stack([self._truth, self._score.mean(axis=1), guess])
        else:
            table = np.column_stack([self._truth, self._guess.mean(axis=1)])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, table, delimiter=",", fmt="%f")
