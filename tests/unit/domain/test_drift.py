"""Drift: PSI, chi-square and the correction against published values, and what counts as drift."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sluicegate.domain import drift
from sluicegate.domain.distribution import Distribution, as_text
from sluicegate.domain.measures import Estimate

TRAINED = Distribution("number", (0.0, 1.0, 2.0), (), (250, 250, 250, 250), 0)


def gaussian(seed: int, mean: float, count: int) -> list[float]:
    chosen = random.Random(seed)
    return [chosen.gauss(mean, 1) for _ in range(count)]


def categories(*counts: int, missing: int = 0) -> Distribution:
    return Distribution("category", (), tuple("abcdefgh"[: len(counts) - 1]), counts, missing)


@pytest.mark.parametrize(
    ("statistic", "degrees", "p"),
    # the table of every statistics book
    [(3.841, 1, 0.05), (6.635, 1, 0.01), (5.991, 2, 0.05), (18.307, 10, 0.05), (23.209, 10, 0.01), (43.773, 30, 0.05)],
)
def test_the_chi_square_table(statistic: float, degrees: int, p: float) -> None:
    assert drift.chi_square_tail(statistic, degrees) == pytest.approx(p, rel=1e-3)


@given(st.floats(1e-3, 500), st.integers(1, 200))
@settings(max_examples=60)
def test_the_tail_is_scipys(statistic: float, degrees: int) -> None:
    assert drift.chi_square_tail(statistic, degrees) == pytest.approx(
        float(stats.chi2.sf(statistic, degrees)), rel=1e-9, abs=1e-13
    )


@given(st.lists(st.integers(20, 500), min_size=2, max_size=8), st.data())
@settings(max_examples=60)
def test_homogeneity_is_scipys(old: list[int], data: st.DataObject) -> None:
    new = [data.draw(st.integers(20, 500)) for _ in old]
    before, now = categories(*old), categories(*new)
    expected = stats.chi2_contingency([old, new], correction=False).pvalue
    least = min(sum(old), sum(new)) / (sum(old) + sum(new))
    if all((one + other) * least >= 5 for one, other in zip(old, new, strict=True)):
        assert drift.chi_square(before, now) == pytest.approx(float(expected), rel=1e-8, abs=1e-12)


def test_bins_with_few_rows_are_pooled() -> None:
    """One row of a category that training had once is no proof of anything."""
    before, now = categories(500, 480, 1, 1, 0), categories(250, 240, 0, 0, 3)
    assert drift.chi_square(before, now) > 0.05
    assert drift.chi_square(categories(3, 0), categories(2, 0)) == 1.0
    assert drift.chi_square(categories(0, 0), categories(2, 0)) == 1.0


@given(st.integers(0, 12), st.integers(0, 60), st.integers(0, 60), st.integers(0, 400))
@settings(max_examples=60)
def test_where_too_little_is_expected_the_test_is_exact(a: int, b: int, c: int, d: int) -> None:
    least = min(a + b, c + d) / max(a + b + c + d, 1)
    if min(a + c, b + d) * least >= 5 or not (a + b and c + d):
        return  # for the chi-square test, or nothing to compare
    expected = float(stats.fisher_exact([[a, b], [c, d]])[1])
    assert drift.chi_square(categories(a, b), categories(c, d)) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_small_evaluation_is_enough_to_see_that_everything_changed() -> None:
    """Of 51 rows 30 were in a bin where none of 300 is now: 4.4 were expected there, too few for a chi-square test."""
    found = drift.compare({}, {}, prediction=(categories(30, 21), categories(0, 300))).prediction
    assert found is not None
    assert found.drifted
    assert found.p < 1e-20


def test_benjamini_and_hochbergs_own_example() -> None:
    """Their 15 p-values (1995, section 3.2): at .05 the four smallest are rejected."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.324,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1,
    ]
    found = drift.benjamini_hochberg({str(place): value for place, value in enumerate(p)})
    assert [name for name, adjusted in found.items() if adjusted <= 0.05] == ["3", "2", "1", "0"]
    assert [found[str(place)] for place in range(15)] == pytest.approx(stats.false_discovery_control(p).tolist())


def test_psi_by_hand() -> None:
    before, now = categories(500, 500), categories(800, 200)
    expected = 0.3 * math.log(0.8 / 0.5) - 0.3 * math.log(0.2 / 0.5)
    # the bin for missing values is empty in both
    assert drift.psi(before, now) == pytest.approx(expected, rel=0.01)
    assert drift.psi(before, before) == 0


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.lists(st.integers(0, 50), min_size=3, max_size=3))
@settings(max_examples=60)
def test_psi_is_symmetric_and_never_negative(old: list[int], new: list[int]) -> None:
    one, other = categories(*old), categories(*new)
    assert drift.psi(one, other) == pytest.approx(drift.psi(other, one)) and drift.psi(one, other) >= 0


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100), st.sampled_from([0.0, 1.0])), max_size=80))
@settings(max_examples=60)
def test_counting_in_halves_is_counting(values: list[float | None]) -> None:
    whole = Distribution.of_numbers(values)
    assert whole.rows == len(values) and whole.counting(values) == whole
    assert whole.counting(values[::2]) + whole.counting(values[1::2]) == whole


