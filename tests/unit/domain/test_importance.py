"""What a model says of itself: XGBoost's gains, linear weights, a script's own file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xgboost

from sluicegate.domain import ubjson
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.importance import FILE, LARGEST_FILE, Features, NoImportance, of_file, of_models, of_weights
from sluicegate.domain.schema import Column

FEATURES = Features(("age", "plan=a", "plan=b", "income", "x"), ("age", "plan", "plan", "income", "x"))


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
    found = of_models([bytes(booster.save_raw(raw))], FEATURES)
    score = {name: float(str(value)) for name, value in booster.get_score(importance_type="total_gain").items()}
    whole = sum(score.values())
    theirs = {FEATURES.names[int(name[1:])]: value / whole for name, value in score.items()}
    assert {row["feature"]: row["share"] for row in found["features"]} == pytest.approx(theirs, rel=1e-4)
    by_column = {row["column"]: row["share"] for row in found["columns"]}
    assert sum(by_column.values()) == pytest.approx(1, abs=1e-4)
    assert by_column["plan"] == pytest.approx(theirs.get("plan=a", 0) + theirs.get("plan=b", 0), rel=1e-4)
    shares = [row["share"] for row in found["columns"]]
    assert found["kind"] == "gain" and shares == sorted(shares, reverse=True)


def test_weights_count_times_how_far_what_they_weigh_spreads() -> None:
    rows = np.array([[0, 1, 0, 7, np.nan], [2, 0, 1, 7, 4]], np.float32)  # deviations 1, ½, ½, 0, 2
    found = of_weights(np.array([3.0, 2.0, 4.0, 100.0, 0.5]), rows, FEATURES)
    assert {row["column"]: row["share"] for row in found["columns"]} == pytest.approx(
        {"age": 3 / 7, "plan": 3 / 7, "x": 1 / 7}, abs=1e-6
    )
    assert found["kind"] == "weights" and [row["feature"] for row in found["features"]] == [
        "age", "plan=b", "plan=a", "x",
    ]  # fmt: skip
    with pytest.raises(NoImportance, match="the same for every row"):
        of_weights(np.zeros(5), rows, FEATURES)
    with pytest.raises(NoImportance, match="other columns"):
        of_weights(np.ones(6), np.ones((2, 6), np.float32), FEATURES)


def test_several_models_count_together() -> None:
    one = bytes(trained(objective="binary:logistic").save_raw("ubj"))
    assert of_models([one, one], FEATURES)["columns"] == of_models([one], FEATURES)["columns"]


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
        (b'{"a":' * 100_000, "can't be read"),
    ],
)
def test_a_file_that_says_nothing_is_told(content: bytes, why: str) -> None:
    with pytest.raises(NoImportance, match=why):
        of_models([content], FEATURES)


def test_every_cut_of_a_file_is_refused() -> None:
    whole = bytes(trained(objective="binary:logistic", max_depth=1).save_raw("ubj"))
    for end in range(1, len(whole) - 1, 97):
        with pytest.raises(NoImportance):
            of_models([whole[:end]], FEATURES)


def test_other_columns_and_models_that_say_nothing() -> None:
    booster = bytes(trained(objective="binary:logistic").save_raw("ubj"))
    with pytest.raises(NoImportance, match="other columns"):
        of_models([booster], Features(("a",), ("a",)))
    with pytest.raises(NoImportance, match="never splits"):
        of_models([bytes(trained(objective="binary:logistic", max_depth=1, gamma=1e9).save_raw("ubj"))], FEATURES)
    with pytest.raises(NoImportance, match="no gains"):
        of_models([bytes(trained(objective="binary:logistic", booster="gblinear").save_raw("ubj"))], FEATURES)
    with pytest.raises(NoImportance, match="no model file"):
        of_models([], FEATURES)


def said(document: Any, *, encoded: bool = True) -> dict[str, Any]:
    return of_file(json.dumps(document).encode(), FEATURES, encoded=encoded)


def test_a_script_says_it_by_feature_or_by_column() -> None:
    found = said({"method": "Counts.", "features": [5, 1, 2, 0, 0]})
    assert (found["kind"], found["method"]) == ("script", "Counts.")
    assert found["columns"] == [{"column": "age", "share": 0.625}, {"column": "plan", "share": 0.375}]
    assert [row["feature"] for row in found["features"]] == ["age", "plan=b", "plan=a"]
    found = said({"method": "Counts.", "columns": {"income": 3, "plan": 1}}, encoded=False)
    assert found["columns"] == [{"column": "income", "share": 0.75}, {"column": "plan", "share": 0.25}]
    assert found["features"] == []


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([1, 2], "holds"),
        ({"features": [1, 2, 3, 4, 5]}, "holds"),
        ({"method": "m", "features": "many"}, "holds"),
        ({"method": "m", "features": [1, 2]}, "has 2 features, the data set has 5"),
        ({"method": "m", "features": [1, 2, 3, 4, "5"]}, "no numbers"),
        ({"method": "m", "features": [1, 2, 3, 4, True]}, "no numbers"),
        ({"method": "m", "features": [1, 2, 3, 4, -5]}, "below 0"),
        ({"method": "m", "features": [1, 2, 3, 4, float("nan")]}, "below 0"),
        ({"method": "m", "features": [1, 2, 3, 1e308, 1e308]}, "above"),
        ({"method": "m", "features": [1, 2, 3, 4, 10**400]}, "too large"),
        ({"method": "m", "features": [0, 0, 0, 0, 0]}, "0 of every feature"),
        ({"method": "m", "columns": {}}, "0 of every feature"),
        ({"method": "m", "columns": {"age": 1, "shoe": 1}}, "'shoe', which is no column"),
    ],
)
def test_a_script_that_says_it_wrongly_is_told(document: Any, why: str) -> None:
    with pytest.raises(NoImportance, match=why):
        said(document)


def test_a_script_can_not_name_features_that_it_never_saw() -> None:
    with pytest.raises(NoImportance, match="names columns, not features"):
        said({"method": "m", "features": [1, 2, 3, 4, 5]}, encoded=False)
    for content in (b"{", b"\xff\xfe{}", b"[" * 100_000):
        with pytest.raises(NoImportance, match="no JSON"):
            of_file(content, FEATURES, encoded=True)
    with pytest.raises(NoImportance, match=f"{FILE} is larger"):
        of_file(b" " * (LARGEST_FILE + 1), FEATURES, encoded=True)


def test_the_features_of_a_column_are_a_group() -> None:
    columns = [Column("plan", "category", ("a", "b")), Column("age", "number"), Column("since", "date")]
    found = Features.of(Encoder.fit(columns))
    assert {name: places.tolist() for name, places in found.groups.items()} == {
        "plan": [0, 1, 2],
        "age": [3],
        "since": [4, 5, 6, 7],
    }
