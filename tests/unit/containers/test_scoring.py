"""The inference server's answers, without its sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from local_region.containers.common.errors import UserError
from local_region.containers.common.http import Request
from local_region.containers.xgboost.model import load
from local_region.containers.xgboost.serve import Scoring

ROWS = np.random.default_rng(0).normal(size=(60, 3)).astype("f4")


def train(folder: Path, name: str = "xgboost-model", **parameters: object) -> xgb.Booster:
    labels = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0) * (1 if parameters.get("num_class") else 0)
    booster = xgb.train({"max_depth": 2, **parameters}, xgb.DMatrix(ROWS, label=labels), 3)
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(booster.save_raw("ubj"))
    return booster


def ask(scoring: Scoring, body: bytes, content_type: str = "text/csv", accept: str = "") -> tuple[int, bytes]:
    headers = {b"content-type": content_type.encode(), b"accept": accept.encode()}
    answer = scoring(Request(b"POST", b"/invocations", headers, body))
    return answer.status, answer.body


def lines(rows: np.ndarray) -> bytes:
    return "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()


def test_formats(tmp_path: Path) -> None:
    booster = train(tmp_path / "m", objective="binary:logistic")
    scoring = Scoring(load(tmp_path / "m"), {})
    expected = booster.predict(xgb.DMatrix(ROWS[:2])).tolist()
    assert ask(scoring, lines(ROWS[:2])) == (200, f"{expected[0]}\n{expected[1]}\n".encode())
    status, body = ask(scoring, lines(ROWS[:2]), accept="application/json")
    assert (status, json.loads(body)) == (200, {"predictions": [{"score": v} for v in expected]})
    _, body = ask(scoring, lines(ROWS[:2]), accept="application/jsonlines;verbose=true")
    assert [json.loads(line) for line in body.splitlines()] == [{"score": v} for v in expected]
    row = " ".join(f"{i}:{v!r}" for i, v in enumerate(ROWS[0].tolist()))
    assert ask(scoring, row.encode(), "text/x-libsvm") == (200, f"{expected[0]}\n".encode())


def test_classes_in_a_line_and_in_a_batch(tmp_path: Path) -> None:
    booster = train(tmp_path / "m", objective="multi:softprob", num_class=3)
    first = booster.predict(xgb.DMatrix(ROWS[:1])).tolist()[0]
    body = ask(Scoring(load(tmp_path / "m"), {}), lines(ROWS[:1]))[1]
    assert body == (",".join(map(repr, first)) + "\n").encode()
    body = ask(Scoring(load(tmp_path / "m"), {"SAGEMAKER_BATCH": "true"}), lines(ROWS[:1]))[1]
    assert body == f"{first}\n".encode()


def test_statuses(tmp_path: Path) -> None:
    train(tmp_path / "m")
    scoring = Scoring(load(tmp_path / "m"), {})
    assert ask(scoring, b"")[0] == 204
    assert ask(scoring, b"1,2,3", "image/png")[0] == 415
    assert ask(scoring, b"1,2,3", "application/x-recordio-protobuf")[0] == 400
    assert ask(scoring, b"1,2,3", "application/x-parquet")[0] == 415
    assert ask(scoring, b"1,2,3", accept="image/png")[0] == 406
    for body, message in {
        b"1,2": b"Feature size of csv inference data 2 is not consistent with feature size of trained model 3",
        b"1,2,3\n1,2": b"line 2: 2 columns where the first line has 3",
        b"1,x,3": b"column 2: 'x' is not a number",
        b"1,inf,3": b"'inf' is not a finite number",
        b"1,1_0,3": b"'1_0' is not a finite number",
        b"\n": b"holds no row",
    }.items():
        status, text = ask(scoring, body)
        assert status == 400
        assert message in text
    assert ask(scoring, b"7:1", "text/libsvm")[0] == 400
    assert ask(scoring, b"0:1 2:x", "text/libsvm")[0] == 400
    assert scoring(Request(b"GET", b"/ping", {}, b"")).status == 200
    parameters = json.loads(scoring(Request(b"GET", b"/execution-parameters", {}, b"")).body)
    assert (parameters["MaxPayloadInMB"], parameters["BatchStrategy"]) == (6, "MULTI_RECORD")


def test_several_models_are_averaged_or_vote(tmp_path: Path) -> None:
    boosters = [train(tmp_path / "m", f"xgboost-model-{n}", objective="binary:logistic", eta=0.1 + n) for n in (0, 0.3)]
    expected = np.mean([b.predict(xgb.DMatrix(ROWS[:1])) for b in boosters])
    assert float(ask(Scoring(load(tmp_path / "m"), {}), lines(ROWS[:1]))[1]) == pytest.approx(expected)
    voters = [
        train(tmp_path / "v", f"m-{n}", objective="multi:softmax", num_class=3, eta=e)
        for n, e in enumerate((0.1, 0.3, 1))
    ]
    votes = np.stack([v.predict(xgb.DMatrix(ROWS)) for v in voters])
    majority = [np.bincount(column.astype(int)).argmax() for column in votes.T]
    assert load(tmp_path / "v").predict(_rows(ROWS)).tolist() == majority


def _rows(values: np.ndarray) -> Any:
    from local_region.containers.xgboost.payload import Rows

    return Rows(values)


def test_missing_values_and_a_linear_model(tmp_path: Path) -> None:
    booster = train(tmp_path / "m", booster="gblinear")
    scoring = Scoring(load(tmp_path / "m"), {})
    assert float(ask(scoring, lines(ROWS[:1]))[1]) == pytest.approx(booster.predict(xgb.DMatrix(ROWS[:1]))[0])
    booster = train(tmp_path / "t")
    gap = np.array([[np.nan, 1, 2]], "f4")
    assert float(ask(Scoring(load(tmp_path / "t"), {}), b",1,2")[1]) == pytest.approx(
        booster.predict(xgb.DMatrix(gap))[0]
    )


def test_selected_output(tmp_path: Path) -> None:
    booster = train(tmp_path / "m", objective="binary:logistic")
    p = float(booster.predict(xgb.DMatrix(ROWS[:1]))[0])
    scoring = Scoring(load(tmp_path / "m"), {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label, probabilities"})
    answer = json.loads(ask(scoring, lines(ROWS[:1]), accept="application/json")[1])
    assert answer == {"predictions": [{"predicted_label": int(p > 0.5), "probabilities": [1 - p, p]}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04N.", "a pickle, which is never loaded"),
        (b"{L", "the file is cut short"),
        (b'{"a": 1}', "cannot be loaded"),
    ],
)
def test_what_is_never_loaded(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "xgboost-model").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load(tmp_path)