def test_what_falls_where() -> None:
    found = TRAINED.counting([0.0, 0.5, 1.0, 1.5, 9.0, None, "x", math.nan, -3.0])
    assert found.counts == (2, 2, 1, 1) and found.missing == 3
    trained = Distribution.of_categories({"3": 5, "true": 2, "pro": 9}, missing=1)
    assert trained.values == ("pro", "3", "true")
    seen = trained.counting([3.0, 3, True, "pro", "new", None])
    assert seen.counts == (1, 2, 1, 1) and seen.missing == 1
    assert as_text(2.5) == "2.5"


def test_the_same_distribution_is_no_drift_and_a_shift_is() -> None:
    trained = {f"c{place}": Distribution.of_numbers(gaussian(place, 0, 3_000)) for place in range(30)}
    seen = {name: one.counting(gaussian(100 + place, 0, 1_000)) for place, (name, one) in enumerate(trained.items())}
    report = drift.compare(trained, seen)
    assert not report.drifted and len(report.columns) == 30 and report.reasons == ()
    seen["c7"] = trained["c7"].counting(gaussian(7, 0.8, 1_000))
    report = drift.compare(trained, seen)
    assert [column.name for column in report.columns if column.drifted] == ["c7"]
    assert report.columns[0].psi > 0.2 and report.reasons[0].startswith("c7: PSI ")


def test_few_rows_and_small_changes_are_no_drift() -> None:
    trained = {"c": Distribution.of_numbers(gaussian(1, 0, 5_000))}
    many = drift.compare(trained, {"c": trained["c"].counting(gaussian(2, 0.1, 50_000))})
    # as good as certain, and too small to matter
    assert many.columns[0].adjusted < 1e-6 and many.columns[0].psi < 0.05 and not many.drifted
    few = drift.compare(trained, {"c": trained["c"].counting(gaussian(3, 2, 150))})
    assert not few.drifted and few.not_compared == {"c": "150 rows; 200 are needed"}


def test_missing_and_unseen_values_count() -> None:
    trained = {"plan": Distribution.of_categories({"a": 900, "b": 100})}
    seen = trained["plan"].counting(["a"] * 300 + ["new"] * 200 + [None] * 100)
    (column,) = drift.compare(trained, {"plan": seen}).columns
    assert column.drifted and column.unseen == pytest.approx(1 / 3) and column.missing == pytest.approx(1 / 6)
    assert "other values: 0.0% → 33.3%" in column.reason or "'a'" in column.reason


def test_nothing_to_compare_with_is_said() -> None:
    report = drift.compare({}, {})
    assert not report.drifted and "no profile to compare with" in report.not_compared["*"]
    missing = drift.compare({"c": TRAINED}, {})
    assert missing.not_compared == {"c": "0 rows; 200 are needed"}
    with pytest.raises(ValueError, match="different bins"):
        drift.psi(TRAINED, categories(1, 1))


def test_predictions_are_judged_beside_the_columns() -> None:
    before = Distribution.of_numbers(gaussian(1, 0, 2_000))
    now = before.counting(gaussian(2, 1.5, 500))
    report = drift.compare({"c": TRAINED}, {"c": TRAINED}, prediction=(before, now))
    assert report.prediction is not None and report.prediction.drifted and report.drifted
    assert report.to_json()["prediction"]["name"] == "predictions"
    few = drift.compare({"c": TRAINED}, {"c": TRAINED}, prediction=(before, before.counting([0.0])))
    assert few.prediction is None and few.not_compared["prediction"] == "1 predictions; 200 are needed"


@pytest.mark.parametrize(
    ("metric", "seen", "worse"),
    [
        ("auc", Estimate(0.7, 0.66, 0.74), True),
        ("auc", Estimate(0.78, 0.74, 0.82), False),
        ("auc", Estimate(0.95, 0.94, 0.96), False),
        ("rmse", Estimate(0.95, 0.94, 0.96), True),
        ("rmse", Estimate(0.7, 0.66, 0.74), False),
    ],
)
def test_quality_is_worse_only_in_the_metrics_own_direction(metric: str, seen: Estimate, worse: bool) -> None:
    found = drift.quality(metric, Estimate(0.8, 0.78, 0.82), seen, 500)
    assert found.drifted is worse and drift.compare({}, {}, quality=found).drifted is worse
