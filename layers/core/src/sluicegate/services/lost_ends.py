"""Jobs whose end nobody told this application of: the event was lost for good.

EventBridge gets SageMaker's events at best effort. A run or a batch that waits for one that never comes would wait for
ever, and its model would not train any more. So SageMaker is asked now and then what became of the jobs that are waited
for. An end is told again, by an event of the same kind from this application: what it wakes is what SageMaker's would
have woken, and whichever comes second finds the work done or under way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import ErrorItem, RunItem, SummaryItem, moment
from sluicegate.ports import Job, JobBell, JobKind, Jobs, ProcessingJobs, TuningJob
from sluicegate.services.batch import Batches
from sluicegate.services.ledger import AGAIN, Ledger
from sluicegate.services.ticks import each

log = logging.getLogger(__name__)

#: SageMaker's event comes within seconds
GRACE = timedelta(minutes=2)
#: who starts a job notes its name first, and is tried again until then
UNSTARTED = timedelta(hours=1)

_WHAT: dict[JobKind, str] = {
    "processing": "Preparation",
    "training": "Training",
    "tuning": "Training",
    "transform": "Evaluation",
    "batch": "Predicting",
}


class LostEnds:
    """``look`` may be called again for the same time, any number of times."""

    def __init__(self, ledger: Ledger, jobs: Jobs, processing: ProcessingJobs, bell: JobBell) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._jobs = jobs
        self._processing = processing
        self._bell = bell

    def look(self, models: Sequence[SummaryItem], now: datetime) -> list[str]:
        """The jobs whose end was told again, or that are gone; ``models``: the registry's list. Raises ``Transient``
        when some models could not be looked at, after the others were."""
        runs = {line["model"]: line["active_run"] for line in models if line.get("active_run")}
        batches: dict[str, list[str]] = {}
        for awaited in self._registry.predicting():
            batches.setdefault(awaited.model, []).append(awaited.batch)

        def one(model: str) -> list[str]:
            return self._one(model, runs.get(model), batches.get(model, []), now)

        found = each({**runs, **batches}, one)
        return [job for jobs in found.values() for job in jobs]

    def _one(self, model: str, active: str | None, batches: Sequence[str], now: datetime) -> list[str]:
        told: list[str] = []
        if active:
            run = self._registry.run(model, active)
            kind, names = _waits_for(run)
            fail = partial(self._ledger.fail_run, model, active, now)
            told += self._look_for(kind, names, run["updated_at"], now, fail)
        for name in batches:
            batch = self._registry.batch(model, name)
            if batch["status"] == "predicting" and (job := batch.get("transform_job")):
                give_up = partial(Batches(self._registry).fail, batch, now)
                told += self._look_for("batch", [job], batch["updated_at"], now, give_up)
        return told

    def _look_for(
        self, kind: JobKind, names: Sequence[str], since: str, now: datetime, fail: Callable[[ErrorItem], object]
    ) -> Sequence[str]:
        """The jobs that whoever waits for ``names`` since then was told of; ``fail`` ends its waiting, when one of them
        is gone."""
        age = now - moment(since)
        try:
            job = self._over(kind, names, age)
        except NotFound as error:
            if age < UNSTARTED:
                return []
            log.warning("a %s job that is waited for is gone: %s", kind, error)
            fail(_gone(kind, names))
            return names
        if job is None:
            return []
        name, status = job
        log.warning("nobody told of the end of %s job %s, which is %s", kind, name, status)
        self._bell.ended(kind, name, status, now)
        return [name]

    def _over(self, kind: JobKind, names: Sequence[str], age: timedelta) -> tuple[str, str] | None:
        """Name and status of the first of the jobs, when all of them are over. Raises ``NotFound`` when one is gone."""
        if not names or age < GRACE:
            return None
        ask: dict[JobKind, Callable[[str], Job | TuningJob]] = {
            "processing": self._processing.processing_job,
            "training": self._jobs.training_job,
            "tuning": self._jobs.tuning_job,
            "transform": self._jobs.transform_job,
            "batch": self._jobs.transform_job,
        }
        found = [ask[kind](name) for name in names]
        return (found[0].name, found[0].status) if all(job.over for job in found) else None


def _waits_for(run: RunItem) -> tuple[JobKind, list[str]]:
    """The jobs that the run waits for in its status; none when it waits for something else."""
    tuning, preparation = run.get("tuning"), run.get("preparation")
    if run["status"] == "processing" and preparation:
        return "processing", [preparation["job"]]
    if run["status"] == "training" and tuning:
        return "tuning", [tuning["job"]]
    if run["status"] == "training" and (job := run.get("training_job")):
        return "training", [job]
    if run["status"] == "evaluating":
        return "transform", list(run.get("transform_jobs") or [])
    return "training", []


def _gone(kind: JobKind, names: Sequence[str]) -> ErrorItem:
    remedy = "drop the file again for another attempt." if kind == "batch" else AGAIN
    return ErrorItem(
        title=f"{_WHAT[kind]} failed",
        detail=f"SageMaker doesn't know {' and '.join(names)}: somebody deleted it before its end was heard of.",
        remedy=remedy[0].upper() + remedy[1:],
    )
