"""What a version saw and said, counted line by line from the prediction log, in the bins that training set.

Memory: the counts, at most ``_BATCH`` values a column, the ids of what was counted, and the labels with the predictions
that join them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.domain.distribution import Distribution, as_text
from sluicegate.domain.numbers import finite
from sluicegate.domain.records import logged_value
from sluicegate.domain.schema import SUPERVISED, Column, Problem, Value

_BATCH = 4_096
_NUMBER = Column("label", "number")
#: a prediction as the evaluation's metrics take it: a number, or one for each class
Score = float | tuple[float, ...]


class Observed:
    """``trained`` and ``predicted`` say the bins. ``labels`` by inference id; each joins one prediction.

    A line is ``{"record", "prediction", "probabilities"?, "inference_id", "csv"?, …}`` (``docs/feedback.md``).
    """

    def __init__(
        self,
        columns: Sequence[Column],
        trained: Mapping[str, Distribution],
        predicted: Distribution | None,
        problem: Problem,
        labels: Mapping[str, float],
    ) -> None:
        self._columns = [column for column in columns if column.name in trained]
        self._problem = problem
        self._labels = dict(labels)
        self._values: dict[str, list[Value]] = {column.name: [] for column in self._columns}
        self._said: list[Value] = []
        self._seen = {column.name: trained[column.name].counting(()) for column in self._columns}
        self._predicted = None if predicted is None else predicted.counting(())
        self._waiting = 0
        self._known: set[str] = set()
        self.rows = 0
        self.without_record = 0
        self.truth: list[float] = []
        self.scores: list[Score] = []

    def count(self, line: Mapping[str, Any]) -> None:
        """A prediction of the period: its record and what was said of it, and its label where there is one."""
        identity = str(line.get("inference_id"))
        if identity in self._known:  # a batch of the log that came again in another cut
            return
        self._known.add(identity)
        self.rows += 1
        record, from_csv = line.get("record"), line.get("csv") is True
        if isinstance(record, Mapping):
            for column in self._columns:
                self._values[column.name].append(_value(column, record.get(column.name), from_csv))
        else:
            self.without_record += 1
        if (said := spoken(self._problem, line)) is not None:
            self._said.append(said)
        self._waiting += 1
        if self._waiting >= _BATCH:
            self._flush()
        self.join(line)

    def join(self, line: Mapping[str, Any]) -> None:
        """A prediction of any time: only its label counts."""
        label = self._labels.get(str(line.get("inference_id")))
        if label is not None and (scored := score(self._problem, line)) is not None:
            del self._labels[str(line["inference_id"])]
            self.truth.append(label)
            self.scores.append(scored)

    @property
    def seen(self) -> dict[str, Distribution]:
        self._flush()
        return dict(self._seen)

    @property
    def predicted(self) -> Distribution | None:
        self._flush()
        return self._predicted

    def _flush(self) -> None:
        for name, values in self._values.items():
            self._seen[name] += self._seen[name].counting(values)
            values.clear()
        if self._predicted is not None:
            self._predicted += self._predicted.counting(self._said)
        self._said.clear()
        self._waiting = 0


def _value(column: Column, given: Any, from_csv: bool) -> Value:
    """Nothing where no request could have held it: a log is no place to trust."""
    try:
        return logged_value(column, given, from_csv)
    except ValueError:
        return None


def spoken(problem: Problem, line: Mapping[str, Any]) -> Value:
    """What the distribution of predictions counts (``evaluation.predicted``): of two classes the probability of the
    positive one, of several the class, else the number. None when the line has none."""
    if problem.kind == "binary":
        found = score(problem, line)
        return found if isinstance(found, float) else None
    said = line.get("prediction")
    if problem.kind == "multiclass":
        return said if isinstance(said, str) else None
    return finite(said)


def score(problem: Problem, line: Mapping[str, Any]) -> Score | None:
    """The prediction as ``domain.metrics`` takes it: None when the line has none, or the problem no labels."""
    if problem.kind not in SUPERVISED:
        return None
    if problem.kind == "regression":
        return finite(line.get("prediction"))
    shares = line.get("probabilities")
    if not isinstance(shares, Mapping):
        return None
    found = [finite(shares.get(name)) for name in problem.classes]
    known = tuple(share for share in found if share is not None)
    if len(known) != len(found):
        return None
    return known[1] if problem.kind == "binary" else known


def truth(problem: Problem, label: Any) -> float | None:
    """A label as the metrics take it: the index of its class, or the number. None when it is neither.

    >>> truth(Problem("binary", ("no", "yes"), "yes"), "yes"), truth(Problem("multiclass", ("1", "2", "3")), 3.0)
    (1.0, 2.0)
    >>> truth(Problem("regression"), "7.5"), truth(Problem("regression"), True)
    (7.5, None)
    """
    if not isinstance(label, (str, int, float)):
        return None
    if problem.kind == "regression":
        found = _value(_NUMBER, label, True)
        return found if isinstance(found, float) else None
    text = label.strip() if isinstance(label, str) else as_text(label)
    return float(problem.classes.index(text)) if text in problem.classes else None
