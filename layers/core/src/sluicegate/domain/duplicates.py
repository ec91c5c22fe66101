"""Rows that are equal in everything a model sees (numpy): labels that contradict each other, and rows held out that are
learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Duplicates:
    """Of ``rows`` looked at ``contradicting`` have the same features as one with another label.

    ``unreachable``: what the best answer for each set of features still gets wrong, as a share of what the one best
    answer for all rows does: of wrong rows where there are classes (``wrong`` of them), else of the squared error.
    ``held`` rows are held out; ``learned`` of them are equal to one that is learned from, ``copied`` in the label, too.
    """

    rows: int
    contradicting: int
    wrong: int
    unreachable: float
    held: int
    learned: int
    copied: int


def duplicates(same: NDArray[np.uint64], held: Bools, labels: Floats, classes: int) -> Duplicates:
    """``same`` (n,): equal where the features are. ``held`` (n,): in the holdout. ``labels`` (n,): a class's index, or
    numbers where ``classes`` is 0. The order of the rows doesn't matter."""
    rows = len(same)
    if not rows:
        return Duplicates(0, 0, 0, 0.0, 0, 0, 0)
    _, group = np.unique(same, return_inverse=True)
    names, kind = np.unique(labels, return_inverse=True)
    pairs, pair, sizes = np.unique(group * len(names) + kind, return_inverse=True, return_counts=True)
    of_pair = pairs // len(names)
    labels_of = np.bincount(of_pair)
    if classes:
        starts = np.flatnonzero(np.r_[True, of_pair[1:] != of_pair[:-1]])
        wrong = rows - int(np.maximum.reduceat(sizes, starts).sum())
        otherwise = rows - int(np.bincount(kind).max())
        unreachable = wrong / otherwise if otherwise else 0.0
    else:
        wrong = 0
        with np.errstate(all="ignore"):  # numbers near the greatest that there are
            means = np.bincount(group, labels) / np.bincount(group)
            spread = float(((labels - labels.mean()) ** 2).sum())
            unreachable = float(((labels - means[group]) ** 2).sum()) / spread if spread else 0.0
    learned = np.bincount(group[~held], minlength=len(labels_of)) > 0
    learned_pair = np.bincount(pair[~held], minlength=len(pairs)) > 0
    return Duplicates(
        rows,
        int((labels_of[group] > 1).sum()),
        wrong,
        unreachable,
        int(held.sum()),
        int((held & learned[group]).sum()),
        int((held & learned_pair[pair]).sum()),
    )
