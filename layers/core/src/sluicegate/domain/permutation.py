"""How much worse a model is when it can't read a column: permutation importance over rows held out (numpy).

The values of one column are dealt out anew among the rows, with all the encoded features that come from it, and the
metric is taken again; its loss, the mean over some such shuffles, is the column's importance. Source: Breiman, Random
Forests (2001), section 10; for any model: Fisher, Rudin & Dominici, JMLR 20 (2019), 177.

The interval is the value ± 1.96 standard deviations of a bootstrap of the rows, in which a row keeps its answers of all
shuffles. What it costs is bounded by numbers of steps, not by time: the same run says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain.measures import LOWER_IS_BETTER
from sluicegate.domain.metrics import generator, measure
from sluicegate.domain.schema import Problem

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Places = NDArray[np.intp]

REPEATS = 3
DRAWS = 50
MOST_ROWS = 1_000
#: with fewer, intervals say nothing
FEWEST_ROWS = 200
MOST_COLUMNS = 40
#: steps of ``InBulk`` for all columns, shuffles and rows: about two seconds of a function with one processor
MOST_STEPS = 80_000_000
#: numbers that the rows may have
MOST_CELLS = 4_000_000
#: columns without use that are named
_MOST_NAMES = 100


class NotShuffled(ValueError):
    """There is no permutation importance; the text is the reason."""


class Answers(Protocol):
    """``domain.local_models.in_bulk.Over``."""

    rows: Rows

    def scores(self, rows: Rows | None = None, features: Places | None = None) -> Floats: ...


class Model(Protocol):
    """``domain.local_models.in_bulk.InBulk``."""

    def steps(self, features: Places) -> int: ...
    def over(self, rows: Rows) -> Answers: ...


def sample(count: int, width: int, seed: str) -> Places:
    """The rows out of ``count`` to shuffle, ascending."""
    most = max(1, min(count, MOST_ROWS, MOST_CELLS // max(width, 1)))
    return np.sort(generator(f"{seed}:rows").choice(count, most, replace=False))


def importance(
    problem: Problem,
    metric: str,
    labels: Floats,
    rows: Rows,
    model: Model,
    columns: Mapping[str, Places],
    *,
    seed: str,
    first: Sequence[str] = (),
) -> dict[str, Any]:
    """``rows`` (n, width) with their ``labels`` (n,); ``columns`` are each column's features. ``NotShuffled``.

    Columns in ``first`` are shuffled before the others, where not all can be. A column's numbers depend on ``seed``,
    its name and the rows, not on the other columns.
    """
    steps = {name: model.steps(features) for name, features in columns.items()}
    ranks = {name: rank for rank, name in enumerate(first)}
    used = sorted((name for name in steps if steps[name]), key=lambda name: (ranks.get(name, len(ranks)), name))
    count, tried = _affordable(steps, used[:MOST_COLUMNS], len(labels))
    if used and not tried:
        raise NotShuffled("the model is too large for it")
    labels, answers = labels[:count], model.over(rows[:count])
    before = _predictions(problem, answers.scores())
    draws = _Draws(problem, metric, labels, before, seed)
    if not np.isfinite(draws.value):
        raise NotShuffled(f"{metric} can't be computed over {count:,} of the rows held out")
    found: list[tuple[str, float, float]] = []
    for name in tried:
        value, deviation = draws.loss(_shuffled(problem, answers, columns[name], f"{seed}:{name}"))
        if not np.isfinite([value, deviation]).all():
            raise NotShuffled(f"{metric} can't be computed when {name} is shuffled")
        found.append((name, value, 1.96 * deviation))
    found.sort(key=lambda row: (-row[1], row[0]))
    unused = sorted(name for name in steps if not steps[name])
    return {
        "metric": metric,
        "value": draws.value,
        "rows": count,
        "shuffles": REPEATS,
        "columns": [
            {"column": name, "value": value, "low": value - reach, "high": value + reach}
            for name, value, reach in found
        ],
        "more_columns": len(used) - len(tried),
        "unused": unused[:_MOST_NAMES],
        "more_unused": max(0, len(unused) - _MOST_NAMES),
    }


def _affordable(steps: Mapping[str, int], tried: Sequence[str], count: int) -> tuple[int, list[str]]:
    """How many of ``count`` rows and which columns ``MOST_STEPS`` are enough for: fewer rows first, then fewer columns,
    the last ones left out."""
    every = MOST_STEPS // max(1, REPEATS * sum(steps[name] for name in tried))
    rows = min(count, max(FEWEST_ROWS, every))
    left, found = MOST_STEPS // (REPEATS * rows), []
    for name in tried:
        left -= steps[name]
        if left < 0:
            break
        found.append(name)
    return rows, found


def _predictions(problem: Problem, scores: Floats) -> Floats:
    """As ``metrics`` takes them. ``NotShuffled`` when they are none of this problem."""
    width = len(problem.classes) if problem.kind == "multiclass" else 1
    if scores.shape[1] != width:
        raise NotShuffled(f"the model answers {scores.shape[1]} numbers a row, expected {width}")
    return scores if problem.kind == "multiclass" else scores[:, 0]


def _shuffled(problem: Problem, answers: Answers, features: Places, seed: str) -> list[Floats]:
    """The predictions after each shuffle of ``features``, which stay together."""
    random = generator(seed)
    rows, found = answers.rows.copy(), []
    for _ in range(REPEATS):
        rows[:, features] = answers.rows[random.permutation(len(rows))][:, features]
        found.append(_predictions(problem, answers.scores(rows, features)))
    return found


class _Draws:
    """The metric over the rows as they are, and over the bootstrap's draws of them."""

    def __init__(self, problem: Problem, metric: str, labels: Floats, before: Floats, seed: str) -> None:
        self._problem, self._metric, self._labels = problem, metric, labels
        self._sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        random = generator(f"{seed}:draws")
        self._all: list[Places | slice] = [slice(None)]
        self._all += [random.integers(0, len(labels), len(labels)) for _ in range(DRAWS)]
        self._before = [self._measured(before, rows) for rows in self._all]
        self.value = self._before[0]

    def loss(self, after: Sequence[Floats]) -> tuple[float, float]:
        """The mean loss over the predictions ``after`` each shuffle, and its standard deviation over the draws."""
        losses = [
            self._sign * (before - float(np.mean([self._measured(predictions, rows) for predictions in after])))
            for rows, before in zip(self._all, self._before, strict=True)
        ]
        drawn = [loss for loss in losses[1:] if np.isfinite(loss)]
        return losses[0], float(np.std(drawn, ddof=1)) if len(drawn) > 1 else float("nan")

    def _measured(self, predictions: Floats, rows: Places | slice) -> float:
        found = measure(self._problem, self._labels[rows], predictions[rows], (self._metric,))
        return found.get(self._metric, float("nan"))
