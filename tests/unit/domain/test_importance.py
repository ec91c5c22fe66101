"""Importance read from the model's file equals what XGBoost says of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xgboost

from sluicegate.domain import ubjson
from sluicegate.domain.importance import NoImportance, of_models

FEATURES = ["age", "plan=a", "plan=b", "income", "x"]
COLUMNS = ["age", "plan", "plan", "income", "x"]


def trained(**parameters: Any) -> xgboost.Booster:
    random = np.random.default_rng(5)
    rows = random.random((400, 5))
    labels = (rows[:, 0] + 0.3 * rows[:, 2] + 0.1 * random.random(400) > 0.7).astype(int)
    if parameters.get("num_class"):
        labels = labels + (rows[:, 3] > 0.8)
    return xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(rows, labels), 12)


@pytest.mark.parametrize("raw", ["json", "ubj"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "binary:logistic"},
        {"objective": "multi:softprob", "num_class": 3},
        {"objective": "reg:squarederror", "booster": "dart"},
    ],
)
def test_gain_is_xgboosts_own(raw: str, parameters: dict[str, Any]) -> None:
    booster = trained(**parameters)
    found = of_models([bytes(booster.save_raw(raw))], COLUMNS, FEATURES)
    score = {name: float(str(value)) for name, value in booster.get_score(importance_type="total_gain").items()}
    whole = sum(score.values())
    theirs = {FEATURES[int(name[1:])]: value / whole for name, value in score.items()}
    assert {row["feature"]: row["share"] for row in found["features"]} == pytest.approx(theirs, rel=1e-4)
    by_column = {row["column"]: row["share"] for row in found["columns"]}
    assert sum(by_column.values()) == pytest.approx(1, abs=1e-4)
    assert by_column["plan"] == pytest.approx(theirs.get("plan=a", 0) + theirs.get("plan=b", 0), rel=1e-4)
    shares = [row["share"] for row in found["columns"]]
    assert found["kind"] == "gain" and shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("raw", ["json", "ubj"])
def test_weights_of_a_linear_booster(raw: str) -> None:
    booster = trained(objective="multi:softprob", num_class=3, booster="gblinear")
    found = of_models([bytes(booster.save_raw(raw))], COLUMNS, FEATURES)
    weights = np.array(booster.get_score(importance_type="weight")["f0"])
    assert found["kind"] == "weights"
    whole = sum(np.abs(np.array(value)).sum() for value in booster.get_score(importance_type="weight").values())
    share = next(row["share"] for row in found["features"] if row["feature"] == "age")
    assert share == pytest.approx(np.abs(weights).sum() / whole, rel=1e-4)


def test_several_models_count_together() -> None:
    one = bytes(trained(objective="binary:logistic").save_raw("ubj"))
    assert of_models([one, one], COLUMNS, FEATURES)["columns"] == of_models([one], COLUMNS, FEATURES)["columns"]


def test_the_same_document_from_both_formats() -> None:
    booster = trained(objective="binary:logistic")

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return [round(float(number), 4) for number in value]
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return round(value, 4) if isinstance(value, float) else value

    binary = plain(ubjson.loads(bytes(booster.save_raw("ubj"))))
    text = json.loads(bytes(booster.save_raw("json")))
    for tree, other in zip(
        binary["learner"]["gradient_booster"]["model"]["trees"],
        text["learner"]["gradient_booster"]["model"]["trees"],
        strict=True,
    ):
        assert tree["split_indices"] == other["split_indices"]
        assert tree["loss_changes"] == pytest.approx(other["loss_changes"], abs=1e-3)
        assert tree["tree_param"] == other["tree_param"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x80\x04pickle", "neither JSON nor UBJSON"),
        (b"", "neither JSON nor UBJSON"),
        (b"{L", "can't be read"),
        (b'{"learner": {}}', "unknown way"),
        (b"{" * 5_000, "can't be read"),
    ],
)
def test_a_file_that_says_nothing_is_told(content: bytes, why: str) -> None:
    with pytest.raises(NoImportance, match=why):
        of_models([content], COLUMNS, FEATURES)


def test_every_cut_of_a_file_is_refused() -> None:
    whole = bytes(trained(objective="binary:logistic", max_depth=1).save_raw("ubj"))
    for end in range(1, len(whole) - 1, 97):
        with pytest.raises(NoImportance):
            of_models([whole[:end]], COLUMNS, FEATURES)


def test_other_columns_and_a_model_that_never_splits() -> None:
    booster = bytes(trained(objective="binary:logistic").save_raw("ubj"))
    with pytest.raises(NoImportance, match="other columns"):
        of_models([booster], ["a"], ["a"])
    with pytest.raises(NoImportance, match="never splits"):
        of_models(
            [bytes(trained(objective="binary:logistic", max_depth=1, gamma=1e9).save_raw("ubj"))], COLUMNS, FEATURES
        )
    with pytest.raises(NoImportance, match="no model file"):
        of_models([], COLUMNS, FEATURES)
