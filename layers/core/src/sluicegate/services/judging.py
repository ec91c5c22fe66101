"""A run's predictions over the holdout: read, measured, compared with the champion's, judged, reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count as counting
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.domain import algorithms, names
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.distribution import Distribution
from sluicegate.domain.errors import UserError
from sluicegate.domain.findings import leaks
from sluicegate.domain.gate import Verdict, judge
from sluicegate.domain.items import RunItem
from sluicegate.domain.measures import Comparison, Estimate
from sluicegate.domain.schema import SUPERVISED, Problem
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import RegistryReader, Storage, Workspace
from sluicegate.services import datasets, importance, reporting
from sluicegate.services.ledger import trained_by
from sluicegate.services.local_copy import Copy

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]


class Unreadable(UserError):
    """A transform job's output is not what its input asks for."""


@dataclass(frozen=True)
class Judged:
    """What the run's item and the report say."""

    metric: str
    metrics: dict[str, Any]
    verdict: Verdict
    threshold: float | None = None  # of anomaly detection: the score above which a record is anomalous


@dataclass(frozen=True)
class _Found:
    """What was measured. ``why_not`` says why there is no comparison with a champion."""

    rows: int
    metrics: Mapping[str, Estimate]
    comparison: Comparison | None
    why_not: str
    report: dict[str, Any]
    threshold: float | None = None
    labels: Floats | None = None
    classes: Mapping[str, int] | None = None  # of a binary problem: how many of the rows each class has


@dataclass(frozen=True)
class _Champion:
    algorithm: Algorithm
    problem: Problem
    document: dict[str, Any]


