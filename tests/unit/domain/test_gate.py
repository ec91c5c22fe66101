"""Verdicts, and the sentences that explain them."""

from __future__ import annotations

import pytest

from sluicegate.domain.gate import Verdict, judge
from sluicegate.domain.metrics import Comparison, Estimate
from sluicegate.domain.settings import Evaluation

METRICS = {"auc": Estimate(0.91, 0.89, 0.93), "rmse": Estimate(2.0, 1.8, 2.2)}


@pytest.mark.parametrize(
    ("metric", "settings", "comparison", "accepted", "said"),
    [
        ("auc", {}, None, True, "first version"),
        ("auc", {"minimum": 0.9}, None, True, "reaches the minimum of 0.9"),
        ("auc", {"minimum": 0.95}, None, False, "AUC is below the minimum of 0.95"),
        ("rmse", {"minimum": 2.5}, None, True, "within the limit"),
        ("rmse", {"minimum": 1.5}, None, False, "RMSE is above the limit: the most allowed is 1.5"),
        ("auc", {}, Comparison(0.02, 0.01, 0.03), True, "0.02 better than version 3's"),
        ("auc", {}, Comparison(-0.001, -0.01, 0.008), True, "may be chance"),
        (
            "auc",
            {},
            Comparison(-0.02, -0.03, -0.01),
            False,
            "0.02 worse than version 3's (95 % interval -0.03 to -0.01)",
        ),
        ("auc", {"tolerance": 0.015}, Comparison(-0.02, -0.03, -0.01), True, "within the tolerance"),
        ("auc", {"tolerance": 0.005}, Comparison(-0.02, -0.03, -0.01), False, "at most 0.005 is tolerated"),
        ("auc", {"against_champion": "ignore"}, Comparison(-0.5, -0.6, -0.4), True, "not compared"),
        ("auc", {}, Comparison(0.0, 0.0, 0.0), True, "the same as version 3's"),
    ],
)
def test_verdicts(
    metric: str, settings: dict[str, object], comparison: Comparison | None, accepted: bool, said: str
) -> None:
    verdict = judge(metric, METRICS, comparison, Evaluation.model_validate(settings), 3 if comparison else None)
    assert verdict.accepted is accepted and said in verdict.reason
    assert verdict.reason.startswith("Accepted" if accepted else "Rejected")
    assert "95 % interval" in verdict.reason
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_both_failures_are_said() -> None:
    verdict = judge("auc", METRICS, Comparison(-0.1, -0.2, -0.05), Evaluation(metric="auc", minimum=0.99), 2)
    assert not verdict.accepted and "minimum" in verdict.reason and "version 2" in verdict.reason
    assert [check.passed for check in verdict.checks] == [False, False]


def test_what_was_not_measured_is_refused() -> None:
    verdict = judge("f1", METRICS, None, Evaluation(), None)
    assert not verdict.accepted and "could not be measured" in verdict.reason


@pytest.mark.parametrize(("low", "warned"), [(0.45, True), (0.5, True), (0.61, False)])
def test_a_version_that_may_only_guess_says_so(low: float, warned: bool) -> None:
    verdict = judge("auc", {"auc": Estimate(0.66, low, 0.8)}, None, Evaluation(), None)
    assert verdict.accepted and "first version and no minimum" in verdict.reason
    assert ("no better than guessing, which has AUC 0.5" in verdict.reason) is warned


@pytest.mark.parametrize(("rare", "warned"), [(1, True), (9, True), (10, False)])
def test_few_rows_of_a_class_are_told(rare: int, warned: bool) -> None:
    classes = {"no": 736 - rare, "yes": rare}
    verdict = judge("auc", METRICS, None, Evaluation(), None, classes=classes)
    assert verdict.accepted
    assert (f"of the 736 rows held out only {rare} have 'yes', by which AUC says little" in verdict.reason) is warned


def test_columns_that_may_leak_the_label_are_told_and_decide_nothing() -> None:
    verdict = judge("auc", METRICS, None, Evaluation(), None, leaks=["a", "b", "c", "d", "e"])
    assert verdict.accepted and verdict.checks[-1].name == "leaks"
    assert "the label may leak through a, b, c and 2 more (see the run's notes)" in verdict.reason
