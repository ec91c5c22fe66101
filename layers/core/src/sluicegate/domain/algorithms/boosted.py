"""What LightGBM and CatBoost have in common: scripts that come with the application, validated hyperparameters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sluicegate.domain.algorithms.base import Format
from sluicegate.domain.algorithms.script import ScriptMode
from sluicegate.domain.schema import Problem, ProblemKind

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule
    from sluicegate.domain.settings import ModelSettings


class Boosted(ScriptMode):
    """Subclasses say the defaults, and which values fit which kind of problem."""

    code = "shipped"
    takes_weights = True
    #: of hyperparameters that depend on the kind of problem: what fits
    fitting: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]]

    @abstractmethod
    def defaults(self, problem: Problem) -> dict[str, str | int | float]: ...

    def weighing(self, problem: Problem, wire: Format) -> dict[str, str]:
        return {"csv_weights": "1"}

    def hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int
    ) -> dict[str, str]:
        from sluicegate.domain.algorithms.rules import on_the_wire

        rules = self.rules()
        given = settings.algorithm.hyperparameters
        chosen = {name: str(value) for name, value in self.defaults(problem).items()}
        chosen |= {name: on_the_wire(rules[name], value) for name, value in given.items()}
        return {name: value for name, value in chosen.items() if value not in ("auto", "Auto")}

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        from difflib import get_close_matches

        rules: Mapping[str, Rule] = self.rules()
        found: dict[str, str] = {}
        for name, value in given.items():
            if name not in rules:
                close = get_close_matches(name[:100], rules, n=1)
                hint = f" (did you mean {close[0]}?)" if close else ""
                found[name] = f"no hyperparameter of {self.title}{hint}; accepted are {', '.join(sorted(rules))}"
            elif (problem := rules[name].problem(value)) is not None:
                found[name] = f"accepted is {problem}"
        return found

    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        return {
            name: f"accepted for a {kind} problem is {', '.join(accepted)}"
            for name, accepted in self.fitting.get(kind, {}).items()
            if name in given and str(given[name]) not in accepted
        }
