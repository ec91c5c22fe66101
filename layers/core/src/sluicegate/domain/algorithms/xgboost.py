"""SageMaker's built-in XGBoost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from sluicegate.domain.algorithms.base import Algorithm, Format, width_of
from sluicegate.domain.schema import Problem, ProblemKind

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule
    from sluicegate.domain.settings import ModelSettings


class XGBoost(Algorithm):
    """Gradient boosted trees. A missing value is an empty field."""

    name = "xgboost"
    version = "3.0-5"
    title = "XGBoost"
    sparse_format: ClassVar[Format | None] = "libsvm"
    problems = ("binary", "multiclass", "regression")
    takes_missing = True
    takes_weights = True

    def __init__(self, format: Format = "csv") -> None:
        self.train_format = self.infer_format = format

    def rules(self) -> Mapping[str, Rule]:
        from sluicegate.domain import hyperparameters

        return hyperparameters.RULES

    def image(self, region: str) -> str:
        from sluicegate.domain import images

        return images.xgboost(region)

    def hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int
    ) -> dict[str, str]:
        from sluicegate.domain import hyperparameters

        return hyperparameters.training_hyperparameters(settings.algorithm.hyperparameters, problem)

    def weighing(self, problem: Problem, wire: Format) -> dict[str, str]:
        return {"csv_weights": "1"} if wire == "csv" else {}  # a line of libsvm says its weight by itself

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        from sluicegate.domain import hyperparameters

        return hyperparameters.mistakes(given)

    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        from sluicegate.domain import hyperparameters

        return hyperparameters.problem_mistakes(given, kind)

    def alone(self, given: Mapping[str, object]) -> list[str]:
        updaters = str(given.get("updater", "")).split(",")
        one = {
            "booster": given.get("booster") == "gblinear",
            "tree_method": given.get("tree_method") == "exact",
            "updater": not {"grow_colmaker", "distcol"}.isdisjoint(updaters),
        }
        return [name for name, found in one.items() if found]

    def rows(self, lines: Iterable[str], problem: Problem) -> Iterator[list[float]]:
        """``text/csv``: one number a line (older containers: all on one line), or for multi:softprob one line of k
        numbers a record, bare (``a,b``, real-time) or in brackets (``[a, b]``, batch transform). ``application/json``:
        ``{"predictions": [{"score": x | [x, …]}]}``. Source: sagemaker-xgboost-container, algorithm_mode/serve.py.
        """
        width = width_of(problem)
        for line in lines:
            text = line.strip()
            if not text:
                continue
            found = _json_scores(text) if text[0] == "{" else [[float(part) for part in text.strip("[]").split(",")]]
            for row in found:
                if len(row) == width:
                    yield row
                elif width == 1:
                    yield from ([value] for value in row)
                else:
                    raise ValueError(f"an answer of {len(row)} numbers a record, expected {width}")

    def table(self, lines: Iterable[str], problem: Problem) -> Iterator[str]:
        """A batch transform's output is that already, but for the brackets of multi:softprob."""
        return (line.strip().strip("[]") for line in lines)


def _json_scores(text: str) -> list[list[float]]:
    scores = [item["score"] for item in json.loads(text)["predictions"]]
    return [[float(part) for part in score] if isinstance(score, list) else [float(score)] for score in scores]


ALGORITHM = XGBoost()
