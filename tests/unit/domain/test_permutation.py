"""Permutation importance finds what was planted, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sluicegate.domain import permutation
from sluicegate.domain.local_models.in_bulk import InBulk
from sluicegate.domain.local_models.packing import pack
from sluicegate.domain.permutation import NotShuffled, importance, sample
from sluicegate.domain.schema import Problem

BINARY = Problem("binary", ("no", "yes"))


def linear(weights: list[float], link: str = "wide-logistic") -> InBulk:
    member = {"precision": "double", "weights": pack("d", weights), "bias": [0.0]}
    return InBulk({"format": 1, "kind": "linear", "link": link, "width": len(weights), "members": [member]})


class Planted:
    """The label follows ``strong`` closely and ``weak`` loosely; the model goes by ``noise`` too, and by nothing of
    ``unread``. ``plan`` is one-hot of two columns that say the same together."""

    def __init__(self, rows: int = 600) -> None:
        random = np.random.default_rng(3)
        plan = random.integers(0, 2, rows)
        values = np.column_stack([random.normal(size=(rows, 4)), plan, 1 - plan])
        self.rows = values.astype(np.float32)
        margin = values @ np.array([3.0, 0.7, 0.0, 0.0, 0.6, -0.6])
        self.labels = (margin + random.logistic(size=rows) > 0).astype(float)
        self.model = linear([3.0, 0.7, 0.05, 0.0, 0.6, -0.6])
        names = ["strong", "weak", "noise", "unread", "plan", "plan"]
        self.columns = {name: np.flatnonzero(np.array(names) == name) for name in names}

    def importance(self, metric: str = "auc", seed: str = "s", **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"problem": BINARY, "labels": self.labels, "columns": self.columns} | more
        return importance(metric=metric, rows=self.rows, model=self.model, seed=seed, **given)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted()


def by_column(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {row["column"]: row for row in found["columns"]}


@pytest.mark.parametrize("metric", ["auc", "logloss", "accuracy"])
def test_what_the_label_follows_ranks_first_and_noise_covers_nothing(planted: Planted, metric: str) -> None:
    found = planted.importance(metric)
    rows = by_column(found)
    assert [row["column"] for row in found["columns"]][:1] == ["strong"]
    assert rows["strong"]["low"] > rows["weak"]["high"] > rows["weak"]["value"] > 0
    assert rows["noise"]["low"] <= 0 <= rows["noise"]["high"]
    assert found["unused"] == ["unread"]
    assert found["shuffles"] == permutation.REPEATS and found["rows"] == 600


def test_the_value_is_what_shuffling_costs(planted: Planted) -> None:
    """Against its definition: with nothing of the column left, the model is that of the others."""
    found = by_column(planted.importance())["strong"]
    without = linear([0.0, 0.7, 0.05, 0.0, 0.6, -0.6]).over(planted.rows).scores()[:, 0]
    with_it = planted.model.over(planted.rows).scores()[:, 0]
    random = np.random.default_rng(1)
    drops = []
    for _ in range(40):
        rows = planted.rows.copy()
        random.shuffle(rows[:, 0])
        shuffled = planted.model.over(rows).scores()[:, 0]
        drops.append(auc(planted.labels, with_it) - auc(planted.labels, shuffled))
    assert found["low"] < np.mean(drops) < found["high"]
    assert auc(planted.labels, without) < auc(planted.labels, with_it) - 0.1


def auc(labels: Any, scores: Any) -> float:
    over = scores[labels > 0.5][:, None] - scores[labels < 0.5][None, :]
    return float(((over > 0) + 0.5 * (over == 0)).mean())


def test_a_column_is_shuffled_with_all_its_features(planted: Planted) -> None:
    seen: list[Any] = []

    class Watched(InBulk):
        def over(self, rows: Any) -> Any:
            answers = super().over(rows)
            scores = answers.scores

            def watched(rows: Any = None, features: Any = None) -> Any:
                if features is not None:
                    seen.append((features.tolist(), rows.copy()))
                return scores(rows, features)

            answers.scores = watched  # type: ignore[method-assign]
            return answers

    watched = Planted()
    watched.model.__class__ = Watched
    watched.importance()
    plans = [rows for features, rows in seen if features == [4, 5]]
    assert len(plans) == permutation.REPEATS
    for rows in plans:
        assert (rows[:, 4] + rows[:, 5] == 1).all()  # still one of the two
        assert (rows[:, 4] != planted.rows[:, 4]).any()
        assert (rows[:, :4] == planted.rows[:, :4]).all()


def test_the_same_seed_says_the_same_whatever_else_there_is(planted: Planted) -> None:
    one, again = planted.importance(), planted.importance()
    assert one == again
    alone = planted.importance(columns={"weak": planted.columns["weak"]})
    assert alone["columns"] == [by_column(one)["weak"]]
    assert planted.importance(seed="t")["columns"] != one["columns"]


def test_what_costs_too_much_is_done_for_fewer_rows_and_columns(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permutation, "MOST_STEPS", 4 * 250 * permutation.REPEATS)
    found = planted.importance()
    assert (found["rows"], found["more_columns"]) == (250, 0)
    monkeypatch.setattr(permutation, "MOST_STEPS", 2 * 200 * permutation.REPEATS)
    found = planted.importance(first=["plan", "noise"])
    assert (found["rows"], found["more_columns"]) == (200, 2)
    assert set(by_column(found)) == {"plan", "noise"}
    monkeypatch.setattr(permutation, "MOST_STEPS", 100)
    with pytest.raises(NotShuffled, match="too large"):
        planted.importance()
    monkeypatch.undo()
    monkeypatch.setattr(permutation, "MOST_COLUMNS", 1)
    assert planted.importance(first=["weak"])["more_columns"] == 3


def test_regression_and_several_classes() -> None:
    random = np.random.default_rng(4)
    rows = random.normal(size=(400, 2)).astype(np.float32)
    columns = {"a": np.array([0]), "b": np.array([1])}
    labels = 10 * rows[:, 0].astype(float) + random.normal(size=400)
    found = importance(Problem("regression"), "rmse", labels, rows, linear([10.0, 0.1], "identity"), columns, seed="s")
    # two values of the same spread, one at random: the error is √2 times the deviation, and the noise
    assert by_column(found)["a"]["value"] == pytest.approx(10 * np.sqrt(2) - 1, abs=1.5)
    assert by_column(found)["b"]["low"] < 0.05
    weights = pack("d", [4.0, 0.0, -4.0, 0.0, 0.0, 0.0])
    member = {"precision": "double", "weights": weights, "bias": [0.0, 0.0, 0.0]}
    model = InBulk({"format": 1, "kind": "linear", "link": "wide-softmax", "width": 2, "members": [member]})
    problem = Problem("multiclass", ("x", "y", "z"))
    labels = np.select([rows[:, 0] > 0.2, rows[:, 0] < -0.2], [0.0, 1.0], 2.0)
    found = importance(problem, "accuracy", labels, rows, model, columns, seed="s")
    assert by_column(found)["a"]["low"] > 0.2 and found["unused"] == ["b"]
    with pytest.raises(NotShuffled, match="3 numbers a row, expected 1"):
        importance(BINARY, "auc", labels, rows, model, columns, seed="s")


def test_where_there_is_nothing_to_measure(planted: Planted) -> None:
    with pytest.raises(NotShuffled, match="auc can't be computed over 600"):
        planted.importance(labels=np.zeros(600))
    found = planted.importance(columns={"unread": planted.columns["unread"]})
    assert (found["columns"], found["unused"]) == ([], ["unread"])


def test_rows_are_drawn_once_and_within_bounds() -> None:
    found = sample(5_000, 30, "s")
    assert len(found) == len(set(found.tolist())) == permutation.MOST_ROWS
    assert (np.diff(found) > 0).all() and found.tolist() == sample(5_000, 30, "s").tolist()
    assert len(sample(50, 30, "s")) == 50
    assert len(sample(5_000, 100_000, "s")) == permutation.MOST_CELLS // 100_000
