"""Start what a run trains: one training job, or a tuning job; estimated, recorded and refused before it costs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluicegate.domain import names, tuning
from sluicegate.domain.errors import AlreadyExists, SettingsError, UnusableData
from sluicegate.domain.items import ModelItem, RunItem
from sluicegate.domain.lifecycle import STARTING
from sluicegate.domain.pricing import affordable_seconds
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_tuning import jobs_of, ranges_of, tunable_of
from sluicegate.domain.tunables import Objective
from sluicegate.ports import Change, Jobs, TrainingSpec, TuningSpec
from sluicegate.services import costs
from sluicegate.services.costs import Costs
from sluicegate.services.ledger import Ledger, Step

log = logging.getLogger(__name__)
#: what SageMaker takes as the shortest training job is a second; below this nothing can be trained
_SHORTEST_SECONDS = 60


class Launch:
    """``start`` may be called again for the same run: names are derived, so nothing starts twice."""

    def __init__(self, ledger: Ledger, jobs: Jobs, costs: Costs, region: str, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._jobs = jobs
        self._costs = costs
        self._region = region
        self._prefix = prefix

    def start(
        self,
        run: RunItem,
        settings: ModelSettings,
        problem: Problem,
        spec: TrainingSpec,
        size: costs.Size,
        now: datetime,
    ) -> dict[str, Any]:
        """What the run's item says from now on. ``spec`` is the training job, or what all of a tuning job's are."""
        estimate = self._costs.estimate(run, settings, size)
        budget = settings.budget.per_run_usd
        if budget is not None and estimate is not None:
            # whatever else happens, no job runs for longer than the budget pays
            prepared = sum(line.usd(line.seconds) for line in estimate.lines if line.what == "preparation")
            most = affordable_seconds(budget - prepared, estimate.line("training").price, spec.instance_count)
            spec = replace(spec, max_runtime_seconds=max(_SHORTEST_SECONDS, min(spec.max_runtime_seconds, most)))
        tuned = self._tuning(run, settings, problem, spec)
        fields: dict[str, Any] = {"cost": costs.estimated(estimate, settings, run)}
        if tuned is not None:
            fields["tuning"] = _shown(tuned)
        self._record(run, fields, now)
        costs.check(estimate, settings, self._region)
        try:
            if tuned is None:
                self._jobs.create_training_job(spec)
            else:
                self._jobs.create_tuning_job(tuned)
        except AlreadyExists:
            log.info("job %s is there already", spec.name if tuned is None else tuned.name)
        return {"training_job": spec.name} if tuned is None else {}

    def _record(self, run: RunItem, fields: Mapping[str, Any], now: datetime) -> None:
        """Before anything runs, so that whoever hears of its end knows what it is and what it may cost."""
        model = run["model"]

        def plan(_: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            if found["status"] not in STARTING or _recorded(found):
                return None
            known = Change("run", model, run["run"], set=fields, status_in=STARTING)
            return Step(f"Preparing run {run['run']}.", changes=[known])

        self._ledger.step(model, now, plan)

    def _tuning(self, run: RunItem, settings: ModelSettings, problem: Problem, spec: TrainingSpec) -> TuningSpec | None:
        asked, tunable = settings.algorithm.tuning, tunable_of(settings)
        if asked is None or tunable is None:
            return None
        metric = settings.metric_for(problem)
        objective = tuning.objective(tunable, problem.kind, metric, asked.objective)
        if objective is None:
            known = ", ".join(tuning.objective_names(tunable, problem.kind)) or "none"
            said = (
                f"given {asked.objective!r}" if asked.objective else f"{settings.algorithm.name} has none for {metric}"
            )
            raise SettingsError(
                "model.yaml doesn't fit the data",
                f"The data make it a {problem.kind} problem. algorithm.tuning.objective: {said}; accepted is {known}",
                "Correct model.yaml, or set problem if the data were taken for the wrong one.",
            )
        if spec.validation_uri is None and not tunable.own:
            raise UnusableData(
                "Nothing to tune for",
                "The data set has no validation rows, and the objective is read from them.",
                "Raise split.validation, or give more data.",
            )
        ranges = tuning.parameter_ranges(tunable, ranges_of(settings))
        searched = {each["Name"] for group in ranges.values() for each in group}
        fixed = tuning.along(tunable, searched, objective) | dict(spec.hyperparameters)
        static = {name: value for name, value in fixed.items() if name not in searched}
        jobs = jobs_of(settings)
        resources = None
        if asked.strategy == "Hyperband" and tunable.epochs is not None:
            rounds = int(spec.hyperparameters[tunable.epochs])
            resources = (max(1, rounds // 27), rounds)  # two times a third of a third of a third
        parent, identical = self._parent(run, settings, objective, searched | set(static))
        return TuningSpec(
            name=names.tuning_job(self._prefix, run["model"], run["run"]),
            trial=replace(spec, hyperparameters=static),
            strategy=asked.strategy,
            metric=objective.metric,
            direction=objective.direction,
            definitions={} if objective.regex is None else {objective.metric: objective.regex},
            jobs=jobs,
            parallel=min(asked.parallel, jobs),
            ranges=ranges,
            early_stopping=asked.early_stopping,
            seed=int(run["run"], 16) % 2**31,
            resources=resources,
            parent=parent,
            identical=identical,
        )

    def _parent(
        self, run: RunItem, settings: ModelSettings, objective: Objective, hyperparameters: set[str]
    ) -> tuple[str | None, bool]:
        """The newest tuning job of the model that the new one can learn from, and whether data and code are the same.

        SageMaker wants the same objective, and the same hyperparameters static and tunable together.
        """
        asked = settings.algorithm.tuning
        if asked is None or not asked.warm_start:
            return None, False
        for before in self._registry.runs(run["model"]):
            known = before.get("tuning")
            if known is None or before["run"] == run["run"] or known.get("status") not in ("Completed", "Stopped"):
                continue
            if (known["objective"], known["direction"]) != (objective.metric, objective.direction):
                continue
            if set(known["hyperparameters"]) != hyperparameters:
                continue
            same_data = before["dataset_version"] == run["dataset_version"]
            return known["job"], same_data and before.get("code") == run.get("code")
        return None, False


def _recorded(run: RunItem) -> bool:
    """The search would lose trials that were noted since; the estimate of a preparation is followed by a whole one."""
    lines = ((run.get("cost") or {}).get("estimate") or {}).get("lines", [])
    return bool(run.get("tuning")) or any(line["what"] == "training" for line in lines)


def _shown(spec: TuningSpec) -> dict[str, Any]:
    """The run item's ``tuning`` before the first trial."""
    searched = [each["Name"] for group in spec.ranges.values() for each in group]
    return {
        "job": spec.name,
        "status": "InProgress",
        "strategy": spec.strategy,
        "objective": spec.metric,
        "direction": spec.direction,
        "max_jobs": spec.jobs,
        "parallel": spec.parallel,
        "searched": sorted(searched),
        "hyperparameters": sorted({*searched, *spec.trial.hyperparameters}),
        "warm_start": spec.parent,
        "stopped": None,
        "best": None,
        "trials": [],
    }


def searching(run: RunItem) -> str:
    """What the run's history adds where a tuning job trains."""
    search = run.get("tuning")
    if not search:
        return ""
    parent = f", beginning with what {search['warm_start']} found" if search["warm_start"] else ""
    return (
        f" {search['strategy']} search for {search['objective']} with {search['max_jobs']} training "
        f"job{'s' if search['max_jobs'] != 1 else ''}, {search['parallel']} at a time{parent}."
    )
