"""What functions evaluate is made of the artifact, and offered only when it answers as its own container did."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import numpy as np
import pytest
import xgboost

from sluicegate.domain import algorithms
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.items import LocalItem, RunItem
from sluicegate.domain.local_models import compiled
from sluicegate.domain.schema import Column, Problem
from sluicegate.services import artifacts, local_copy
from sluicegate.services.local_copy import LocalCopy
from tests.support.fakes import FakeStorage, FakeWorkspace, World

ENCODER = Encoder.fit([Column("a", "number"), Column("b", "number")])
DOCUMENT = {"encoder": ENCODER.to_json(), "problem": Problem("binary", ("no", "yes")).to_json()}
RUN = RunItem(model="churn", run="0a1b2c3d", dataset_version="d")
DATA = np.random.default_rng(1).normal(size=(80, 2)).round(2)
ROWS = [f"{a!r},{b!r}\n" for a, b in DATA.tolist()]


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def storage() -> FakeStorage:
    """A run whose two folds were trained and have predicted the rows held out."""
    found = FakeStorage(World())
    folds = [
        xgboost.train(
            {"objective": "binary:logistic", "nthread": 1, "subsample": 0.5, "seed": seed},
            xgboost.DMatrix(DATA, DATA[:, 0] > 0, nthread=1),
            6,
        )
        for seed in range(2)
    ]
    raw = {f"xgboost-model-{n}": bytes(fold.save_raw("ubj")) for n, fold in enumerate(folds)}
    found.put("artifacts/churn/job/output/model.tar.gz", archive({".hidden": b"?", **raw}))
    found.put("datasets/churn/d/holdout/part-00000.csv", "".join(ROWS).encode())
    answers = np.mean([fold.inplace_predict(DATA.astype(np.float32)) for fold in folds], axis=0)
    found.put("evaluations/churn/0a1b2c3d/challenger/part-00000.csv.out", answer(answers.tolist()))
    return found


def answer(values: list[float]) -> bytes:
    return "".join(f"{value!r}\n" for value in values).encode()


def make(storage: FakeStorage, algorithm: str = "xgboost") -> LocalItem:
    made = LocalCopy(storage, FakeWorkspace())
    copy = made.make(RUN, "job", DOCUMENT, algorithms.named(algorithm))
    assert (copy.document is None) == ("absent" in copy.item)
    return copy.item


def test_it_lies_beside_the_artifact_and_evaluates(storage: FakeStorage) -> None:
    found = make(storage)
    assert found["key"] == "artifacts/churn/job/local.json"
    content = storage.objects[found["key"]]
    assert found["bytes"] == len(content)
    scores = compiled(json.loads(content)).scores([row.encode() for row in ROWS], "csv")
    told = storage.objects["evaluations/churn/0a1b2c3d/challenger/part-00000.csv.out"].decode().split()
    assert [score[0] for score in scores] == pytest.approx([float(value) for value in told], abs=1e-6)
    before = dict(storage.objects)
    assert make(storage) == found
    assert storage.objects == before


def test_one_that_answers_otherwise_than_its_container_is_not_offered(storage: FakeStorage) -> None:
    key = "evaluations/churn/0a1b2c3d/challenger/part-00000.csv.out"
    values = [float(value) for value in storage.objects[key].decode().split()]
    storage.put(key, answer([*values[:5], values[5] + 1e-5, *values[6:]]))
    found = make(storage)
    assert "row 6 held out" in found["absent"]
    assert "artifacts/churn/job/local.json" not in storage.objects


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"artifacts/churn/job/output/model.tar.gz": None}, "model.tar.gz"),
        ({"artifacts/churn/job/output/model.tar.gz": b"no archive"}, "no readable archive"),
        ({"artifacts/churn/job/output/model.tar.gz": archive({"m": b"\x80pickle"})}, "neither JSON nor UBJSON"),
        ({"datasets/churn/d/holdout/part-00000.csv": None}, "holdout"),
        ({"datasets/churn/d/holdout/part-00000.csv": b"1,2,3\n"}, "can't be compared"),
        ({"evaluations/churn/0a1b2c3d/challenger/part-00000.csv.out": b""}, "no rows held out"),
        ({"evaluations/churn/0a1b2c3d/challenger/part-00000.csv.out": b"<html>"}, "can't be compared"),
    ],
)
def test_what_can_not_be_made_is_noted(storage: FakeStorage, change: dict[str, bytes | None], reason: str) -> None:
    for key, content in change.items():
        storage.objects.pop(key)
        if content is not None:
            storage.put(key, content)
    found = make(storage)
    assert reason in found["absent"]
    assert "key" not in found


def test_bounds(storage: FakeStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_copy, "LARGEST_DOCUMENT", 100)
    assert "too large" in make(storage)["absent"]
    monkeypatch.setattr(artifacts, "LARGEST_ARTIFACT", 100)
    assert "larger than" in make(storage)["absent"]


def test_other_algorithms_wait_for_their_endpoint(storage: FakeStorage) -> None:
    assert "kmeans" in make(storage, "kmeans")["absent"]


def test_only_whole_lines_of_a_long_file_are_compared(storage: FakeStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_copy, "_READ", 100)
    seen: dict[str, Any] = make(storage)  # type: ignore[assignment]
    assert "key" in seen
