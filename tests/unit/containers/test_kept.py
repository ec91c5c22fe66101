"""Channels that are read once for several training jobs: the same model, and never another's rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from local_region.containers.builtin import channels, linear_learner
from local_region.containers.builtin import training as builtin_training
from local_region.containers.common import kept
from local_region.containers.common.kept import Kept
from local_region.containers.xgboost import boosting, train
from tests.support.containers import CSV, csv, lay_out

HYPER = {"objective": "binary:logistic", "eval_metric": "logloss", "seed": "1", "nthread": "1"}


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fresh = Kept()
    for module in (kept, boosting, channels, builtin_training):
        monkeypatch.setattr(module, "KEPT", fresh)
    yield


def rows(seed: int, count: int = 300) -> bytes:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 4))
    return csv((features[:, 0] + random.normal(size=count) > 0).astype(int), features)


def folder(base: Path, hyperparameters: dict[str, str], seed: int = 0) -> Path:
    parts = {"train": (CSV, rows(seed)), "validation": (CSV, rows(9, 100))}
    return lay_out(base, {"num_round": "5", **hyperparameters}, parts)


def model(base: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    assert train.main(["train"]) == 0
    return (base / "model/xgboost-model").read_bytes()


def load(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    config = base / "input/config/hyperparameters.json"
    values = json.loads(config.read_text())
    del values["num_round"]  # it may be tuned
    config.write_text(json.dumps(values))
    assert train.load(["load"]) == 0


@pytest.mark.parametrize(
    "own",
    [
        {"max_depth": "3"},
        {"max_bin": "16"},
        {"tree_method": "exact"},
        {"booster": "gblinear"},
        {"csv_weights": "1"},
        {"_kfold": "3"},
    ],
)
def test_a_job_learns_the_same_from_channels_that_were_read_for_it(
    own: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where its hyperparameters ask for another table or matrix than the one that was made ahead."""
    name = "xgboost-model-0" if "_kfold" in own else "xgboost-model"

    def trained(base: Path) -> bytes:
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
        assert train.main(["train"]) == 0
        return (base / "model" / name).read_bytes()

    values = HYPER | own
    if own.get("csv_weights"):
        monkeypatch.setattr("tests.unit.containers.test_kept.rows", lambda seed, count=300: _weighted(seed, count))
    alone = trained(folder(tmp_path / "alone", values))
    capfd.readouterr()
    load(folder(tmp_path / "ahead", HYPER), monkeypatch)
    assert "once" not in capfd.readouterr().out
    assert trained(folder(tmp_path / "after", values)) == alone
    said = capfd.readouterr().out
    if not {"csv_weights", "_kfold"} & set(own):  # those read other columns, or other files
        assert said.count(kept.ONCE) == 2


def _weighted(seed: int, count: int) -> bytes:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 4))
    return csv((features[:, 0] > 0).astype(int), np.column_stack([random.uniform(0.5, 2, count), features]))


def test_files_that_were_replaced_meanwhile_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = model(folder(tmp_path / "alone", HYPER, seed=1), monkeypatch)
    load(folder(tmp_path / "ahead", HYPER, seed=0), monkeypatch)
    capfd.readouterr()
    assert model(folder(tmp_path / "after", HYPER, seed=1), monkeypatch) == alone
    assert capfd.readouterr().out.count(kept.ONCE) == 1  # the validation channel is the same


def test_a_job_that_is_not_told_to_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = folder(tmp_path / "first", HYPER)
    model(first, monkeypatch)
    read: list[str] = []
    found, known = kept.KEPT.read(("csv", False), [first / "input/data/train/part-0"], lambda: read.append("again"))
    assert (found, known, read) == (None, False, ["again"])


def test_unreadable_rows_fail_the_reading_with_the_jobs_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = lay_out(tmp_path / "bad", HYPER, {"train": (CSV, b"1,2\n0,x\n")})
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    assert train.load(["load"]) == 2
    assert "line 2 column 2: 'x' is not a number" in (base / "output/failure").read_text()


def test_built_ins_find_what_was_read_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    values = {"predictor_type": "binary_classifier", "epochs": "2"}
    content = {"train": (CSV, rows(0)), "validation": (CSV, rows(9, 100))}
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(lay_out(tmp_path / "ahead", {}, content)))
    assert linear_learner.load(["load"]) == 0
    assert kept.ONCE not in capfd.readouterr().out
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(lay_out(tmp_path / "after", values, content)))
    assert linear_learner.train(["train"]) == 0
    assert capfd.readouterr().out.count(kept.ONCE) == 2
