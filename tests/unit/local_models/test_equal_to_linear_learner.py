"""What a function evaluates of a linear learner equals what the region's container answers."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from local_region.containers.builtin.linear_learner import ALGORITHM
from sluicegate.domain.algorithms.linear_learner import ALGORITHM as ANSWERS
from sluicegate.domain.local_models import LocalModel, NoLocalModel, compiled, linear_files
from sluicegate.domain.recordio import dense_record, sparse_record
from sluicegate.domain.schema import Problem
from tests.support import containers

KINDS = {
    "binary": ({"predictor_type": "binary_classifier"}, Problem("binary", ("no", "yes"))),
    "multiclass": (
        {"predictor_type": "multiclass_classifier", "num_classes": "3"},
        Problem("multiclass", ("a", "b", "c")),
    ),
    "regression": ({"predictor_type": "regressor"}, Problem("regression")),
    "huber": ({"predictor_type": "regressor", "loss": "huber_loss"}, Problem("regression")),
}


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[containers.Served, LocalModel, Problem]:
    hyperparameters, problem = KINDS[request.param]
    random = np.random.default_rng(4)
    features = random.normal(size=(150, 3)) * [1, 30, 0.1]
    labels: Any = features @ [1.0, 0.02, 5.0]
    if problem.kind != "regression":
        labels = np.digitize(labels, [0.0] if problem.kind == "binary" else [-0.5, 0.5])
    base = tmp_path_factory.mktemp(request.param)
    served = containers.train(
        ALGORITHM, base, hyperparameters, {"train": ("text/csv", containers.csv(labels, features))}
    )
    document = linear_files.document((base / "model/model_algo-1").read_bytes())
    return served, compiled(json.loads(json.dumps(document))), problem


@settings(max_examples=25)
@given(
    table=arrays.arrays(np.float64, st.tuples(st.integers(1, 4), st.just(3)), elements=st.floats(-1e6, 1e6, width=32))
)
def test_every_wire(trained: tuple[containers.Served, LocalModel, Problem], table: Any) -> None:
    served, local, problem = trained
    lines = [",".join(map(repr, row)).encode() + b"\n" for row in table.tolist()]
    theirs = ANSWERS.decode(json.dumps(served.json(b"".join(lines))).encode(), problem)
    expected = list(ANSWERS.rows([json.dumps(served.json(b"".join(lines)))], problem))
    assert len(theirs) == len(lines)
    dense = [dense_record(row) for row in table.tolist()]
    sparse = [sparse_record([at for at in range(3) if row[at]], [cell for cell in row if cell], 3) for row in table]
    for records, wire in ((lines, "csv"), (dense, "recordio"), (sparse, "recordio")):
        for our, their in zip(local.scores(records, wire), expected, strict=True):  # type: ignore[arg-type]
            assert our == pytest.approx(their, rel=1e-6, abs=1e-6)


def test_what_awss_own_container_writes_is_refused() -> None:
    with pytest.raises(NoLocalModel, match="AWS documents no layout"):
        linear_files.document(b"\x12\x01\0\0mxnet")
    with pytest.raises(NoLocalModel, match="AWS documents no layout"):
        stream = io.BytesIO()
        np.savez(stream, other=np.zeros(2))
        linear_files.document(stream.getvalue())


def test_pickles_are_never_loaded() -> None:
    stream = io.BytesIO()
    about = np.array({"predictor_type": "regressor", "loss": "squared_loss", "feature_dim": 1}, dtype=object)
    arrays_of: dict[str, Any] = {"weight": np.zeros((1, 1)), "bias": np.zeros(1), "about.json": about}
    np.savez(stream, **arrays_of)
    with pytest.raises(NoLocalModel, match="can't be read"):
        linear_files.document(stream.getvalue())


def test_scores_that_are_no_probabilities_are_refused() -> None:
    stream = io.BytesIO()
    about = json.dumps({"predictor_type": "binary_classifier", "loss": "hinge_loss", "feature_dim": 1})
    arrays_of: dict[str, Any] = {"weight": np.zeros((1, 1)), "bias": np.zeros(1), "about.json": np.array(about)}
    np.savez(stream, **arrays_of)
    with pytest.raises(NoLocalModel, match="no probabilities"):
        linear_files.document(stream.getvalue())
