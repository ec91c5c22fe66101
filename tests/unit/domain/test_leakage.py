"""How well one column alone predicts the target, on rows made for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sluicegate.domain.leakage import Predictor, Rows

Floats = NDArray[np.float64]


def rows(labels: Floats, classes: int, seed: int = 1) -> tuple[Rows, NDArray[np.intp]]:
    """Four of five rows are learned from."""
    trained = np.random.default_rng(seed).random(len(labels)) < 0.8
    looked = Rows(labels, trained, classes)
    return looked, looked.chosen


def predictor(values: Floats, labels: Floats, classes: int) -> Predictor:
    looked, chosen = rows(labels, classes)
    assert looked.enough
    found = looked.numbers(values[chosen])
    assert found is not None
    return found


def classes_of(count: int, classes: int, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).integers(0, classes, count).astype(np.float64)


@pytest.mark.parametrize("count", [150, 1_000, 20_000])
def test_a_threshold_is_found_exactly(count: int) -> None:
    labels = classes_of(count, 2)
    apart = np.random.default_rng(3).random(count) + labels
    assert predictor(apart, labels, 2).score > 0.999
    assert predictor(-apart, labels, 2).score > 0.999


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_codes_of_a_class_are_found_whatever_their_order(classes: int) -> None:
    labels = classes_of(2_000, classes)
    codes = np.random.default_rng(3).permutation(4 * classes).reshape(4, classes)
    values = codes[np.random.default_rng(4).integers(0, 4, 2_000), labels.astype(int)].astype(np.float64)
    assert predictor(values, labels, classes).score == pytest.approx(1)
    looked, chosen = rows(labels, classes)
    missing = np.zeros(len(chosen), dtype=bool)
    assert looked.categories(values[chosen].astype(np.uint64), missing).score == pytest.approx(1)


@pytest.mark.parametrize("classes", [2, 3, 0])
def test_a_thousand_columns_of_noise_predict_nothing(classes: int) -> None:
    chosen = np.random.default_rng(5)
    labels = classes_of(150, classes) if classes else chosen.normal(size=150)
    looked, places = rows(labels, classes)
    for column in range(1_000):
        found = looked.numbers(chosen.normal(size=150)[places])
        assert found is not None and found.score < 0.95, column
        names = chosen.integers(0, 40, 150)[places].astype(np.uint64)
        assert looked.categories(names, np.zeros(len(places), dtype=bool)).score < 0.95, column


def test_auc_is_that_of_the_ranks() -> None:
    labels = classes_of(6_000, 2)
    values = np.random.default_rng(6).normal(size=6_000) + labels
    found = predictor(values, labels, 2)
    assert found.score == pytest.approx(0.760, abs=0.02)  # of normals a standard deviation apart


def test_rare_rows_are_enough_where_they_are_all_looked_at() -> None:
    labels = (np.arange(40_000) % 200 == 0).astype(np.float64)
    values = np.random.default_rng(7).random(40_000) + labels
    assert predictor(values, labels, 2).score > 0.999


def test_functions_of_a_number_are_found_whatever_its_tails() -> None:
    amounts = np.random.default_rng(8).lognormal(3, 2, 3_000)
    for values in (amounts * 1.19, np.log(amounts), 1 / amounts):
        assert predictor(values, amounts, 0).score > 0.995
    noisy = amounts * np.random.default_rng(9).lognormal(0, 1, 3_000)
    assert predictor(noisy, amounts, 0).score < 0.95


def test_most_rows_alike_are_no_rank() -> None:
    chosen = np.random.default_rng(10)
    claims = np.where(chosen.random(4_000) < 0.2, chosen.lognormal(3, 1, 4_000), 0.0)
    assert predictor((claims > 0).astype(np.float64), claims, 0).score < 0.9


def test_too_few_rows_say_nothing() -> None:
    assert not rows(classes_of(30, 2), 2)[0].enough
    assert not rows(np.zeros(1_000), 0)[0].enough
    iris = np.repeat([0.0, 1.0, 2.0], [200, 200, 15])  # without the third class it would be another target
    assert rows(np.repeat(iris, 1), 3)[0].enough
    assert not rows(np.repeat([0.0, 1.0, 2.0], [60, 60, 20]), 3)[0].enough


def test_missing_where_a_class_is() -> None:
    labels = classes_of(3_000, 2)
    looked, chosen = rows(labels, 2)
    half = np.random.default_rng(11).random(3_000) < 0.5
    exact = looked.missingness((labels == 0)[chosen])
    assert exact is not None and (exact.filled, exact.of_class) == (True, 1)
    assert (exact.inside, exact.outside, exact.auc) == (1, 0, 1)
    partly = looked.missingness((~((labels == 1) & half))[chosen])
    assert partly is not None and (partly.of_class, partly.filled, partly.outside) == (1, True, 0)
    assert partly.inside == pytest.approx(0.5, abs=0.1) and partly.g > 500
    chance = looked.missingness(half[chosen])
    assert chance is not None and chance.outside > 0.3 and chance.g < 10
    assert looked.missingness(np.zeros(len(chosen), dtype=bool)) is None
    assert looked.missingness(np.ones(len(chosen), dtype=bool)) is None


def test_g_is_that_of_the_table() -> None:
    labels = np.repeat([0.0, 1.0], [400, 100])
    looked, chosen = rows(labels, 2)
    missing = np.zeros(500, dtype=bool)
    missing[:300], missing[400:410] = True, True
    found = looked.missingness(missing[chosen])
    counts = np.array([[300, 100], [10, 90]])
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    assert found is not None and found.g == pytest.approx(2 * (counts * np.log(counts / expected)).sum())


@pytest.mark.parametrize("rare", [25, 100])
def test_few_rows_with_gaps_are_no_sure_sign(rare: int) -> None:
    """A column that is missing in a fifth of all rows is so, by chance, in none of a few rows of a class."""
    labels = (np.arange(1_000) < rare).astype(np.float64)
    looked, chosen = rows(labels, 2)
    noise = np.random.default_rng(12)
    for column in range(1_000):
        found = looked.missingness((noise.random(1_000) < 0.2)[chosen])
        assert found is not None and found.g < 40, column


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 2, 3]))
def test_the_order_of_the_rows_does_not_matter(seed: int, classes: int) -> None:
    chosen = np.random.default_rng(seed)
    labels = chosen.integers(0, classes, 300).astype(np.float64) if classes else chosen.integers(0, 90, 300) / 7
    values = np.where(chosen.random(300) < 0.2, np.nan, np.round(labels + chosen.normal(size=300), 1))
    trained, order = chosen.random(300) < 0.7, chosen.permutation(300)
    found = []
    for places in (np.arange(300), order):
        looked = Rows(labels[places], trained[places], classes)
        cells = values[places][looked.chosen]
        names = np.nan_to_num(cells * 10, nan=0.0).astype(np.int64).astype(np.uint64)
        number = looked.numbers(cells)
        assert number is not None
        category = looked.categories(names, np.isnan(cells))
        found.append([*vars(number).values(), *vars(category).values()])
    assert found[0] == pytest.approx(found[1], abs=1e-9)
