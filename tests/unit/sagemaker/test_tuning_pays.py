"""The search with real fits: a dozen jobs over the default ranges find better than the defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn import datasets

from local_region.sagemaker.tuning_checks import ranges_of
from local_region.sagemaker.tuning_search import Search
from sluicegate.domain import algorithms, tunables, tuning
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import ModelSettings

JOBS = 12


def loaded(name: str) -> tuple[dict[str, xgb.DMatrix], Problem, str]:
    """Shuffled thirds-and-a-half: train, validation (which tuning sees) and holdout (which nothing sees)."""
    data: Any = getattr(datasets, f"load_{name}")()
    order = np.random.default_rng(4).permutation(len(data.target))
    cuts = np.split(order, [len(order) // 2, 3 * len(order) // 4])
    parts = {
        part: xgb.DMatrix(data.data[rows], data.target[rows])
        for part, rows in zip(("train", "validation", "holdout"), cuts, strict=True)
    }
    if name == "diabetes":
        return parts, Problem("regression", (), None), "rmse"
    return parts, Problem("binary", ("0", "1"), "1"), "logloss"


def fit(parts: dict[str, xgb.DMatrix], given: dict[str, str], metric: str) -> tuple[float, float]:
    """The metric on validation and holdout, as the region's container trains: early stopping, the best round kept."""
    values = {**given, "eval_metric": metric, "nthread": "1"}
    rounds, patience = int(values.pop("num_round")), int(values.pop("early_stopping_rounds"))
    seen = [(parts["validation"], "validation")]
    model = xgb.train(values, parts["train"], rounds, evals=seen, early_stopping_rounds=patience, verbose_eval=False)
    final = model[: model.best_iteration + 1]

    def measured(part: str) -> float:
        return float(final.eval(parts[part], part).split(f"{part}-{metric}:")[1])

    return measured("validation"), measured("holdout")


@pytest.mark.parametrize(("name", "unseen"), [("diabetes", True), ("breast_cancer", False)])
def test_a_dozen_jobs_beat_the_defaults(name: str, unseen: bool) -> None:
    """``unseen``: also on the holdout. The 143 tumours held out are too few to show the difference for every seed."""
    parts, problem, metric = loaded(name)
    counts = {part: int(matrix.num_row()) for part, matrix in parts.items()}
    width = int(parts["train"].num_col())
    static = algorithms.named("xgboost").hyperparameters(ModelSettings(), problem, counts, width)
    default = fit(parts, static, metric)
    tunable = tunables.TUNABLE["xgboost"]
    ranges = ranges_of({"ParameterRanges": tuning.parameter_ranges(tunable, tunable.ranges)})
    search = Search("Bayesian", ranges, maximize=False, trials=JOBS, seed=1)
    found = []
    for _ in range(JOBS):
        asked = search.ask()
        assert asked is not None
        found.append(fit(parts, static | asked[1], metric))
        search.tell(asked[0], found[-1][0])
    best = min(found)
    assert best[0] < 0.98 * default[0], "on the rows that tuning sees"
    assert not unseen or best[1] < 0.98 * default[1], "and on those that it doesn't"
