"""The holdout is predicted: measure, judge, register the version with its reason."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, cast

from sluicegate.domain import algorithms, instances, names
from sluicegate.domain.dataset import Wires
from sluicegate.domain.encoder import Wire
from sluicegate.domain.errors import AlreadyExists, NotFound, Refused, UserError
from sluicegate.domain.items import ErrorItem, LocalItem, ModelItem, RunItem, VersionItem, moment, stamp
from sluicegate.domain.lifecycle import STARTING
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Job, Jobs, Package, Packages, PackageSpec, Storage, Workspace
from sluicegate.services import code, costs, datasets, reporting
from sluicegate.services.judging import Judge, Judged
from sluicegate.services.ledger import Ledger, Step, job_failed, move_run, refusal, tags, trained_by
from sluicegate.services.local_copy import LocalCopy

log = logging.getLogger(__name__)

#: an attempt that has not ended after this time was interrupted: the function runs no longer
STALE = timedelta(minutes=15)
#: clocks differ: look for a package from this much before the attempt began
_SLACK = timedelta(minutes=5)
_PENDING = "PendingManualApproval"


class Register:
    """``transform_ended`` may be called again for the same job, in any order with the run's other one."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        jobs: Jobs,
        packages: Packages,
        workspace: Workspace,
        region: str,
        prefix: str,
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._jobs = jobs
        self._packages = packages
        self._local_copy = LocalCopy(storage, workspace)
        self._judge = Judge(ledger.registry, storage, workspace, prefix)
        self._region = region
        self._prefix = prefix

    def transform_ended(self, name: str, event_id: str, now: datetime) -> str:
        """What was done: registered | failed | waiting | ignored. ``event_id`` stays the same over redeliveries."""
        owner = names.owner(self._prefix, name)
        if owner is None:
            return "ignored"
        try:
            run = self._registry.run(owner.model, owner.run)
        except NotFound:
            log.warning("transform job %s is none of ours", name)
            return "ignored"
        if run["status"] in ("rejected", "awaiting_approval", "deploying") and run.get("claim") == event_id:
            return self._decide(run, now)
        if run["status"] in ("failed", "rejected"):
            # the first try may have ended before it said so
            self._ledger.look_again(owner.model, f"run:{owner.run}", now)
            return "ignored"
        if run["status"] not in (*STARTING, "training", "evaluating", "registering"):
            return "ignored"
        try:
            return self._register(run, event_id, now)
        except (UserError, Refused) as error:
            return self._fail(run, refusal(error), now)

    def _fail(self, run: RunItem, error: ErrorItem, now: datetime) -> str:
        """End the run as failed, with what its transform jobs cost all the same."""
        cost = self._cost(run)
        fields = {} if cost is None else {"cost": cost}
        self._ledger.fail_run(run["model"], run["run"], now, error, **fields)
        return "failed"

    def _register(self, run: RunItem, event_id: str, now: datetime) -> str:
        failed = self._failed_transform(run)
        if failed is None:
            return "waiting"
        if failed:
            return self._fail(run, job_failed("Evaluation", failed), now)
        claimed = self._claim(run, event_id, now)
        if claimed is None:
            return "ignored"
        settings = parse_settings(claimed.get("settings") or "")
        document = datasets.read(self._storage, claimed["model"], claimed["dataset_version"])
        if document is None:
            raise NotFound(f"the data set {claimed['dataset_version']}")
        job = trained_by(claimed, self._prefix)
        copy = self._local_copy.make(claimed, job, document, algorithms.of(settings))
        judged = self._judge.judge(self._priced(claimed), document, settings, copy, now)
        wire = Wires.from_json(document.get("wire")).infer
        package = self._package(claimed, judged, settings, wire)
        recorded = self._record(claimed, judged, package, settings, copy.item, now)
        return self._decide(recorded, now)

    def _transforms(self, run: RunItem) -> list[str]:
        jobs = [names.training_job(self._prefix, run["model"], run["run"])]
        if run.get("champion") is not None:
            jobs.append(names.champion_transform(self._prefix, run["model"], run["run"]))
        return jobs

    def _cost(self, run: RunItem) -> dict[str, Any] | None:
        """The run's cost with what the transform jobs took; None when there is no price."""
        jobs = [job for name in self._transforms(run) if (job := self._transform(name)) is not None]
        seconds = sum(job.seconds or 0.0 for job in jobs)
        return costs.spent(run.get("cost"), "evaluation", len(jobs), seconds)

    def _transform(self, name: str) -> Job | None:
        try:
            return self._jobs.transform_job(name)
        except NotFound:
            return None  # evaluate_model is still at it

    def _priced(self, run: RunItem) -> RunItem:
        """The run as the report shows it: with all that it cost."""
        cost = self._cost(run)
        return run if cost is None else cast("RunItem", {**run, "cost": cost})

    def _failed_transform(self, run: RunItem) -> str | None:
        """Why a transform job of the run failed; "" when all completed, None while one still runs."""
        for name in self._transforms(run):
            job = self._transform(name)
            if job is None or not job.over:
                return None
            if job.status != "Completed":
                return f"{name}: {job.failure_reason or f'it ended as {job.status}.'}"
        return ""

    def _claim(self, run: RunItem, event_id: str, now: datetime) -> RunItem | None:
        """The run, ours to register. The two transform jobs may end at once: one event goes on, and comes again if it
        breaks off; the other has nothing to do."""
        model, at = run["model"], stamp(now)
        claim = {"claim": event_id, "claimed_at": at}

        def plan(_: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            message = f"Judging run {run['run']}."
            if found["status"] == "registering":
                since = found.get("claimed_at")
                stale = since is None or now - moment(since) > STALE
                if found.get("claim") != event_id and not stale:
                    return None
                again = Change("run", model, run["run"], set=claim, status_in=("registering",))
                return Step(message, changes=[again])
            moved = move_run(found, "registering", now, "", **claim)
            return None if moved is None else Step(message, changes=[moved])

        return None if self._ledger.step(model, now, plan) is None else self._registry.run(model, run["run"])

    def _artifact(self, run: RunItem) -> str:
        return names.artifact(run["model"], trained_by(run, self._prefix))

    def _package(self, run: RunItem, judged: Judged, settings: ModelSettings, wire: Wire) -> Package:
        model = run["model"]
        group = names.package_group(self._prefix, model)
        try:
            self._packages.create_group(group, f"Versions of the model {model}", tags(model))
        except AlreadyExists:
            log.info("model package group %s is there already", group)
        description = f"Run {run['run']} on data set {run['dataset_version']}"
        begun = next(line["at"] for line in reversed(run["history"]) if line["status"] == "registering")
        # a first attempt may have made it; the client token alone would not be remembered for ever
        made = self._packages.find(group, description, moment(begun) - _SLACK)
        if made is not None:
            return made
        algorithm = algorithms.of(settings)
        value = judged.metrics.get(judged.metric, {}).get("value")
        return self._packages.create(
            PackageSpec(
                group=group,
                token=run["run"],
                description=description,
                image=algorithm.serving_image(self._region),
                environment=code.serving(run, algorithm),
                content_type=algorithm.content_type(wire),
                artifact_uri=self._storage.uri(self._artifact(run)),
                instance_type=instances.for_predicting(settings.training.instance),
                metadata={
                    "run": run["run"],
                    "dataset": run["dataset_version"],
                    "verdict": "accepted" if judged.verdict.accepted else "rejected",
                    "metric": f"{judged.metric}={value:.6g}" if value is not None else judged.metric,
                },
                report_uri=self._storage.uri(reporting.key(model, run["run"])),
            )
        )

    def _record(
        self,
        run: RunItem,
        judged: Judged,
        package: Package,
        settings: ModelSettings,
        local: LocalItem,
        now: datetime,
    ) -> RunItem:
        """The version's item and what the run becomes, in one write."""
        model, reason, number = run["model"], judged.verdict.reason, package.version
        if not judged.verdict.accepted:
            status, run_status = "rejected", "rejected"
        elif settings.approval == "manual":
            status, run_status = "pending_approval", "awaiting_approval"
        else:
            status, run_status = "approved", "deploying"
        at = stamp(now)
        cost = self._cost(run)
        version = VersionItem(
            model=model,
            version=number,
            run=run["run"],
            dataset_version=run["dataset_version"],
            metrics=judged.metrics,
            verdict=judged.verdict.to_json(),
            reason=reason,
            report=reporting.key(model, run["run"], "report.html"),
            model_package_arn=package.arn,
            local=local,
            created_at=at,
        )
        if judged.threshold is not None:
            version["threshold"] = judged.threshold

        def plan(item: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            moved = move_run(
                found,
                run_status,
                now,
                reason,
                metric=judged.metric,
                metrics=judged.metrics,
                verdict=judged.verdict.to_json(),
                version=number,
                report=version["report"],
                **({} if cost is None else {"cost": cost}),
            )
            if moved is None:
                return None
            new = Change(
                "version", model, number, set={**version}, status=status, message=reason, at=at, status_in=(None,)
            )
            # what waits for a person does not hold up the next run
            over = run_status != "deploying" and item.get("active_run") == run["run"]
            fields: dict[str, Any] = {"active_run": None} if over else {}
            if status != "rejected":
                fields["awaited"] = sorted({*(item.get("awaited") or []), number})
            return Step(f"Version {number}: {reason}", fields, [new, moved], "failed")

        self._ledger.step(model, now, plan)
        return self._registry.run(model, run["run"])

    def _decide(self, run: RunItem, now: datetime) -> str:
        """Tell SageMaker's registry what the verdict is; the event of an approval starts the deployment."""
        number = run.get("version")
        if number is None:
            return "ignored"
        version = self._registry.version(run["model"], number)
        arn, reason = version["model_package_arn"], version["reason"]
        approval = {"rejected": "Rejected", "awaiting_approval": _PENDING}.get(run["status"], "Approved")
        if self._packages.package(arn).approval == _PENDING:  # else it is decided, by us before or by a person
            self._packages.decide(arn, approval, reason)
        if run["status"] in ("rejected", "awaiting_approval"):
            self._ledger.look_again(run["model"], f"run:{run['run']}", now)
        return "registered"
