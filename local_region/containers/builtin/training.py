"""A built-in's training process, from its folder to ``model/model_algo-1``."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from local_region.containers.builtin import artifact, channels
from local_region.containers.builtin.algorithm import Algorithm, Data, Job, model_path
from local_region.containers.common import training
from local_region.containers.common.errors import UserError
from local_region.containers.common.hosts import cluster
from local_region.containers.common.kept import KEPT
from local_region.containers.common.training import read_json


def entry(algorithm: Algorithm) -> Callable[[Sequence[str]], int]:
    """``train`` of a module: the container contract's "train", which has no arguments of interest."""
    return lambda argv: training.run(functools.partial(_train_in_its_share, algorithm))  # noqa: ARG005


def loading(algorithm: Algorithm) -> Callable[[Sequence[str]], int]:
    """``load`` of a module: reads the channels for the training processes that are forked from this one."""
    return lambda argv: training.run(functools.partial(_load, algorithm))  # noqa: ARG005


def _load(algorithm: Algorithm, base: Path) -> None:
    settings = read_json(base / "input/config/inputdataconfig.json")
    channels.check(settings, algorithm)
    with KEPT.keeping():
        for name, channel in settings.items():
            channels.read(base / "input/data", name, channel, algorithm)


def _train_in_its_share(algorithm: Algorithm, base: Path) -> None:
    """``train`` with as many threads as the job has a share of the cores. OpenMP and BLAS have read ``OMP_NUM_THREADS``
    before this process had it, so they are told by their own functions."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    share = os.environ.get("OMP_NUM_THREADS", "")
    with threadpool_limits(int(share) if share.isdigit() else None):
        train(algorithm, base)


def train(algorithm: Algorithm, base: Path) -> None:
    """Check everything that can be checked, read the channels, learn, save, score."""
    values = algorithm.validate(read_json(base / "input/config/hyperparameters.json"))
    settings = read_json(base / "input/config/inputdataconfig.json")
    channels.check(settings, algorithm)
    hosts = cluster(base, os.environ)
    data = channels.read(base / "input/data", "train", settings["train"], algorithm)
    data = channels.together(data, settings["train"], hosts)
    if not hosts.leads:
        print(f"Host {hosts.current} has given its rows to {hosts.hosts[0]}", flush=True)
        return
    if data is None:
        raise UserError("No data in the train channel.")
    channels.check_width(data, values.get("feature_dim"), "train", settings["train"])
    others: dict[str, Data] = {}
    for name in settings:
        if name == "train":
            continue
        other = channels.read(base / "input/data", name, settings[name], algorithm)
        if other is None:
            raise UserError(f"No data in the {name} channel.")
        channels.check_width(other, data.width, name, settings[name])
        others[name] = other
    job = Job(values, data, others, hosts)
    model = algorithm.fit(job)
    job.finished()
    for name, other in others.items():
        algorithm.evaluate(model, job, name, other)
    artifact.save(model, algorithm, model_path(base))
