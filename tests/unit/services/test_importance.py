"""What a version goes by, from its files in the bucket: shuffled where functions can evaluate it, and as it says."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import numpy as np
import pytest

from sluicegate.domain import algorithms
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.items import LocalItem, RunItem
from sluicegate.domain.local_models.packing import pack
from sluicegate.domain.recordio import dense_record
from sluicegate.domain.schema import Column, Problem
from sluicegate.services import importance
from sluicegate.services.importance import Trained
from sluicegate.services.local_copy import Copy
from tests.support.fakes import FakeStorage, FakeWorkspace, World

ENCODER = Encoder.fit([Column("plan", "category", ("a",)), Column("income", "number")])
BINARY = Problem("binary", ("no", "yes"))
RUN = RunItem(model="churn", run="0a1b2c3d", dataset_version="d")
HOLDOUT, ARTIFACT = "datasets/churn/d/holdout/part-00000.csv", "artifacts/churn/job/output/model.tar.gz"
ABSENT = Copy(LocalItem(absent="a model of it is evaluated by its container alone"))


def rows(count: int = 300) -> tuple[Any, Any]:
    random = np.random.default_rng(2)
    plan = random.integers(0, 2, count)
    found = np.column_stack([plan, 1 - plan, random.normal(size=count).round(3)])
    return found, (found[:, 2] + 0.3 * plan > 0).astype(float)


ROWS, LABELS = rows()


@pytest.fixture
def storage() -> FakeStorage:
    found = FakeStorage(World())
    found.put(HOLDOUT, "".join(f"{a:g},{b:g},{c!r}\n" for a, b, c in ROWS.tolist()).encode())
    return found


def linear() -> Copy:
    member = {"precision": "double", "weights": pack("d", [0.1, -0.1, 2.0]), "bias": [0.0]}
    document = {"format": 1, "kind": "linear", "link": "wide-logistic", "width": 3, "members": [member]}
    return Copy(LocalItem(key="k", bytes=1), document)


def describe(storage: FakeStorage, name: str, copy: Copy, labels: Any = LABELS, **more: Any) -> dict[str, Any]:
    document = {"encoder": ENCODER.to_json(), "problem": BINARY.to_json(), **more}
    model = Trained(RUN, document, algorithms.named(name), ARTIFACT, copy)
    with FakeWorkspace().folder() as folder:
        return importance.describe(storage, model, BINARY, "auc", labels, folder)


def leave(storage: FakeStorage, **files: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name.replace('_', '.')}")
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    storage.put(ARTIFACT, stream.getvalue())


def test_a_linear_model_is_shuffled_and_its_weights_are_told(storage: FakeStorage) -> None:
    found = describe(storage, "linear-learner", linear())
    shuffled, reported = found["permutation"], found["reported"]
    assert [row["column"] for row in shuffled["columns"]] == ["income", "plan"]
    assert shuffled["columns"][0]["low"] > 0.3
    assert (shuffled["metric"], shuffled["rows"], shuffled["of"]) == ("auc", 300, 300)
    assert reported["kind"] == "weights" and reported["columns"][0]["column"] == "income"
    assert reported["columns"][1]["share"] == pytest.approx(0.2 * 0.5 / (0.2 * 0.5 + 2.0 * ROWS[:, 2].std()), abs=0.01)
    assert describe(storage, "linear-learner", linear()) == found


def test_rows_in_every_wire_are_read(storage: FakeStorage) -> None:
    as_csv = describe(storage, "linear-learner", linear())
    frames = [dense_record(row) for row in ROWS.tolist()]
    lines = [f"0 0:{a:g} 1:{b:g} 2:{c!r}\n".encode() for a, b, c in ROWS.tolist()]
    for wire, content in (("recordio", b"".join(frames)), ("libsvm", b"".join(lines))):
        storage.put(HOLDOUT, content)
        given = {"train": wire, "infer": wire}
        assert describe(storage, "linear-learner", linear(), wire=given) == as_csv


@pytest.mark.parametrize("wire", ["csv", "recordio"])
def test_of_many_rows_the_first_are_sampled(storage: FakeStorage, monkeypatch: pytest.MonkeyPatch, wire: str) -> None:
    if wire == "recordio":
        storage.put(HOLDOUT, b"".join(dense_record(row) for row in ROWS.tolist()))
    monkeypatch.setattr(importance, "READ", len(storage.objects[HOLDOUT]) // 2 + 3)
    given = {"train": wire, "infer": wire}
    found = describe(storage, "linear-learner", linear(), wire=given)["permutation"]
    assert found["of"] == found["rows"] and 130 < found["of"] < 170
    assert [row["column"] for row in found["columns"]] == ["income", "plan"]


def test_rows_that_do_not_belong_to_the_labels(storage: FakeStorage) -> None:
    for labels in (LABELS[:-1], np.append(LABELS, 1.0)):
        found = describe(storage, "linear-learner", linear(), labels)
        assert "300 rows held out, and" in found["permutation"]["absent"]
        assert "300 rows held out, and" in found["reported"]["absent"]
    storage.put(HOLDOUT, b"1,2\n" * 300)
    assert "2 features, the model has 3" in describe(storage, "linear-learner", linear())["permutation"]["absent"]
    del storage.objects[HOLDOUT]
    assert "holdout" in describe(storage, "linear-learner", linear())["permutation"]["absent"]


def test_a_model_that_uses_nothing_or_can_not_be_measured(storage: FakeStorage) -> None:
    found = describe(storage, "linear-learner", linear(), np.zeros(300))
    assert "auc can't be computed" in found["permutation"]["absent"]
    assert found["reported"]["kind"] == "weights"


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "script", "image"])
def test_what_a_script_leaves_is_told(storage: FakeStorage, name: str) -> None:
    leave(storage, importance_json=json.dumps({"method": "Gain.", "features": [1, 0, 3]}).encode(), model_txt=b"tree")
    found = describe(storage, name, ABSENT)
    assert found["permutation"]["absent"] == ABSENT.item["absent"]
    assert found["reported"]["columns"] == [{"column": "income", "share": 0.75}, {"column": "plan", "share": 0.25}]
    leave(storage, model_txt=b"tree")
    assert describe(storage, name, ABSENT)["reported"]["absent"] == "its artifact holds no importance.json"
    leave(storage, importance_json=b"[]")
    assert "importance.json holds" in describe(storage, name, ABSENT)["reported"]["absent"]
    del storage.objects[ARTIFACT]
    assert "artifacts/churn" in describe(storage, name, ABSENT)["reported"]["absent"]


@pytest.mark.parametrize("name", ["knn", "factorization-machines"])
def test_models_without_weights_of_columns(storage: FakeStorage, name: str) -> None:
    found = describe(storage, name, ABSENT)
    assert name in found["reported"]["absent"] and "absent" in found["permutation"]


@pytest.mark.parametrize("name", ["kmeans", "pca", "randomcutforest"])
def test_models_without_a_target(storage: FakeStorage, name: str) -> None:
    found = describe(storage, name, ABSENT, None)
    assert "there is no target" in found["permutation"]["absent"]
    assert name in found["reported"]["absent"]