class Judge:
    """Reads what the transform jobs wrote; says nothing to SageMaker or the registry."""

    def __init__(self, registry: RegistryReader, storage: Storage, workspace: Workspace, prefix: str) -> None:
        self._registry = registry
        self._storage = storage
        self._workspace = workspace
        self._prefix = prefix

    def judge(
        self, run: RunItem, document: dict[str, Any], settings: ModelSettings, copy: Copy, now: datetime
    ) -> Judged:
        """Measures and writes the report. ``copy``: the model as functions evaluate it. Raises ``Unreadable``."""
        problem = Problem.from_json(document["problem"])
        metric, champion = settings.metric_for(problem), run.get("champion")
        measure = self._with_target if problem.kind in SUPERVISED else self._without_target
        with self._workspace.folder() as folder:
            try:
                found = measure(run, document, settings, problem, folder)
            except ValueError as error:
                raise Unreadable("Evaluation failed", f"The predictions can't be measured: {error}.") from error
            model = importance.Trained(run, document, algorithms.of(settings), self._artifact(run), copy)
            goes_by = importance.describe(self._storage, model, problem, metric, found.labels, folder)
        verdict = judge(
            metric,
            found.metrics,
            found.comparison,
            settings.evaluation,
            champion,
            found.why_not,
            found.classes,
            leaks(document.get("profile") or {}),
        )
        shown = {name: estimate.to_json() for name, estimate in found.metrics.items()}
        report = reporting.describe(self._registry, run, document, settings, now) | {
            "problem": problem.to_json(),
            "rows": found.rows,
            "metric": metric,
            "metrics": shown,
            "champion": champion,
            "comparison": found.comparison.to_json() if found.comparison else None,
            "verdict": verdict.to_json(),
            "importance": goes_by,
            **found.report,
        }
        reporting.write(self._storage, report)
        return Judged(metric, shown, verdict, found.threshold)

    def _with_target(
        self, run: RunItem, document: dict[str, Any], settings: ModelSettings, problem: Problem, folder: Path
    ) -> _Found:
        # numpy takes long to import: only where something is measured
        from sluicegate.domain.evaluation import baseline, predicted, supervised
        from sluicegate.domain.metrics import align_predictions, compare, evaluate

        algorithm, metric, seed = algorithms.of(settings), settings.metric_for(problem), run["run"]
        labels = self._labels(run, folder)
        predictions = self._answers(run, "challenger", algorithm, problem, len(labels), folder)
        comparison, older, why_not = None, None, ""
        metrics = evaluate(problem, labels, predictions, seed=seed)
        champion, why_not = self._champion(run, document, settings)
        if champion is not None:
            given = self._answers(run, "champion", champion.algorithm, champion.problem, len(labels), folder)
            older = align_predictions(given, champion.problem, problem)
            if older is not None:
                comparison = compare(problem, metric, labels, predictions, older, seed=seed)
        report = {
            "baseline": baseline(problem, metric, labels, predictions, document["profile"], seed=seed),
            "figures": supervised(problem, labels, predictions, older),
            "prediction_distribution": _spread(predicted(problem, predictions)),
        }
        classes = None
        if problem.kind == "binary":
            positive = int((labels > 0.5).sum())
            classes = dict(zip(problem.classes, (len(labels) - positive, positive), strict=True))
        return _Found(len(labels), metrics, comparison, why_not, report, labels=labels, classes=classes)

    def _without_target(
        self, run: RunItem, document: dict[str, Any], settings: ModelSettings, problem: Problem, folder: Path
    ) -> _Found:
        from sluicegate.domain.evaluation import predicted
        from sluicegate.domain.unsupervised import MOST_ROWS, compare, evaluate

        algorithm, metric, seed = algorithms.of(settings), settings.metric_for(problem), run["run"]
        rows = int(document["counts"]["holdout"])
        step = 1 if problem.kind == "anomaly" else -(-rows // MOST_ROWS)
        features = None if problem.kind == "anomaly" else self._features(run, step, folder)
        labels = self._labels(run, folder) if problem.kind == "anomaly" and problem.classes else None
        answers = self._answers(run, "challenger", algorithm, problem, rows, folder)[::step]
        measured = evaluate(problem, features, answers, labels, seed=seed)
        comparison = None
        champion, why_not = self._champion(run, document, settings)
        if champion is not None and champion.problem.kind != problem.kind:
            why_not = f"its problem is {champion.problem.kind}"
        elif champion is not None:
            older = self._answers(run, "champion", champion.algorithm, champion.problem, rows, folder)[::step]
            same = champion.document["encoder"] == document["encoder"]
            comparison, why_not = compare(
                problem, metric, features, answers, older, labels, same_encoding=same, seed=seed
            )
        report = {
            "figures": measured.figures,
            "prediction_distribution": _spread(predicted(problem, answers)),
            "baseline": None,
        }
        return _Found(rows, measured.metrics, comparison, why_not, report, measured.threshold)

    def _champion(
        self, run: RunItem, document: dict[str, Any], settings: ModelSettings
    ) -> tuple[_Champion | None, str]:
        """What serves, and why it doesn't compare: it predicts another target, or has learned from rows that are held
        out now and would win by memory."""
        version = run.get("champion")
        if version is None:
            return None, ""
        item = self._registry.version(run["model"], version)
        older = datasets.read(self._storage, run["model"], item["dataset_version"])
        if older is None:
            return None, "its data set is gone"
        before = parse_settings(self._registry.run(run["model"], item["run"]).get("settings") or "")
        if older["schema"].get("target") != document["schema"].get("target"):
            return None, "its target is another one"
        by_time = settings.split.by == "time"  # there the boundary moves, but never behind what it has learned
        if (
            (before.split.by, before.split.column) != (settings.split.by, settings.split.column)
            or (before.id_column != settings.id_column and not by_time)
            or (before.split.holdout < settings.split.holdout and not by_time)
        ):
            return None, "it has learned from rows that are held out now"
        return _Champion(algorithms.of(before), Problem.from_json(older["problem"]), older), ""

    def _artifact(self, run: RunItem) -> str:
        return names.artifact(run["model"], trained_by(run, self._prefix))

    def _labels(self, run: RunItem, folder: Path) -> Floats:
        """(n,); NaN where a row of an unsupervised problem has none."""
        prefix = f"datasets/{run['model']}/{run['dataset_version']}/holdout-labels/"
        return self._numbers(prefix, folder / "labels", lambda lines: (line.strip() or "nan" for line in lines))[:, 0]

    def _features(self, run: RunItem, step: int, folder: Path) -> Floats:
        """(n, d): each ``step``-th row of the holdout, as the algorithm sees it (CSV: filled, so no field is empty).
        A large holdout is several files, and the count goes on from one to the next: the answers are one table."""
        prefix = f"datasets/{run['model']}/{run['dataset_version']}/holdout/"
        place = counting()

        def each(lines: Iterable[str]) -> Iterable[str]:
            return (line for line in lines if next(place) % step == 0)

        return self._numbers(prefix, folder / "features", each)

    def _answers(
        self, run: RunItem, role: str, algorithm: Algorithm, problem: Problem, rows: int, folder: Path
    ) -> Floats:
        """(n,) or, with several numbers a row, (n, k)."""
        prefix = f"evaluations/{run['model']}/{run['run']}/{role}/"
        found = self._numbers(prefix, folder / role, lambda lines: algorithm.table(lines, problem))
        if len(found) != rows:
            raise Unreadable(
                "Evaluation failed",
                f"The {role} predicted {len(found):,} rows of {rows:,}.",
                "The transform job's log in CloudWatch says more.",
            )
        several = problem.kind in ("clustering", "decomposition")
        return found if several or found.shape[1] > 1 else found[:, 0]

    def _numbers(self, prefix: str, folder: Path, read: Callable[[Iterable[str]], Iterable[str]]) -> Floats:
        """All files under ``prefix``, in the order of their names, as one table of numbers."""
        import numpy as np

        folder.mkdir()
        tables = []
        for number, part in enumerate(sorted(self._storage.list(prefix), key=lambda found: found.key)):
            target = folder / f"{number:05d}"
            self._storage.download(part.key, target)
            try:
                with target.open(encoding="utf-8") as lines:
                    tables.append(np.loadtxt(read(lines), delimiter=",", ndmin=2))
            except ValueError as error:
                raise Unreadable("Evaluation failed", f"{part.key} holds no numbers: {error}") from error
        if not tables or any(table.shape[1] != tables[0].shape[1] for table in tables):
            raise Unreadable("Evaluation failed", f"There is no readable output under {prefix}.")
        return np.concatenate(tables)


def _spread(found: Distribution | None) -> dict[str, Any] | None:
    return None if found is None else found.to_json()
