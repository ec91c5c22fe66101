"""A training process keeps to its job's share of the machine's cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from local_region.containers.builtin import kmeans, training
from local_region.containers.common.hosts import Cluster
from local_region.containers.xgboost.boosting import Job


@pytest.mark.parametrize("share", ["1", "2"])
def test_a_built_in_learns_with_its_share(share: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[set[int]] = []
    monkeypatch.setenv("OMP_NUM_THREADS", share)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr(training, "train", lambda *_: seen.append({each["num_threads"] for each in threadpool_info()}))
    assert training.entry(kmeans.ALGORITHM)([]) == 0
    ((*threads,),) = seen
    assert threads
    assert max(threads) <= int(share)


@pytest.mark.parametrize(("given", "threads"), [({}, 1), ({"nthread": 2}, 2)])
def test_xgboost_learns_with_its_share_unless_it_is_told(
    given: dict[str, Any], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    job = Job({"num_round": 1, **given}, "csv", Path(), ["train"], False, Cluster(("algo-1",), "algo-1", Path()))
    assert job._params["nthread"] == threads
