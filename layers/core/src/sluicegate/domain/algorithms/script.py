"""A script of the user's own, in one of AWS's framework containers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sluicegate.domain.algorithms.base import Algorithm
from sluicegate.domain.schema import Problem, ProblemKind

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule
    from sluicegate.domain.settings import ModelSettings

#: where the code lies in the artifact (shipped/run.py puts it there)
CODE = "/opt/ml/model/code"


class ScriptMode(Algorithm):
    """What the user's scripts and ours have in common: the framework's image, the code in the artifact, the answers."""

    problems = ("binary", "multiclass", "regression")
    takes_missing = True
    longest_spot: ClassVar[int | None] = None
    framework = "sklearn"

    def __init__(self, framework_version: str | None = None) -> None:
        self._version = framework_version

    @property
    def framework_version(self) -> str:
        from sluicegate.domain import framework_images

        return self._version or framework_images.NEWEST[self.framework]

    def image(self, region: str) -> str:
        from sluicegate.domain import framework_images

        return framework_images.training(self.framework, self.framework_version, region)

    def serving_image(self, region: str) -> str:
        from sluicegate.domain import framework_images

        return framework_images.serving(self.framework, self.framework_version, region)

    def environment(self, program: str | None) -> dict[str, str]:
        return {"SAGEMAKER_PROGRAM": program or self.entry_point, "SAGEMAKER_SUBMIT_DIRECTORY": CODE}

    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        return {}

    def rows(self, lines: Iterable[str], problem: Problem) -> Iterator[list[float]]:
        from sluicegate.domain.algorithms import script_answers

        return script_answers.rows(lines, problem, self.infer_format != "raw")


class Script(ScriptMode):
    """``input: encoded`` gives the script numbers as the built-ins get them; ``raw`` the records themselves: CSV with a
    header to train on, lines of JSON to predict."""

    name = "script"
    version = "1"
    title = "a script"
    code = "own"

    def __init__(
        self,
        framework: str = "sklearn",
        framework_version: str | None = None,
        entry_point: str = "train.py",
        raw: bool = False,
    ) -> None:
        super().__init__(framework_version)
        self.framework, self.entry_point = framework, entry_point
        if raw:
            self.train_format = self.infer_format = "raw"

    def configured(self, settings: Any) -> Script:
        return Script(settings.framework, settings.framework_version, settings.entry_point, settings.input == "raw")

    def lane(self) -> dict[str, Any]:
        return super().lane() | {"raw": self.infer_format == "raw"}

    def restored(self, lane: Mapping[str, Any]) -> Script:
        return Script(raw=bool(lane.get("raw")))

    def preparation(self) -> dict[str, Any]:
        return {"wire": "raw"} if self.train_format == "raw" else {}

    def rules(self) -> Mapping[str, Rule]:
        return {}  # whatever the script reads

    def hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int
    ) -> dict[str, str]:
        from sluicegate.domain.algorithms.rules import as_text

        return {name: as_text(value) for name, value in settings.algorithm.hyperparameters.items()}

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        return free_mistakes(given)


def free_mistakes(given: Mapping[str, object]) -> dict[str, str]:
    """What SageMaker itself refuses of hyperparameters that nobody knows beforehand (CreateTrainingJob)."""
    found: dict[str, str] = {}
    for number, (name, value) in enumerate(given.items()):
        if number >= 95:  # SageMaker takes 100, and a few are ours
            found[name] = "one too many; accepted are 95 hyperparameters"
        elif len(name) > 256 or name.startswith("sagemaker_") or not name:
            found[name] = "a name has 1 to 256 characters and does not begin with sagemaker_, which is SageMaker's own"
        elif len(str(value)) > 2500 or "\n" in str(value):
            found[name] = "a value has at most 2,500 characters, on one line"
    return found


ALGORITHM = Script()
