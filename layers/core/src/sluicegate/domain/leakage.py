"""How well one column alone predicts the target (numpy): what a leaked label looks like.

A column's values fall into bins, the target's share (or mean) in each bin is learned from training rows, and what that
predicts of the validation rows is measured: the area under the ROC curve for two classes (Fawcett 2006), balanced
accuracy for several, R² for numbers. A column scores the worse of training and validation: its training rows alone
would flatter columns of many values, and a few validation rows alone flatter anything.

Bins of numbers: each value its own while they are few; else where the label changes along the sorted values, while it
does so seldom (which finds an exact threshold); else quantiles. No bin has fewer than ten training rows on average.
The order of the rows doesn't matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]

#: rows of a class that are looked at, to learn from and to check with; a class of fewer is not looked at
MOST_TRAINED, MOST_CHECKED = 2_000, 1_000
FEWEST_TRAINED, FEWEST_CHECKED = 20, 5
#: the share of the rows whose classes have as many
_COVERED = 0.95
_MOST_BINS, _ROWS_OF_A_BIN = 128, 10
#: a category of fewer training rows counts with the other rare ones
_RARE = 3
#: what a class's share of a bin starts from
_SMOOTH = 1e-4


@dataclass(frozen=True)
class Predictor:
    """``score``: from 0 (or below: no better than one answer for all) to 1. ``alike``: the chance that two rows have
    the same value of the column."""

    score: float
    alike: float


@dataclass(frozen=True)
class Missingness:
    """The column is empty (or ``filled`` in) in the share ``inside`` of the rows of ``of_class`` (a place in
    ``Rows.kept``), and ``outside`` of the others: the lesser and the greater of training and validation.

    ``g``: twice the log-likelihood ratio against chance, which has a χ² distribution with one degree of freedom where
    only chance is at work (Sokal & Rohlf 1981, chapter 17).
    """

    of_class: int
    filled: bool
    inside: float
    outside: float
    g: float

    @property
    def auc(self) -> float:
        return (1 + self.inside - self.outside) / 2


class Rows:
    """The rows that columns are looked at with. ``labels`` (n,): a class's index, or numbers where ``classes`` is 0.
    ``trained`` (n,): learned from, or else validation. ``chosen``: positions of the rows whose cells are asked for."""

    def __init__(self, labels: Floats, trained: Bools, classes: int) -> None:
        self.classes = classes
        if classes:
            sizes = [(labels == label) for label in range(classes)]
            kept = [
                (_spread(found & trained, MOST_TRAINED), _spread(found & ~trained, MOST_CHECKED)) for found in sizes
            ]
            self.kept = [
                label
                for label, (train, check) in enumerate(kept)
                if len(train) >= FEWEST_TRAINED and len(check) >= FEWEST_CHECKED
            ]
            self._covered = sum(int(sizes[label].sum()) for label in self.kept) >= _COVERED * len(labels)
            # by label: equal values are sorted alike, whatever the rows' order
            train = [kept[label][0] for label in self.kept]
            check = [kept[label][1] for label in self.kept]
            # the place of each row's class in ``kept``
            self.train_codes = np.repeat(np.arange(len(train)), [len(part) for part in train])
            self.check_codes = np.repeat(np.arange(len(check)), [len(part) for part in check])
        else:
            train = [_spread(trained & np.isfinite(labels), 2 * MOST_TRAINED)]
            check = [_spread(~trained & np.isfinite(labels), 2 * MOST_CHECKED)]
            train[0] = train[0][np.argsort(labels[train[0]], kind="stable")]
            self.kept = []
            self.train_numbers, self.check_numbers = labels[train[0]], labels[check[0]]
        self.trained = sum(len(part) for part in train)
        self.chosen: Codes = np.concatenate([*train, *check]) if train else np.zeros(0, dtype=np.intp)

    @property
    def enough(self) -> bool:
        """Whether there is anything to say by these rows."""
        if self.classes:
            return len(self.kept) >= 2 and self._covered
        checked = len(self.chosen) - self.trained
        return self.trained >= 2 * FEWEST_TRAINED and checked >= 2 * FEWEST_CHECKED and bool(np.ptp(self.check_numbers))

    def numbers(self, values: Floats) -> Predictor | None:
        """``values`` (chosen,), not finite where missing. None of a column without values."""
        known = np.isfinite(values)
        train, present = values[: self.trained], known[: self.trained]
        order = np.argsort(train[present], kind="stable")
        ordered = train[present][order]
        if len(ordered) < _ROWS_OF_A_BIN:
            return None
        last = np.flatnonzero(ordered[1:] != ordered[:-1])  # of each value but the greatest
        labels = self.train_codes[present][order] if self.classes else None
        scores = []
        for edges in _edges(ordered, last, labels):
            codes = np.where(known, np.searchsorted(edges, values), len(edges) + 1)
            if self.classes:
                scores.append(self._of_classes(codes, len(edges) + 2))
            else:
                scores.append(self._of_numbers(codes, len(edges) + 2, np.where(known, values, 0.0)))
        times = np.diff(np.concatenate([[-1], last, [len(ordered) - 1]]))
        return Predictor(max(scores), _alike(times, self.trained))

    def categories(self, values: NDArray[np.uint64], missing: Bools) -> Predictor:
        """``values`` (chosen,) are equal where the texts are; what they are where ``missing`` doesn't matter."""
        names, codes = np.unique(values, return_inverse=True)
        counts = np.bincount(codes[: self.trained][~missing[: self.trained]], minlength=len(names))
        rare = counts < _RARE
        codes = np.where(missing, len(names), np.where(rare[codes], len(names) + 1, codes))
        width = len(names) + 2
        score = self._of_classes(codes, width) if self.classes else self._of_numbers(codes, width, None)
        return Predictor(score, _alike(counts, self.trained))

    def missingness(self, missing: Bools) -> Missingness | None:
        """Which class's rows have the column empty, or filled in, much more often than the others do. Only of classes;
        None of a column that is always or never there. ``missing`` (chosen,)."""
        if not self.classes or missing.all() or not missing.any():
            return None
        sizes = np.array([np.bincount(codes) for codes in (self.train_codes, self.check_codes)], dtype=np.float64)
        parts = ((self.train_codes, missing[: self.trained]), (self.check_codes, missing[self.trained :]))
        empty = np.array([np.bincount(codes, gone, len(self.kept)) for codes, gone in parts])
        best: tuple[float, Missingness] | None = None
        for filled, count in ((True, sizes - empty), (False, empty)):
            others = count.sum(axis=1, keepdims=True) - count, sizes.sum(axis=1, keepdims=True) - sizes
            inside, outside = (count / sizes).min(axis=0), (others[0] / others[1]).max(axis=0)
            # how much likelier, where hundreds of rows can say no more than "in none"
            ratio = inside / (outside + 0.01)
            code = int(ratio.argmax())
            if best is None or ratio[code] > best[0]:
                table = np.array([[part[:, code].sum() for part in pair] for pair in ((count, sizes), others)])
                found = Missingness(code, filled, float(inside[code]), float(outside[code]), _g(table))
                best = float(ratio[code]), found
        return best[1] if best else None

    @cached_property
    def _shares(self) -> tuple[Floats, Floats]:
        """What one row of each class weighs, so that all classes weigh the same."""
        width = len(self.kept)
        return 1 / np.bincount(self.train_codes, minlength=width), 1 / np.bincount(self.check_codes, minlength=width)

    def _of_classes(self, codes: Codes, width: int) -> float:
        classes = len(self.kept)
        train = np.bincount(codes[: self.trained] * classes + self.train_codes, minlength=width * classes)
        check = np.bincount(codes[self.trained :] * classes + self.check_codes, minlength=width * classes)
        by_train, by_check = self._shares
        learned, seen = train.reshape(width, classes) * by_train, check.reshape(width, classes) * by_check
        if classes == 2:
            order = np.argsort((learned[:, 1] + _SMOOTH) / (learned.sum(axis=1) + 2 * _SMOOTH), kind="stable")
            return min(_area(shares[order, 0], shares[order, 1]) for shares in (learned, seen))
        named = learned.argmax(axis=1)
        return min(float(shares[np.arange(width), named].sum()) / classes for shares in (learned, seen))

    def _of_numbers(self, codes: Codes, width: int, values: Floats | None) -> float:
        """A line in each bin where there are ``values``, else a mean; once for the target, once for its rank."""
        return max(self._lines(codes, width, values, *labels) for labels in self._scales)

    @cached_property
    def _scales(self) -> list[tuple[Floats, Floats]]:
        """The target as it is and, where no value stands for many rows, as its place among the training rows: what is
        a function of the target is then found whatever its tails."""
        train, check = self.train_numbers, self.check_numbers
        found = [(train, check)]
        if np.unique(train, return_counts=True)[1].max() <= len(train) // _ROWS_OF_A_BIN:
            middle = (np.searchsorted(train, train) + np.searchsorted(train, train, "right")) / 2
            found.append((middle, np.interp(check, train, middle)))
        return found

    def _lines(self, codes: Codes, width: int, values: Floats | None, train: Floats, check: Floats) -> float:
        mine, theirs = codes[: self.trained], codes[self.trained :]
        counts = np.maximum(np.bincount(mine, minlength=width), 1)
        means = np.bincount(mine, train, width) / counts
        predicted = [means[mine], means[theirs]]
        with np.errstate(all="ignore"):  # numbers near the greatest that there are
            if values is not None:
                centres = np.bincount(mine, values[: self.trained], width) / counts
                off = [values[: self.trained] - centres[mine], values[self.trained :] - centres[theirs]]
                spread = np.bincount(mine, off[0] ** 2, width)
                slopes = np.where(spread > 0, np.bincount(mine, off[0] * (train - predicted[0]), width) / spread, 0.0)
                predicted = [predicted[0] + slopes[mine] * off[0], predicted[1] + slopes[theirs] * off[1]]
            middle = train.mean()
            both = [
                float(1 - ((labels - guess) ** 2).sum() / ((labels - middle) ** 2).sum())
                for labels, guess in zip((train, check), predicted, strict=True)
            ]
        return min(both) if all(map(math.isfinite, both)) else -math.inf


