"""Evaluated over many rows at once, a model answers what it answers to each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.local_models import NoLocalModel, compiled, xgboost_files
from sluicegate.domain.local_models.in_bulk import InBulk, weights
from sluicegate.domain.local_models.packing import pack
from tests.unit.local_models.test_equal_to_xgboost import WIDTH, boosters, diverged

EVERY = np.array([0.0, -0.0, 1.0, 0.1, -2.5, 3e38, -3e38, 1e-40, np.nan])


def some_rows(seed: int, count: int = 40) -> Any:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, WIDTH)).round(1)
    odd = random.random(rows.shape) < 0.3
    rows[odd] = random.choice(EVERY, odd.sum())
    return rows.astype(np.float32)


@settings(max_examples=40)
@given(boosters(), st.integers(0, 999), st.lists(st.integers(0, WIDTH - 1), min_size=1, unique=True))
def test_equal_to_one_row_at_a_time(made: Any, seed: int, features: list[int]) -> None:
    booster, raw = made
    if diverged(booster):
        return
    document = xgboost_files.document([bytes(booster.save_raw(raw))])
    model, rows = compiled(document), some_rows(seed)
    bulk = InBulk(document)
    answers = bulk.over(rows)

    def one_by_one(rows: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.array([model.score(row) for row in rows.tolist()])

    with np.errstate(all="ignore"):
        np.testing.assert_allclose(answers.scores(), one_by_one(rows), rtol=1e-5, atol=1e-6)
        changed = rows.copy()
        changed[:, features] = some_rows(seed + 1)[:, features]
        found = answers.scores(changed, np.array(features))
        np.testing.assert_allclose(found, one_by_one(changed), rtol=1e-5, atol=1e-6)
        assert (found == bulk.over(changed).scores()).all()
    if bulk.steps(np.array(features)) == 0:
        assert (found == answers.scores()).all()


def test_folds_answer_their_mean_and_the_weights_are_those_of_all() -> None:
    members = [
        {"precision": "single", "weights": pack("f", [1.0, -2.0]), "bias": [0.5]},
        {"precision": "single", "weights": pack("f", [3.0, 0.0]), "bias": [0.0]},
    ]
    document = {"format": 1, "kind": "linear", "link": "identity", "width": 2, "members": members}
    rows = np.array([[1.0, np.nan], [2.0, 1.0]], np.float32)
    assert InBulk(document).over(rows).scores().tolist() == [[2.25], [3.25]]
    assert weights(document).tolist() == [4.0, 2.0]


def test_trees_that_split_on_sets_are_refused() -> None:
    member = {
        "base": 0.0, "outputs": 1, "groups": [0], "roots": [0], "features": pack("i", [0, -1, -1]),
        "values": pack("f", [0, 1, 2]), "left": pack("i", [1, -1, -1]), "missing": pack("B", [0, 0, 0]),
    }  # fmt: skip
    document = {"format": 1, "kind": "trees", "link": "identity", "width": 1}
    assert InBulk({**document, "members": [{**member, "categories": {}}]}).steps(np.array([0])) == 1
    with pytest.raises(NoLocalModel, match="sets of categories"):
        InBulk({**document, "members": [{**member, "categories": {"0": [1]}}]})
