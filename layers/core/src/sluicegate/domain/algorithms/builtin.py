"""What SageMaker's own algorithms other than XGBoost have in common.

Answers: "Common Data Formats for Inference" in the SageMaker developer guide: one JSON object with a list, or with
``application/jsonlines`` a line of JSON for each record; each algorithm's page says what an item holds.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sluicegate.domain.algorithms.base import Algorithm
from sluicegate.domain.schema import Problem, ProblemKind

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule
    from sluicegate.domain.settings import ModelSettings

#: what follows from the data or from other keys of model.yaml
_DERIVED = {
    "feature_dim": "not to be set: it is the number of encoded features",
    "num_classes": "not to be set: it is the number of classes in the data",
    "predictor_type": "not to be set: it follows from problem",
}


class BuiltIn(Algorithm):
    """A subclass says what its hyperparameters should be by default, and what an item of its answers holds."""

    version = "1"
    channels = ("train", "test")
    #: spot jobs of algorithms that write no checkpoints may wait for an hour (developer guide, "Managed Spot Training")
    longest_spot = 3600
    accept = "application/json"
    transform_accept = "application/jsonlines"
    #: the list in a JSON answer
    items: ClassVar[str] = "predictions"

    def rules(self) -> Mapping[str, Rule]:
        from sluicegate.domain.algorithms.hyperparameter_table import RULES

        return RULES[self.name]

    def image(self, region: str) -> str:
        from sluicegate.domain import images

        return images.built_in(self.name, region)

    def hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int
    ) -> dict[str, str]:
        from sluicegate.domain.algorithms.rules import on_the_wire

        rules = self.rules()
        given = settings.algorithm.hyperparameters
        rows = max(1, counts.get("train", 0))
        chosen = {"feature_dim": str(width)} | {
            name: str(value) for name, value in self.defaults(problem, rows, width).items()
        }
        return chosen | {name: on_the_wire(rules[name], value) for name, value in given.items()}

    @abstractmethod
    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        """What does well on tables of any size; ``rows`` to train on, ``width`` features."""

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        from difflib import get_close_matches

        rules = self.rules()
        settable = sorted(set(rules) - set(_DERIVED))
        found: dict[str, str] = {}
        for name, value in given.items():
            if name in rules and name in _DERIVED:
                found[name] = _DERIVED[name]
            elif name not in rules:
                close = get_close_matches(name[:100], settable, n=1)
                hint = f" (did you mean {close[0]}?)" if close else ""
                found[name] = f"no hyperparameter of {self.title}{hint}; accepted are {', '.join(settable)}"
            elif (problem := rules[name].problem(value)) is not None:
                found[name] = f"accepted is {problem}"
        return found

    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        return {}

    def fit_mistakes(self, given: Mapping[str, object], counts: Mapping[str, int], width: int) -> dict[str, str]:
        rows = counts.get("train", 0)
        batch = given.get("mini_batch_size")
        if batch is not None and int(str(batch)) > rows:
            return {"mini_batch_size": f"there are {rows:,} rows to train on; accepted is at most that"}
        return {}

    def rows(self, lines: Iterable[str], problem: Problem) -> Iterator[list[float]]:
        for line in lines:
            if not line.strip():
                continue
            document = json.loads(line)
            if not isinstance(document, dict):
                raise ValueError(f"an answer of {self.name} is a JSON object, not {line[:60]!r}")
            for item in document.get(self.items, (document,)):
                try:
                    yield self.row(item, problem)
                except (KeyError, TypeError, IndexError) as error:
                    shown = json.dumps(item)[:60]
                    raise ValueError(f"{shown} is no answer of {self.name} to a {problem.kind} problem") from error

    @abstractmethod
    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        """The numbers of one item (see ``Algorithm.rows``)."""


def batch_size(rows: int, batches: int, largest: int) -> int:
    """Rows a batch, so that a pass over ``rows`` makes about ``batches`` steps."""
    return max(1, min(rows, largest, max(16, rows // batches)))


def scores(item: Mapping[str, Any], problem: Problem) -> list[float]:
    """``score``: a number, or one for each class."""
    score = item["score"]
    if problem.kind != "multiclass":
        return [float(score)]
    if len(score) != len(problem.classes):
        raise ValueError(f"an answer of {len(score)} numbers a record, expected {len(problem.classes)}")
    return [float(part) for part in score]
