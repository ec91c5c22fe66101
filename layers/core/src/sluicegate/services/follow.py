"""A tuning job or one of its training jobs ended: note the trials, keep the budget, go on with the best."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sluicegate.domain import names, pricing, tuning
from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import ErrorItem, ModelItem, RunItem
from sluicegate.domain.lifecycle import STARTING
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.domain.tunables import Objective
from sluicegate.ports import Change, Jobs, Trial, TuningJob
from sluicegate.services import costs
from sluicegate.services.evaluate import Evaluate
from sluicegate.services.ledger import Ledger, Step, job_failed, shortened

log = logging.getLogger(__name__)

#: a trial's shortest words in the run's item; its job's description in SageMaker has the rest
_LONGEST_REASON = 300
_OVER = ("Completed", "Failed", "Stopped")


class Follow:
    """Both may be called again for the same job, in any order: what SageMaker says counts, not the event."""

    def __init__(self, ledger: Ledger, jobs: Jobs, evaluate: Evaluate, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._jobs = jobs
        self._evaluate = evaluate
        self._prefix = prefix

    def trial_ended(self, name: str, now: datetime) -> str:
        """What was done: noted | stopped (the budget is spent) | ignored."""
        tuning_job = names.tuning_of_trial(self._prefix, name)
        found = self._find(tuning_job) if tuning_job is not None else None
        if found is None:
            return "ignored"
        run, job = found
        if run["status"] not in (*STARTING, "training") or not run.get("tuning"):
            return "ignored"
        trials = self._jobs.trials(job.name)
        fields = self._fields(run, job, trials)
        over_budget = _over_budget(run, fields, sum(_so_far(trial, now) for trial in trials))
        fields["tuning"]["stopped"] = fields["tuning"]["stopped"] or over_budget
        self._note(run, fields, now)
        if over_budget is None or job.over:
            return "noted"
        # after the note, so that whoever hears of the end knows why; a second delivery stops again, which does no harm
        self._jobs.stop_tuning_job(job.name)
        return "stopped"

    def tuning_ended(self, name: str, now: datetime) -> str:
        """What was done: evaluating | failed | ignored."""
        found = self._find(name)
        if found is None:
            return "ignored"
        run, job = found
        if not job.over or not run.get("tuning") or not self._evaluate.waits(run, now):
            return "ignored"
        fields = self._fields(run, job, self._jobs.trials(job.name))
        over_budget = _over_budget(run, fields)
        if job.status == "Stopped" and fields["tuning"]["stopped"] is None:
            fields["tuning"]["stopped"] = over_budget or "It was stopped by somebody."
        if job.status != "Failed" and job.best is not None:
            return self._evaluate.trained(run, job.best, now, fields)
        error = _no_model(job, fields["tuning"], _own_metric(run))
        self._ledger.fail_run(run["model"], run["run"], now, error, **fields)
        return "failed"

    def _find(self, name: str) -> tuple[RunItem, TuningJob] | None:
        """The run that the tuning job is for. Its name has the run, its output says the model."""
        run = names.tuning_run(self._prefix, name)
        if run is None:
            return None
        try:
            job = self._jobs.tuning_job(name)
            model = job.output_uri.rstrip("/").rpartition("/artifacts/")[2]
            if names.tuning_job(self._prefix, model, run) != name:
                log.warning("tuning job %s writes to %s: it is none of ours", name, job.output_uri)
                return None
            return self._registry.run(model, run), job
        except NotFound as error:
            log.warning("tuning job %s is none of ours: %s", name, error)
            return None

    def _fields(self, run: RunItem, job: TuningJob, listed: Sequence[Trial]) -> dict[str, Any]:
        """The run's ``tuning`` and ``cost`` by what SageMaker says now."""
        before = run["tuning"] or {}
        known = {trial["job"]: trial for trial in before.get("trials", [])}
        trials = [self._shown(trial, known.get(trial.name)) for trial in listed]
        objective = Objective(before["objective"], before["direction"])
        search = {**before, "status": job.status, "trials": trials, "best": best_of(objective, trials, job)}
        fields: dict[str, Any] = {"tuning": search}
        ended = [trial for trial in trials if trial["seconds"] is not None]
        cost = costs.spent(run.get("cost"), "training", len(ended), sum(trial["seconds"] for trial in ended))
        if cost is not None:
            fields["cost"] = cost
        return fields

    def _shown(self, trial: Trial, known: Mapping[str, Any] | None) -> dict[str, Any]:
        """A trial as the run's item keeps it. What was billed is asked for once, after its end; its value may come a
        moment after that."""
        if known is not None and known["status"] in _OVER and known["seconds"] is not None:
            return {**known, "value": trial.value if known["value"] is None else known["value"]}
        found: dict[str, Any] = {
            "job": trial.name,
            "status": trial.status,
            "value": trial.value,
            "hyperparameters": dict(trial.hyperparameters),
            "seconds": None,
        }
        if trial.over:
            job = self._jobs.training_job(trial.name)
            found["seconds"] = job.seconds or 0.0
            if job.failure_reason:
                found["reason"] = shortened(job.failure_reason, _LONGEST_REASON)
        return found

    def _note(self, run: RunItem, fields: Mapping[str, Any], now: datetime) -> None:
        model = run["model"]

        def plan(_: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            seen = found.get("tuning")
            if found["status"] not in (*STARTING, "training") or not seen:
                return None
            if _ended(seen["trials"]) > _ended(fields["tuning"]["trials"]):
                return None  # another delivery has seen more
            search = {**fields["tuning"], "stopped": seen["stopped"] or fields["tuning"]["stopped"]}
            change = Change(
                "run", model, run["run"], set={**fields, "tuning": search}, status_in=(*STARTING, "training")
            )
            return Step(f"Tuning run {run['run']}: {progress(search)}", changes=[change])

        self._ledger.step(model, now, plan)


def _ended(trials: Sequence[Mapping[str, Any]]) -> int:
    return sum(trial["status"] in _OVER for trial in trials)


def best_of(objective: Objective, trials: Sequence[Mapping[str, Any]], job: TuningJob) -> dict[str, Any] | None:
    """SageMaker's best job once the search is over; until then the best of those that completed: they were listed after
    the job was described, and may know better."""
    named = next((trial for trial in trials if trial["job"] == job.best), None)
    known = tuning.best(objective, trials)
    found = named or known if job.over else known or named
    return None if found is None else {name: found[name] for name in ("job", "value", "hyperparameters")}


def progress(search: Mapping[str, Any]) -> str:
    """``4 of 12 jobs, the best validation:auc 0.913``"""
    best = search["best"]
    found = f", the best {search['objective']} {best['value']:.4g}" if best and best["value"] is not None else ""
    return f"{_ended(search['trials'])} of {search['max_jobs']} jobs{found}."


def _so_far(trial: Trial, now: datetime) -> float:
    """Seconds that a trial under way has run: they will be billed."""
    return max(0.0, (now - trial.started_at).total_seconds()) if trial.started_at and not trial.over else 0.0


def _over_budget(run: RunItem, fields: Mapping[str, Any], running: float = 0.0) -> str | None:
    """A sentence when what the trials were billed, with the ``running`` seconds of those under way, has reached the
    budget."""
    budget = parse_settings(run.get("settings") or "").budget.per_run_usd
    cost = fields.get("cost") or {}
    if budget is None or not cost.get("actual"):
        return None
    line = next(line for line in cost["estimate"]["lines"] if line["what"] == "training")
    usd = cost["actual"]["usd"] + running * line["count"] / 3600 * line["price"]["usd_per_hour"]
    return f"The budget is spent: {pricing.money(usd)} of {pricing.money(budget)}." if usd >= budget else None


def _own_metric(run: RunItem) -> bool:
    """Whether the user said how the objective is found in the log."""
    asked = parse_settings(run.get("settings") or "").algorithm.tuning
    return asked is not None and asked.metric is not None


def _no_model(job: TuningJob, search: Mapping[str, Any], own: bool) -> ErrorItem:
    """Why there is nothing to evaluate. ``own``: the user says how the objective is found."""
    silent = [trial for trial in search["trials"] if trial["status"] == "Completed" and trial["value"] is None]
    if job.status == "Failed":
        reasons = [str(trial["reason"]) for trial in search["trials"] if trial.get("reason")]
        first = f" The first job that failed: {reasons[0]}" if reasons else ""
        detail = f"{job.failure_reason or 'SageMaker gave no reason.'}{first}"
    elif silent:
        detail = search["stopped"] or f"The tuning job is {job.status}."
    else:
        said = search["stopped"] or f"{job.status} without a training job that completed."
        detail = f"No training job completed. {said}"
    error = job_failed("Tuning", detail)
    if not silent:
        return error
    jobs = "1 training job" if len(silent) == 1 else f"{len(silent)} training jobs"
    error["detail"] += f" {jobs} completed, and {search['objective']} was in no line that was printed."
    if own:
        error["remedy"] = (
            "Print the metric, with its number, on a line that algorithm.tuning.metric.regex finds, or correct the "
            f"expression: compare it with the log of {silent[0]['job']} in /aws/sagemaker/TrainingJobs."
        )
    return error
