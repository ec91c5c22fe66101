"""A training job ended: let the new model, and the one that serves, predict the holdout."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.domain import algorithms, instances, names
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.dataset import Wires
from sluicegate.domain.errors import AlreadyExists, NotFound, Refused, UserError
from sluicegate.domain.items import ModelItem, RunItem, VersionItem
from sluicegate.domain.lifecycle import STARTING
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Jobs, Storage, TransformSpec
from sluicegate.services import costs, datasets, serving_model
from sluicegate.services.ledger import Ledger, Step, job_failed, move_run, refusal, tags, trained_by

log = logging.getLogger(__name__)

_ENDED = {"Stopped": "It was stopped: by training.max_runtime, by what budget.per_run_usd pays for, or by somebody."}


class Evaluate:
    """``job_ended`` may be called again for the same job, before or after its starter wrote that it runs."""

    def __init__(self, ledger: Ledger, storage: Storage, jobs: Jobs, region: str, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._jobs = jobs
        self._region = region
        self._prefix = prefix

    def job_ended(self, name: str, now: datetime) -> str:
        """What was done: evaluating | failed | ignored."""
        owner = names.owner(self._prefix, name)
        if owner is None or owner.role != "challenger":
            return "ignored"
        try:
            run = self._registry.run(owner.model, owner.run)
            job = self._jobs.training_job(name)
        except NotFound as error:
            log.warning("training job %s is none of ours: %s", name, error)
            return "ignored"
        if not job.over:
            return "ignored"
        if not self.waits(run, now):
            return "ignored"
        cost = costs.spent(run.get("cost"), "training", 1, job.seconds or 0.0)
        fields = {} if cost is None else {"cost": cost}
        if job.status != "Completed":
            reason = job.failure_reason or _ENDED.get(job.status, f"It ended as {job.status}.")
            self._ledger.fail_run(owner.model, owner.run, now, job_failed("Training", reason), **fields)
            return "failed"
        return self.trained(run, name, now, fields)

    def waits(self, run: RunItem, now: datetime) -> bool:
        """Whether the run still waits for what it trains."""
        if run["status"] == "failed":
            # the first try may have ended before it said so
            self._ledger.look_again(run["model"], f"run:{run['run']}", now)
        return run["status"] in (*STARTING, "training", "evaluating")

    def trained(self, run: RunItem, job: str, now: datetime, fields: Mapping[str, Any]) -> str:
        """Go on with the artifact of the training job ``job``; the run's item gets ``fields`` with the move."""
        try:
            self._evaluate(run, job, fields, now)
        except (UserError, Refused) as error:
            self._ledger.fail_run(run["model"], run["run"], now, refusal(error), **fields)
            return "failed"
        return "evaluating"

    def _evaluate(self, run: RunItem, trained: str, fields: Mapping[str, Any], now: datetime) -> None:
        model, dataset = run["model"], run["dataset_version"]
        root = self._storage.uri(f"datasets/{model}/{dataset}")
        output = self._storage.uri(f"evaluations/{model}/{run['run']}")
        settings = parse_settings(run.get("settings") or "")
        algorithm = algorithms.of(settings)
        instance = instances.for_predicting(settings.training.instance)
        name = names.training_job(self._prefix, model, run["run"])
        self._make_model(run, name, trained, algorithm)
        label = tags(model, run["run"])
        document = self._document(model, dataset)
        transforms = [
            transform_spec(algorithm, document, name, name, f"{root}/holdout/", f"{output}/challenger", instance, label)
        ]
        learned, before = algorithm, run
        champion = run.get("champion")
        if champion is not None:
            version = self._registry.version(model, champion)
            before = self._registry.run(model, version["run"])
            learned = algorithms.of(parse_settings(before.get("settings") or ""))
            transforms.append(self._champion_transform(run, document, version, learned, root, output, instance))
        for spec in transforms[1:]:
            # a champion that was retired meanwhile, or tidied up by hand, has no SageMaker Model; its artifact stays
            self._make_model(before, spec.model_name, trained_by(before, self._prefix), learned)
        jobs = [spec.name for spec in transforms]

        def plan(_: ModelItem) -> Step | None:
            message = "Predicting the rows held out"
            message += f", also with version {champion}." if champion is not None else "."
            moved = move_run(
                self._registry.run(model, run["run"]),
                "evaluating",
                now,
                message,
                training_job=trained,
                transform_jobs=jobs,
                **fields,
            )
            return None if moved is None else Step(f"Evaluating run {run['run']}.", changes=[moved])

        # Noted first: a transform job may end before we would come to it, and whoever goes on then has to know what
        # was trained.
        self._ledger.step(model, now, plan)
        for spec in transforms:
            try:
                self._jobs.create_transform_job(spec)
            except AlreadyExists:
                log.info("transform job %s is there already", spec.name)

    def _make_model(self, run: RunItem, name: str, job: str, algorithm: Algorithm) -> None:
        serving_model.make(self._jobs, self._storage, self._region, self._prefix, run, name, job, algorithm)

    def _document(self, model: str, dataset: str) -> dict[str, Any]:
        document = datasets.read(self._storage, model, dataset)
        if document is None:
            raise NotFound(f"the data set {dataset}")
        return document

    def _champion_transform(
        self,
        run: RunItem,
        document: Mapping[str, Any],
        version: VersionItem,
        algorithm: Algorithm,
        root: str,
        output: str,
        instance: str,
    ) -> TransformSpec:
        model = run["model"]
        champion = datasets.Champion(version["version"], version["dataset_version"])
        rows = datasets.holdout(document, champion)
        return transform_spec(
            algorithm,
            datasets.of_champion(self._storage, model, champion),
            names.champion_transform(self._prefix, model, run["run"]),
            names.training_job(self._prefix, model, version["run"]),
            f"{root}/{rows}",
            f"{output}/champion",
            instance,
            tags(model, run["run"]),
        )


def transform_spec(
    algorithm: Algorithm,
    document: Mapping[str, Any],
    name: str,
    model: str,
    rows: str,
    output: str,
    instance: str,
    label: Mapping[str, str],
) -> TransformSpec:
    """``document`` is that of the data set that the model learned, which says how it reads rows."""
    wire = Wires.from_json(document.get("wire")).infer
    return TransformSpec(
        name,
        model,
        rows,
        output,
        instance,
        label,
        content_type=algorithm.content_type(wire),
        accept=algorithm.transform_accept,
        split_type="RecordIO" if wire == "recordio" else algorithm.split_type,
        assemble_with=algorithm.assemble_with,
        max_payload_mb=algorithm.max_payload_mb,
    )
