"""The processing job of SageMaker that prepares what is too much for a function, by the same code (``sluicegate.job``).

It runs in AWS's image of PyTorch, whose Python is known, without a network: rows, order and program are files, and so
is what it makes. Its parts of the data set go where the function's would; dataset.json, which makes a data set of them,
is written when the job is over. What a person can mend is told in the outcome, and such a job completes; one that fails
broke off.

==================================================  ================================================================
``preparation/<model>/<run>/order.json``            what to prepare (``services.prepare.Order``)
``preparation/<model>/<run>/rows.manifest``         whose rows: SageMaker downloads these and no others
``preparation/<model>/<run>/outcome/outcome.json``  ``{"document": …}``, or ``{"error": {title, detail, remedy}}``
``code/_preparation/<digest>/prepare.pyz``          the package and its wheels, by content; no model's name begins so
==================================================  ================================================================
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.domain import framework_images, instances, names, pricing
from sluicegate.domain.errors import AlreadyExists, NotFound, UnusableData, UserError
from sluicegate.domain.items import ModelItem, RunItem
from sluicegate.domain.lifecycle import STARTING
from sluicegate.domain.settings import ModelSettings
from sluicegate.ports import Change, Job, ProcessingJobs, ProcessingSpec, Program, Storage, Workspace
from sluicegate.services import costs, datasets
from sluicegate.services.costs import Costs
from sluicegate.services.ledger import AGAIN, Ledger, Step, job_failed, move_run, tags
from sluicegate.services.prepare import Order

log = logging.getLogger(__name__)

#: Python 3.12 (its tag says so), which layers/dependencies/preparation has the wheels for
IMAGE = ("pytorch", "2.6.0")
#: the image's name for its Python; the local region takes its own
_PYTHON = "python"
_HERE = "/opt/ml/processing"
_PROGRAM = "prepare.pyz"
#: the disk as a multiple of the rows: themselves, what they are encoded to (numbers: four times), what DuckDB spills
_DISK_TIMES = 10
_SMALLEST_DISK_GB, _LARGEST_DISK_GB = 30, 16_384
_SHORTEST_SECONDS = 60
_LARGEST_OUTCOME = datasets.LIMIT + 1024


class Processing:
    """``start`` may be called again for the same run: the job's name is the run's, so it starts once."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        jobs: ProcessingJobs,
        workspace: Workspace,
        program: Program,
        costs: Costs,
        region: str,
        prefix: str,
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._jobs = jobs
        self._workspace = workspace
        self._program = program
        self._costs = costs
        self._region = region
        self._prefix = prefix

    def start(
        self, run: RunItem, settings: ModelSettings, order: Order, champion: datasets.Champion | None, now: datetime
    ) -> None:
        """Raises ``UserError`` when the data are too many for any job, or too expensive."""
        model, name = run["model"], names.preparation_job(self._prefix, run["model"], run["run"])
        disk = _disk_gb(order.size)
        instance = settings.training.preparation_instance or instances.for_preparing(order.size)
        planned: dict[str, Any] = {"job": name, "instance": instance, "bytes": order.size}
        estimate = self._costs.preparation({**run, "preparation": planned})
        self._record(run, {"preparation": planned, "cost": costs.estimated(estimate, settings, run)}, now)
        costs.check(estimate, settings, self._region, instance)
        seconds = pricing.preparation_seconds(order.size)[1]
        budget = settings.budget.per_run_usd
        if budget is not None and estimate is not None:
            # whatever else happens, it runs no longer than the budget pays
            affordable = pricing.affordable_seconds(budget, estimate.lines[0].price, 1)
            seconds = max(_SHORTEST_SECONDS, min(seconds, affordable))
        folder = _folder(run)
        self._storage.write(f"{folder}/order.json", order.to_json().encode(), "application/json")
        self._storage.write(f"{folder}/rows.manifest", self._manifest(model, order), "application/json")
        arguments = ["--order", f"{_HERE}/order/order.json", "--rows", f"{_HERE}/rows"]
        inputs = {"program": self._keep_program(), "order": f"{folder}/order.json"}
        if champion is not None and champion.dataset != run["dataset_version"]:
            inputs["champion"] = datasets.key(model, champion.dataset)
            try:
                self._storage.head(inputs["champion"])
            except NotFound as error:  # the job would fail as well, but only after minutes
                raise datasets.without_encoder(champion) from error
            arguments += ["--champion", f"{_HERE}/champion/dataset.json"]
        arguments += ["--data-set", f"{_HERE}/dataset", "--outcome", f"{_HERE}/outcome/outcome.json"]
        spec = ProcessingSpec(
            name=name,
            image=framework_images.training(*IMAGE, self._region),
            command=(_PYTHON, f"{_HERE}/program/{_PROGRAM}"),
            arguments=(*arguments, "--work", f"{_HERE}/work", "--message", "/opt/ml/output/message"),
            inputs={label: (self._storage.uri(key), f"{_HERE}/{label}") for label, key in inputs.items()},
            manifests={"rows": (self._storage.uri(f"{folder}/rows.manifest"), f"{_HERE}/rows")},
            outputs={
                "dataset": (f"{_HERE}/dataset", self._storage.uri(f"datasets/{model}/{run['dataset_version']}")),
                "outcome": (f"{_HERE}/outcome", self._storage.uri(f"{folder}/outcome")),
            },
            instance_type=instance,
            volume_gb=disk,
            max_runtime_seconds=int(seconds),
            tags=tags(model, run["run"]),
        )
        try:
            self._jobs.create_processing_job(spec)
        except AlreadyExists:
            log.info("processing job %s is there already", name)
        self.begun(run, now)

    def _record(self, run: RunItem, fields: Mapping[str, Any], now: datetime) -> None:
        """Before anything runs, so that a run whose starter broke off is known to have a job."""
        model = run["model"]

        def plan(_: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            if found["status"] != "preparing" or found.get("preparation") is not None:
                return None
            known = Change("run", model, run["run"], set=fields, status_in=("preparing",))
            return Step(f"Preparing run {run['run']}.", changes=[known])

        self._ledger.step(model, now, plan)

    def _manifest(self, model: str, order: Order) -> bytes:
        prefix = self._storage.uri(datasets.rows_key(model, "")).removesuffix("/rows.parquet")
        return json.dumps([{"prefix": prefix}, *(f"{upload}/rows.parquet" for upload in order.sizes)]).encode()

    def _keep_program(self) -> str:
        """The key of the program, which is uploaded once for each content."""
        with self._workspace.folder() as folder:
            archive = folder / _PROGRAM
            key = f"code/_preparation/{self._program.write(archive)}/{_PROGRAM}"
            try:
                self._storage.head(key)
            except NotFound:
                self._storage.upload(archive, key)
        return key

    def begun(self, run: RunItem, now: datetime) -> None:
        """The run waits for its job from now on: a preparation that takes long is not an interrupted one."""
        model = run["model"]

        def plan(_: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            job = found.get("preparation")
            if found["status"] != "preparing" or not job:
                return None
            size = f"{job['bytes'] / 2**20:,.1f} MB"
            message = f"{size} of accepted rows are more than a function prepares: processing job {job['job']}."
            moved = move_run(found, "processing", now, message, claim=None)
            if moved is None:
                return None
            return Step(f"Preparing run {run['run']}: {message}", {"active_run": run["run"]}, [moved])

        self._ledger.step(model, now, plan)

    def find(self, name: str) -> tuple[RunItem, Job] | None:
        """The run that a processing job was started for, and the job as it is; None when it is none of ours."""
        owner = names.preparation_owner(self._prefix, name)
        if owner is None:
            return None
        try:
            return self._registry.run(owner.model, owner.run), self._jobs.processing_job(name)
        except NotFound as error:
            log.warning("processing job %s is none of ours: %s", name, error)
            return None

    def under_way(self, run: RunItem) -> bool:
        """Whether a job prepares for ``run`` now, whatever its starter could still write."""
        job = run.get("preparation")
        found = self.find(job["job"]) if job and run["status"] in STARTING else None
        return found is not None and not found[1].over

    def made(self, run: RunItem, job: Job) -> dict[str, Any]:
        """The document of the data set that ``job``, which is over, prepared; the data set is whole from then on.
        ``UserError`` when there is none."""
        if job.status != "Completed":
            reason = job.failure_reason or f"It ended as {job.status}, after the longest that it may run, or by hand."
            raise UserError(**job_failed("Preparation", reason))
        key = f"{_folder(run)}/outcome/outcome.json"
        content = self._storage.read(key, _LARGEST_OUTCOME)
        if len(content) > _LARGEST_OUTCOME:
            raise datasets.too_large()
        outcome = json.loads(content)
        if "error" in outcome:
            raise UnusableData(**outcome["error"])
        document: dict[str, Any] = outcome["document"]
        champion = datasets.champion_of(self._registry, run)
        return datasets.write(self._storage, run["model"], run["dataset_version"], document, champion)


def _folder(run: RunItem) -> str:
    return f"preparation/{run['model']}/{run['run']}"


def _disk_gb(size: int) -> int:
    wanted = max(_SMALLEST_DISK_GB, math.ceil(size * _DISK_TIMES / 2**30))
    if wanted > _LARGEST_DISK_GB:
        most = _LARGEST_DISK_GB / _DISK_TIMES
        raise UnusableData(
            "Too much data",
            f"The accepted rows take {size / 2**30:,.0f} GB; a processing job takes up to {most:,.0f} GB.",
            f"Set retrain.window in model.yaml, or delete files; then {AGAIN}",
        )
    return wanted
