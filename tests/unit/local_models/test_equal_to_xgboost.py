"""What a function evaluates by itself equals what XGBoost answers, to 1e-6, whatever the model and the row."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from local_region.containers.xgboost.model import Model
from local_region.containers.xgboost.payload import parse
from sluicegate.domain.local_models import NoLocalModel, compiled, xgboost_files
from sluicegate.domain.recordio import sparse_record

WIDTH = 4
OBJECTIVES = [
    "binary:logistic", "reg:logistic", "multi:softprob", "reg:squarederror", "reg:squaredlogerror",
    "reg:pseudohubererror", "reg:absoluteerror", "reg:gamma", "reg:tweedie", "count:poisson",
]  # fmt: skip

#: numbers as rows have them: ties with thresholds, missing, huge, tiny
cells = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, -2.5, 3e38, -3e38, 1e-40]),
    st.floats(-10, 10),
)
rows = st.lists(st.lists(cells, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=8)


@st.composite
def boosters(draw: st.DrawFn) -> tuple[xgboost.Booster, str]:
    objective = draw(st.sampled_from(OBJECTIVES))
    booster = draw(st.sampled_from(["gbtree", "gbtree", "dart", "gblinear"]))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    data = random.normal(size=(120, WIDTH)).round(1) * draw(st.sampled_from([1.0, 100.0]))
    data[random.random(data.shape) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    signal = np.nan_to_num(data[:, 0]) / np.abs(np.nan_to_num(data)).max() + 0.2 * random.random(120)
    labels = np.abs(signal) * draw(st.sampled_from([1.0, 1000.0])) + 0.5
    parameters: dict[str, Any] = {"objective": objective, "booster": booster, "nthread": 1, "seed": 1}
    if objective == "multi:softprob":
        parameters["num_class"] = 3
        labels = random.integers(0, 3, 120)
    elif "logistic" in objective:
        labels = (signal > 0.1).astype(float)
    if booster != "gblinear":
        parameters |= {"max_depth": draw(st.integers(0, 6)), "gamma": draw(st.sampled_from([0, 0.5]))}
        forests = [1] if objective == "reg:absoluteerror" else [1, 2]  # XGBoost refuses that one
        parameters |= {"num_parallel_tree": draw(st.sampled_from(forests)), "min_child_weight": 0}
        parameters |= draw(st.sampled_from([{}, {"grow_policy": "lossguide", "max_leaves": 12}]))
    if booster == "dart":
        parameters |= {"rate_drop": 0.4, "normalize_type": draw(st.sampled_from(["tree", "forest"]))}
    if draw(st.booleans()):
        parameters["base_score"] = draw(st.sampled_from([0.3, 0.5, 0.9]))
    matrix = xgboost.DMatrix(data, labels, nthread=1)
    return xgboost.train(parameters, matrix, draw(st.integers(1, 25))), draw(st.sampled_from(["json", "ubj"]))


def csv(row: list[float | None]) -> bytes:
    return ",".join("" if cell is None else repr(cell) for cell in row).encode() + b"\n"


def libsvm(row: list[float | None]) -> bytes:
    return b"0" + b"".join(f" {at}:{cell!r}".encode() for at, cell in enumerate(row) if cell is not None) + b"\n"


def answered(model: Model, body: bytes, kind: Any) -> list[list[float]]:
    """By the region's container, which is XGBoost."""
    return [value if isinstance(value, list) else [value] for value in model.predict(parse(body, kind)).tolist()]


def diverged(booster: xgboost.Booster) -> bool:
    """A linear booster can, with a steep objective or large inputs."""
    found = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    return found["name"] == "gblinear" and not np.isfinite(found["model"]["weights"]).all()


def same(ours: list[list[float]], theirs: list[list[float]]) -> None:
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our == pytest.approx(their, rel=1e-6, abs=1e-6, nan_ok=True)


@settings(max_examples=30)
@given(boosters(), rows)
def test_every_booster_and_row(trained: tuple[xgboost.Booster, str], given_rows: list[list[float | None]]) -> None:
    booster, raw = trained
    if diverged(booster):
        with pytest.raises(NoLocalModel, match="the training diverged"):
            xgboost_files.document([bytes(booster.save_raw(raw))])
        return
    document = json.loads(json.dumps(xgboost_files.document([bytes(booster.save_raw(raw))])))
    local = compiled(document)
    for encode, wire in ((csv, "csv"), (libsvm, "libsvm")):
        records = [encode(row) for row in given_rows]
        same(local.scores(records, wire), answered(Model([booster]), b"".join(records), wire))  # type: ignore[arg-type]