def _edges(ordered: Floats, last: Codes, labels: Codes | None) -> list[Floats]:
    """Upper ends of the bins but the last one's."""
    most = min(_MOST_BINS, max(2, len(ordered) // _ROWS_OF_A_BIN))
    if len(last) < most:
        return [ordered[last]]
    quantiles = ordered[[len(ordered) * place // most for place in range(1, most)]]
    found = [np.unique(quantiles)]
    if labels is not None:
        changes = last[labels[last] != labels[last + 1]]
        if len(changes) < most:
            found.append(ordered[changes] / 2 + ordered[changes + 1] / 2)
    return found


def _spread(wanted: Bools, most: int) -> Codes:
    """Positions of at most ``most`` of the rows wanted, evenly spread."""
    found = np.flatnonzero(wanted)
    return found if len(found) <= most else found[np.arange(most) * len(found) // most]


def _alike(counts: NDArray[np.intp], rows: int) -> float:
    """The chance that two different rows have the same value; missing values are one, too. Where none have, as if one
    pair had."""
    every = np.append(counts, rows - counts.sum()).astype(np.float64)
    return max(float((every * (every - 1)).sum()), 2.0) / (rows * (rows - 1))


def _area(negatives: Floats, positives: Floats) -> float:
    """Under the ROC curve of bins in rising order of the score, with each class's shares of the bins."""
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum())


def _g(table: Floats) -> float:
    """The G statistic of two groups: ``table`` (2, 2) has of each how many have it, and how many there are."""
    cells = np.stack([table[:, 0], table[:, 1] - table[:, 0]])
    expected = cells.sum(axis=1, keepdims=True) * cells.sum(axis=0) / cells.sum()
    there = cells > 0
    return 2 * float((cells[there] * np.log(cells[there] / expected[there])).sum())
