"""The transform job of a batch ended: join its answers with the rows, and write the result beside its rejects."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sluicegate.domain import algorithms, batch, names
from sluicegate.domain.errors import Forbidden, NotFound, Refused, UserError
from sluicegate.domain.items import BatchItem, ErrorItem
from sluicegate.domain.schema import Problem
from sluicegate.ports import Jobs, Registry, Storage, StoredObject, Workspace
from sluicegate.services.batch import Batches, counted
from sluicegate.services.ledger import refusal

log = logging.getLogger(__name__)

_PLAN_LIMIT = 16 * 1024 * 1024
_MB = 1024 * 1024
_NO_REJECTS = b"line,column,reason,text\n"


class FinishBatch:
    """``transform_ended`` may be called again for the same job, before or after its starter wrote that it runs."""

    def __init__(self, registry: Registry, storage: Storage, jobs: Jobs, workspace: Workspace, prefix: str) -> None:
        self._registry = registry
        self._batches = Batches(registry)
        self._storage = storage
        self._jobs = jobs
        self._workspace = workspace
        self._prefix = prefix

    def transform_ended(self, name: str, now: datetime) -> str:
        """What was done: done | failed | known | ignored."""
        owner = names.batch_owner(self._prefix, name)
        if owner is None:
            return "ignored"
        try:
            item = self._registry.batch(owner.model, owner.batch)
            job = self._jobs.transform_job(name)
        except NotFound as error:
            log.warning("transform job %s is none of ours: %s", name, error)
            return "ignored"
        if not job.over:
            return "ignored"
        if item["status"] in ("done", "failed"):
            return "known"
        try:
            if job.status != "Completed":
                reason = job.failure_reason or f"The transform job ended as {job.status}."
                raise UserError(
                    "Predicting failed",
                    reason,
                    f"The log of {name} in CloudWatch says more. Drop the file again for another attempt.",
                )
            return self._finish(item, name, now)
        except Forbidden:
            raise  # the batch can be finished once the permission is there: its event waits for that
        except (UserError, Refused) as error:
            self._batches.fail(item, now, refusal(error))
            return "failed"

    def _finish(self, item: BatchItem, job: str, now: datetime) -> str:
        work = batch.work_folder(item["model"], item["batch"])
        content = self._storage.read(f"{work}batch.json", _PLAN_LIMIT)
        plan = json.loads(content)
        message = "The rows are predicted; the result is written."
        item = self._batches.move(item, "finishing", now, message, transform_job=job)
        if item["status"] != "finishing":
            return "known"
        if self._batches.replaced(item):
            error = ErrorItem(
                title="Replaced",
                detail="Another file came under this key while this one was predicted; only its result is kept.",
                remedy="Files that are both wanted need different names.",
            )
            self._batches.fail(item, now, error)
            return "failed"
        with self._workspace.folder() as folder:
            rows = self._join(item, plan, work, folder)
        rejects = self._rejects(item, plan, work)
        said = f"{counted(rows)} predicted with version {item.get('version')}"
        said += f"; {plan['rejected']:,} rejected, see {rejects}." if rejects else "."
        result = batch.result_key(item["key"])
        self._batches.move(
            item,
            "done",
            now,
            said,
            rows=rows,
            rejected_rows=plan["rejected"],
            parts=plan["parts"],
            result=result,
            rejects=rejects,
        )
        return "done"

    def _join(self, item: BatchItem, plan: dict[str, Any], work: str, folder: Path) -> int:
        # DuckDB takes long to import: only where there is something to join
        from sluicegate.data.batch_result import Layout, write_numbers, write_result

        problem = Problem.from_json(plan["problem"])
        layout = Layout.from_json(plan["layout"])
        algorithm = algorithms.of_lane(plan["lane"])
        answers = sorted(self._storage.list(f"{work}output/"), key=lambda found: found.key)
        self._check_disk(item, work, answers)
        table, numbers, result = folder / "rows.parquet", folder / "numbers.csv", folder / "result"
        write_numbers(self._downloaded(answers, folder), numbers, algorithm.table, problem)
        self._storage.download(f"{work}rows.parquet", table)
        memory = self._workspace.memory_limit_mb
        rows = write_result(table, layout, numbers, problem, result, folder / "joining", memory)
        self._storage.upload(result, batch.result_key(item["key"]))
        return rows

    def _downloaded(self, answers: list[StoredObject], folder: Path) -> Iterator[Path]:
        """One answer at a time on the disk."""
        target = folder / "answer"
        for answer in answers:
            self._storage.download(answer.key, target)
            yield target
            target.unlink()

    def _check_disk(self, item: BatchItem, work: str, answers: list[StoredObject]) -> None:
        """The rows as they are kept, the answers as numbers, and the result, which is about both as text."""
        kept = self._storage.head(f"{work}rows.parquet").size
        predicted = sum(answer.size for answer in answers)
        wanted = kept + 3 * predicted + 2 * max(item["size"], kept)
        free = self._workspace.free_bytes()
        if wanted > free:
            raise UserError(
                "Too large for the function",
                f"The result takes up to {wanted / _MB:,.0f} MB of disk; the function has {free / _MB:,.0f} MB.",
                "Split the file into several, or deploy the stack with a larger EphemeralStorageMb.",
            )

    def _rejects(self, item: BatchItem, plan: dict[str, Any], work: str) -> str | None:
        """The report of rejected rows beside the result; one of an earlier file of this name must not stay."""
        key = batch.rejects_key(item["key"])
        if plan["rejected"]:
            with self._workspace.folder() as folder:
                self._storage.download(f"{work}rejects.csv", folder / "rejects.csv")
                self._storage.upload(folder / "rejects.csv", key)
            return key
        try:
            self._storage.head(key)
        except NotFound:
            return None
        self._storage.write(key, _NO_REJECTS, "text/csv")
        return None
