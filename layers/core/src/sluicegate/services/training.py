"""A run's data set is there: start what trains on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.domain import algorithms, names
from sluicegate.domain.dataset import Wires
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.items import ModelItem, RunItem
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import METRICS, ModelSettings
from sluicegate.ports import Jobs, Storage, TrainingSpec
from sluicegate.services import code, datasets
from sluicegate.services.costs import Costs, Size
from sluicegate.services.launch import Launch, searching
from sluicegate.services.ledger import Ledger, Step, move_run, tags
from sluicegate.services.notes import noted

#: an instance's disk, and what it is at least as a multiple of the rows that a processing job prepared: numbers become
#: four times their bytes, and the algorithm writes, too
_VOLUME_GB, _VOLUME_TIMES = 30, 8


class Training:
    """``begin`` may be called again for the same run: the job's name is the run's, so it starts once."""

    def __init__(self, ledger: Ledger, storage: Storage, jobs: Jobs, costs: Costs, region: str, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._launch = Launch(ledger, jobs, costs, region, prefix)
        self._region = region
        self._prefix = prefix

    def begin(self, run: RunItem, settings: ModelSettings, document: Mapping[str, Any], now: datetime) -> None:
        """``document`` is what the data set says of itself. Raises ``UserError`` and ``Refused``."""
        model, dataset = run["model"], run["dataset_version"]
        problem = Problem.from_json(document["problem"])
        rows = {part: int(document["counts"].get(part, 0)) for part in ("train", "validation", "holdout")}
        width = len(document["feature_names"])
        _check_fit(settings, problem, rows, width)
        job = names.training_job(self._prefix, model, run["run"])
        root = self._storage.uri(f"datasets/{model}/{dataset}")
        algorithm, wire = algorithms.of(settings), Wires.from_json(document.get("wire")).train
        reads_validation = algorithm.reads_validation(problem)
        prepared = (run.get("preparation") or {}).get("bytes", 0)
        submitted, environment = code.submitted(self._storage, run, algorithm)
        spec = TrainingSpec(
            name=job,
            image=algorithm.image(self._region),
            hyperparameters={**algorithm.job_hyperparameters(settings, problem, rows, width, wire), **submitted},
            environment=environment,
            train_uri=f"{root}/train/",
            validation_uri=f"{root}/validation/" if rows["validation"] and reads_validation else None,
            output_uri=self._storage.uri(f"artifacts/{model}"),
            instance_type=settings.training.instance,
            instance_count=settings.training.count,
            volume_gb=max(_VOLUME_GB, math.ceil(prepared * _VOLUME_TIMES / 2**30)),
            max_runtime_seconds=duration_seconds(settings.training.max_runtime),
            spot=settings.training.spot,
            tags=tags(model, run["run"]),
            channels=algorithm.channels,
            content_types=algorithm.channel_types(wire),
            distributions=_distributions(algorithm, settings.training.count),
            longest_spot=algorithm.longest_spot,
        )
        size = Size(rows["train"], width, _rounds(spec.hyperparameters))
        started = self._launch.start(run, settings, problem, spec, size, now)
        metric = settings.metric_for(problem)

        def plan(item: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            message = f"{rows['train']:,} rows to train on, {rows['holdout']:,} held out.{searching(found)}"
            moved = move_run(
                found,
                "training",
                now,
                message,
                rows=rows,
                notes=noted(document.get("notes") or []),
                problem=problem.kind,
                metric=metric,
                claim=None,
                **started,
            )
            if moved is None:
                return None  # the job has ended already, and whoever heard of it went on
            # while a version serves, callers send what that one asks for
            fields = {} if item.get("live_version") is not None else datasets.asked_for(document)
            return Step(f"Training run {run['run']}: {message}", fields, [moved])

        self._ledger.step(model, now, plan)


def _check_fit(settings: ModelSettings, problem: Problem, rows: Mapping[str, int], width: int) -> None:
    """Where model.yaml leaves the problem to the data, only now is it clear what fits it."""
    found = []
    algorithm = algorithms.of(settings)
    if problem.kind not in algorithm.problems:
        solves = [name for name in algorithms.NAMES if problem.kind in algorithms.named(name).problems]
        found.append(
            f"algorithm.name: given {algorithm.name!r}, which solves {', '.join(algorithm.problems)}; "
            f"accepted for a {problem.kind} problem is {', '.join(solves)}"
        )
    metric = settings.metric_for(problem)
    if metric not in METRICS[problem.kind]:
        found.append(
            f"evaluation.metric: given {metric!r}; accepted for a {problem.kind} problem is "
            f"{', '.join(METRICS[problem.kind])}"
        )
    given = settings.algorithm.hyperparameters
    mistakes = algorithm.problem_mistakes(given, problem.kind) | algorithm.fit_mistakes(given, rows, width)
    for name, mistake in mistakes.items():
        said = f"given {given[name]!r}; " if name in given else ""
        found.append(f"algorithm.hyperparameters.{name}: {said}{mistake}")
    if found:
        raise SettingsError(
            "model.yaml doesn't fit the data",
            f"The data have {rows['train']:,} rows to train on and {width:,} features, and make it a {problem.kind} "
            "problem. " + "; ".join(found),
            "Correct model.yaml, or set problem if the data were taken for the wrong one.",
        )


def _distributions(algorithm: algorithms.Algorithm, count: int) -> tuple[str, str]:
    """How S3 hands out the channels: several instances share the rows to learn from, and all see those that are judged
    by. The data set has a file for each instance (``settings.preparation_fingerprint``)."""
    return ("ShardedByS3Key", "FullyReplicated") if count > 1 else algorithm.distributions


def _rounds(hyperparameters: Mapping[str, str]) -> int:
    """How often training goes over the rows, under the name that each algorithm has for it.

    >>> _rounds({"iterations": "1000"}), _rounds({"k": "3"})
    (1000, 1)
    """
    given = (hyperparameters.get(name, "") for name in ("num_round", "num_boost_round", "iterations", "epochs"))
    return next((int(rounds) for rounds in given if rounds.isdigit()), 1)
