"""Whether a new version may take over, and why, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluicegate.domain.measures import LOWER_IS_BETTER, Comparison, Estimate

if TYPE_CHECKING:
    from sluicegate.domain.settings import Evaluation


#: an interval over fewer rows of a class than these is narrower than what is known
_ENOUGH = 10
#: columns that a sentence names
_SHOWN = 3
#: what a model that knows nothing of the features reaches; it decides nothing and is told
_GUESSING = {"auc": 0.5, "r2": 0.0}


@dataclass(frozen=True)
class Check:
    """One question that was asked (``minimum``, ``champion``), or what else a person should know (``first``,
    ``guessing``, ``few``, ``leaks``: always passed).
    """

    name: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "detail": self.detail}


@dataclass(frozen=True)
class Verdict:
    accepted: bool
    reason: str
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "reason": self.reason,
            "checks": [check.to_json() for check in self.checks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        checks = tuple(Check(check["name"], check["passed"], check["detail"]) for check in data.get("checks", ()))
        return cls(data["accepted"], data["reason"], checks)


def judge(
    metric: str,
    metrics: Mapping[str, Estimate],
    comparison: Comparison | None,
    evaluation_settings: Evaluation,
    champion_version: int | None,
    why_not: str = "",
    classes: Mapping[str, int] | None = None,
    leaks: Sequence[str] = (),
) -> Verdict:
    """The verdict on a challenger.

    ``metrics`` are the challenger's over the holdout, ``comparison`` its paired difference to the champion in
    ``metric`` (None when there is no champion or it can't be compared; ``why_not`` says why). ``classes``: of a binary
    problem, how many of the rows held out each class has. ``leaks``: columns that may leak the label.

    * A minimum holds for the value itself (a ceiling for metrics where lower is better).
    * Not worse than the champion: refused when even the favourable end of the 95 % interval of the difference lies more
      than ``tolerance`` below zero, that is, when the data show it worse. A difference that may be chance passes.
    """
    checks: list[Check] = []
    value = metrics.get(metric)
    shown = _shown(metric)
    if value is None:
        detail = f"{shown} could not be measured on the holdout"
        return Verdict(False, f"Rejected: {detail}.", (Check("measured", False, detail),))
    measured = f"{shown} {_number(value.value)} (95 % interval {_number(value.low)} to {_number(value.high)})"

    if evaluation_settings.minimum is not None:
        checks.append(_minimum(metric, value, evaluation_settings.minimum))
    if champion_version is not None:
        if evaluation_settings.against_champion == "ignore":
            checks.append(Check("champion", True, f"not compared with version {champion_version}, as the settings say"))
        elif comparison is None:
            because = f": {why_not}" if why_not else ""
            detail = f"version {champion_version} could not be compared on the same rows{because}"
            checks.append(Check("champion", True, detail))
        else:
            checks.append(_champion(metric, comparison, evaluation_settings.tolerance, champion_version))

    guess = _GUESSING.get(metric)
    if guess is not None and value.low <= guess:
        checks.append(Check("guessing", True, f"it may be no better than guessing, which has {shown} {_number(guess)}"))

    name, rows = min((classes or {}).items(), key=lambda found: found[1], default=("", _ENOUGH))
    if rows < _ENOUGH:
        held_out = sum((classes or {}).values())
        detail = f"of the {held_out:,} rows held out only {rows} have {name!r}, by which {shown} says little"
        checks.append(Check("few", True, detail))

    if leaks:
        more = f" and {len(leaks) - _SHOWN} more" if len(leaks) > _SHOWN else ""
        named = f"{', '.join(leaks[:_SHOWN])}{more}"
        checks.append(Check("leaks", True, f"the label may leak through {named} (see the run's notes)"))

    failed = [check.detail for check in checks if not check.passed]
    if failed:
        return Verdict(False, f"Rejected with {measured}: {'; and '.join(failed)}.", tuple(checks))
    if champion_version is None and evaluation_settings.minimum is None:
        checks.insert(0, Check("first", True, "it is the first version and no minimum is set"))
    why = "; ".join(check.detail for check in checks)
    return Verdict(True, f"Accepted with {measured}: {why}.", tuple(checks))


def _minimum(metric: str, value: Estimate, minimum: float) -> Check:
    if metric in LOWER_IS_BETTER:
        passed, bound = value.value <= minimum, "the most allowed is"
        detail = f"{_shown(metric)} {'is within' if passed else 'is above'} the limit: {bound} {_number(minimum)}"
    else:
        passed = value.value >= minimum
        detail = f"{_shown(metric)} {'reaches' if passed else 'is below'} the minimum of {_number(minimum)}"
    return Check("minimum", passed, detail)


def _champion(metric: str, comparison: Comparison, tolerance: float, version: int) -> Check:
    shown = _shown(metric)
    interval = f"95 % interval {_signed(comparison.low)} to {_signed(comparison.high)}"
    difference = f"{abs(comparison.difference):.4g} {'better' if comparison.difference >= 0 else 'worse'}"
    if comparison.high < -tolerance:
        allowed = f", and at most {_number(tolerance)} is tolerated" if tolerance else ""
        return Check("champion", False, f"{shown} is {difference} than version {version}'s ({interval}){allowed}")
    if comparison.low > 0:
        return Check("champion", True, f"{shown} is {difference} than version {version}'s ({interval})")
    if comparison.difference == 0:
        return Check("champion", True, f"{shown} is the same as version {version}'s ({interval})")
    within = "within the tolerance" if comparison.high < 0 else "which may be chance"
    return Check("champion", True, f"{shown} is {difference} than version {version}'s, {within} ({interval})")


def _shown(metric: str) -> str:
    names = {"auc": "AUC", "f1": "F1", "macro_f1": "macro F1", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
    return names.get(metric, metric.replace("_", " "))


def _number(value: float) -> str:
    return f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+.4g}"