def test_many_trees_add_up_as_in_xgboost() -> None:
    """In 64 bits the sum of so many trees would differ by more."""
    random = np.random.default_rng(3)
    data = random.normal(size=(60, WIDTH))
    labels = 1e4 * data[:, 0] + 1e6
    parameters = {"eta": 0.02, "nthread": 1, "max_depth": 2}
    booster = xgboost.train(parameters, xgboost.DMatrix(data, labels, nthread=1), 2000)
    local = compiled(xgboost_files.document([bytes(booster.save_raw("ubj"))]))
    records = [csv(row) for row in data[:40].tolist()]
    same(local.scores(records, "csv"), answered(Model([booster]), b"".join(records), "csv"))


def test_several_models_answer_their_mean() -> None:
    random = np.random.default_rng(3)
    data = random.normal(size=(100, WIDTH))
    folds = [
        xgboost.train(
            {"objective": "binary:logistic", "nthread": 1, "seed": seed, "subsample": 0.5},
            xgboost.DMatrix(data, data[:, 0] > 0, nthread=1),
            5,
        )
        for seed in range(3)
    ]
    local = compiled(xgboost_files.document([bytes(fold.save_raw("ubj")) for fold in folds]))
    records = [csv(row) for row in data[:20].tolist()]
    same(local.scores(records, "csv"), answered(Model(folds), b"".join(records), "csv"))


@settings(max_examples=10)
@given(
    seed=st.integers(0, 1000),
    values=st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 11.0, 12.0, -1.0, 99.0, math.nan]), min_size=1, max_size=6),
)
def test_splits_on_categories(seed: int, values: list[float]) -> None:
    random = np.random.default_rng(seed)
    data = np.column_stack([random.integers(0, 12, 200), random.normal(size=200)]).astype(np.float32)
    labels = np.isin(data[:, 0], [1, 4, 7]) * 2.0 + data[:, 1]
    parameters = {"tree_method": "hist", "max_cat_to_onehot": 3, "nthread": 1, "max_depth": 4}
    matrix = xgboost.DMatrix(data, labels, feature_types=["c", "q"], enable_categorical=True, nthread=1)
    booster = xgboost.train(parameters, matrix, 8)
    document = xgboost_files.document([bytes(booster.save_raw("ubj"))])
    assert document["members"][0]["categories"]
    asked = np.column_stack([values, np.full(len(values), 0.3)]).astype(np.float32)
    theirs = booster.inplace_predict(asked).tolist()
    ours = [compiled(document).score(row)[0] for row in asked.tolist()]
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-6)


def test_what_is_not_evaluated_is_refused_by_name() -> None:
    random = np.random.default_rng(0)
    data = random.normal(size=(50, 2))

    def document(**parameters: Any) -> Any:
        labels = random.random((50, 2)) if "multi_strategy" in parameters else random.integers(0, 2, 50)
        booster = xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(data, labels, nthread=1), 2)
        return xgboost_files.document([bytes(booster.save_raw("ubj"))])

    with pytest.raises(NoLocalModel, match="objective binary:hinge"):
        document(objective="binary:hinge")
    with pytest.raises(NoLocalModel, match="several targets"):
        document(multi_strategy="multi_output_tree", tree_method="hist")
    with pytest.raises(NoLocalModel, match="neither JSON nor UBJSON"):
        xgboost_files.document([b"\x80\x04pickle"])
    with pytest.raises(NoLocalModel, match="no model file"):
        xgboost_files.document([])
    with pytest.raises(NoLocalModel, match="unknown way"):
        xgboost_files.document([b'{"learner": {}}'])


def test_a_model_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost_files, "MOST_TREES", 3)
    data = np.random.default_rng(0).normal(size=(50, 2))
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(data, data[:, 0], nthread=1), 4)
    with pytest.raises(NoLocalModel, match="too large: 4 trees"):
        xgboost_files.document([bytes(booster.save_raw("ubj"))])


def test_a_damaged_document_is_refused() -> None:
    data = np.random.default_rng(0).normal(size=(50, 2))
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(data, data[:, 0], nthread=1), 2)
    good = xgboost_files.document([bytes(booster.save_raw("ubj"))])
    member = good["members"][0]
    for bad in (
        good | {"format": 2},
        good | {"width": 0},
        good | {"kind": "code"},
        good | {"link": "eval"},
        good | {"members": []},
        good | {"members": [member | {"left": member["missing"]}]},
        good | {"members": [member | {"roots": [10**9, 0]}]},
        good | {"members": [member | {"groups": [0]}]},
        good | {"members": [member | {"values": "?"}]},
    ):
        with pytest.raises(NoLocalModel):
            compiled(bad)


def test_records_of_another_width_are_refused() -> None:
    data = np.random.default_rng(0).normal(size=(50, 2))
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(data, data[:, 0], nthread=1), 2)
    local = compiled(xgboost_files.document([bytes(booster.save_raw("ubj"))]))
    for record, wire in ((b"1,2,3\n", "csv"), (b"0 2:1\n", "libsvm"), (sparse_record([5], [1.0], 9), "recordio")):
        with pytest.raises(ValueError, match="the model has 2"):
            local.scores([record], wire)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not numbers"):
        local.scores([b"{}"], "raw")
