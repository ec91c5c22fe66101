"""An image of the user's own: whatever it does, by SageMaker's container contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sluicegate.domain.algorithms.base import Algorithm, Format
from sluicegate.domain.algorithms.script import free_mistakes
from sluicegate.domain.schema import Problem, ProblemKind

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule
    from sluicegate.domain.settings import ModelSettings


class Image(Algorithm):
    """Its rows are those of a script: encoded CSV, or the records themselves; its answers too (``script_answers``)."""

    name = "image"
    version = "1"
    title = "an own image"
    problems = ("binary", "multiclass", "regression")
    takes_missing = True

    def __init__(self, uri: str = "", content_type: str | None = None, accept: str | None = None, raw: bool = False):
        self._uri, self._content_type = uri, content_type
        self.accept = self.transform_accept = accept or "text/csv"
        if raw:
            self.train_format = self.infer_format = "raw"

    def configured(self, settings: Any) -> Image:
        return Image(settings.image or "", settings.content_type, settings.accept, settings.input == "raw")

    def lane(self) -> dict[str, Any]:
        return super().lane() | {
            "raw": self.infer_format == "raw",
            "content_type": self._content_type,
            "accept": self.accept,
        }

    def restored(self, lane: Mapping[str, Any]) -> Image:
        return Image("", lane.get("content_type"), lane.get("accept"), bool(lane.get("raw")))

    def preparation(self) -> dict[str, Any]:
        return {"wire": "raw"} if self.train_format == "raw" else {}

    def content_type(self, format: Format) -> str:
        return self._content_type or super().content_type(format)

    def image(self, region: str) -> str:
        return self._uri

    def rules(self) -> Mapping[str, Rule]:
        return {}  # whatever the image reads

    def hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int
    ) -> dict[str, str]:
        from sluicegate.domain.algorithms.rules import as_text

        return {name: as_text(value) for name, value in settings.algorithm.hyperparameters.items()}

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        return free_mistakes(given)

    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        return {}

    def rows(self, lines: Iterable[str], problem: Problem) -> Iterator[list[float]]:
        from sluicegate.domain.algorithms import script_answers

        return script_answers.rows(lines, problem, self.infer_format != "raw")


ALGORITHM = Image()
