"""A file landed under batch/: read it, encode it for a version, and let a transform job predict it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sluicegate.domain import algorithms, batch, instances, names
from sluicegate.domain.batch import BatchPlace, FileFormat
from sluicegate.domain.dataset import read_dataset_json
from sluicegate.domain.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    Transient,
    UnreadableUpload,
    UserError,
)
from sluicegate.domain.items import BatchItem, ErrorItem, VersionItem, stamp
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Jobs, Registry, Storage, StoredObject, Workspace
from sluicegate.services import code, datasets
from sluicegate.services.arrivals import Arrived, find, newer
from sluicegate.services.evaluate import transform_spec
from sluicegate.services.ledger import move, refusal, shortened, tags, trained_by

log = logging.getLogger(__name__)

_MB = 1024 * 1024
#: beside the file the disk holds it unpacked, its rows as Parquet, and one encoded part
_SHARE_OF_DISK = 0.3
_NOTES = 20
_LONGEST_NOTE = 1_000
#: versions that were approved, whatever became of them afterwards
_APPROVED = ("approved", "deploying", "live", "retired", "failed")
_REFUSED = {
    "rejected": ("was rejected", "Pick one that was approved; GET models/{model}/versions lists them."),
    "pending_approval": ("waits for approval", "Approve it, then drop the file again."),
}


class NoVersion(UserError):
    """There is no version that could predict the file."""


class Batches:
    """The items of batches: each change is one conditional write, made from what was read before it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def move(self, item: BatchItem, to: str, now: datetime, message: str, **fields: Any) -> BatchItem:
        """The item after its move. When it can't move there any more, or somebody else was first, as it is now."""
        model, name, status = item["model"], item["batch"], item["status"]
        passing = move("batch", model, name, status, to)
        if passing is not None:
            at = max(stamp(now), item["updated_at"])
            change = Change(
                "batch",
                model,
                name,
                set={**fields, "updated_at": at},
                status=to,
                message=shortened(message, _LONGEST_NOTE),
                at=at,
                passing=passing,
                status_in=(status,),
            )
            try:
                self.registry.commit([change])
            except Conflict as error:
                log.info("batch %s of %s was moved by another delivery", name, model)
                found = self.registry.batch(model, name)
                if found["status"] == status:  # two that were at it at once, and neither came through
                    raise Transient(f"batch {name} of {model} could not be moved to {to}: {error}") from error
                return found
        return self.registry.batch(model, name)

    def fail(self, item: BatchItem, now: datetime, error: ErrorItem, **fields: Any) -> BatchItem:
        """Whatever it has come to meanwhile."""
        item = self.registry.batch(item["model"], item["batch"])
        return self.move(item, "failed", now, error["detail"], error=error, **fields)

    def replaced(self, item: BatchItem) -> bool:
        """Whether another file came under the same key after this one: its result must not be overwritten."""
        sequencer = item.get("sequencer") or ""
        return any(
            other["key"] == item["key"] and newer(other.get("sequencer") or "", sequencer)
            for other in self.registry.batches(item["model"])
            if other["batch"] != item["batch"]
        )


class StartBatch:
    """``object_created`` may be called again for the same object, any number of times, also while another call works:
    all that it writes follows from the object and from the version that the item names."""

    def __init__(
        self, registry: Registry, storage: Storage, jobs: Jobs, workspace: Workspace, region: str, prefix: str
    ) -> None:
        self._registry = registry
        self._batches = Batches(registry)
        self._storage = storage
        self._jobs = jobs
        self._workspace = workspace
        self._region = region
        self._prefix = prefix

    def object_created(self, arrived: Arrived) -> str:
        """What became of it: predicting | failed | unplaced | known | ignored."""
        found = find(self._storage, arrived)
        where = batch.place(found.key)
        if where is None:
            log.info("%s is no file of a batch", found.key)
            return "ignored"
        if problem := self._unplaced(where):
            return self._remember_unplaced(found, arrived, problem)
        item = self._receive(where.model, found, arrived)
        if item["status"] not in ("received", "preparing"):
            return "known"
        try:
            item = self._start(item, where, found, arrived.at)
        except NotFound as error:
            if self._gone(found):
                error_item = ErrorItem(
                    title="The file is gone",
                    detail="It was deleted or replaced before it was read.",
                    remedy="Drop it again.",
                )
                self._batches.fail(item, arrived.at, error_item)
                return "failed"
            raise error
        except Forbidden:
            raise  # the batch can go on once the permission is there: its event waits for that
        except (UserError, Refused) as error:
            self._batches.fail(item, arrived.at, refusal(error))
            return "failed"
        return "failed" if item["status"] == "failed" else "predicting"

    # what the file is

    def _unplaced(self, where: BatchPlace) -> str:
        """Why the file belongs to no model; "" when it belongs to one."""
        if not where.model:
            return where.problem
        try:
            self._registry.model(where.model)
        except NotFound:
            known = ", ".join(str(line["model"]) for line in self._registry.models()[:10])
            return f"There is no model {where.model!r}." + (f" There are: {known}." if known else "")
        return ""

    def _remember_unplaced(self, found: StoredObject, arrived: Arrived, problem: str) -> str:
        if found.size < 0:
            return "ignored"
        upload = names.upload_id(found.key, found.etag)
        error = ErrorItem(title="No model for this file", detail=problem, remedy="Put it under batch/<model>/.")
        item = {"upload": upload, "key": found.key, "etag": found.etag, "size": found.size}
        change = Change(
            "upload",
            None,
            upload,
            set={**item, "received_at": stamp(arrived.at), "error": error},
            status="rejected",
            message=problem,
            at=stamp(arrived.at),
            passing=("received",),
            status_in=(None,),
        )
        try:
            self._registry.commit([change])
        except Conflict:
            log.info("%s is known", found.key)
        return "unplaced"

    def _receive(self, model: str, found: StoredObject, arrived: Arrived) -> BatchItem:
        name = names.batch_id(self._storage.bucket, found.key, arrived.etag, arrived.sequencer)
        at = stamp(arrived.at)
        new = BatchItem(
            batch=name,
            model=model,
            key=found.key,
            etag=arrived.etag,
            sequencer=arrived.sequencer,
            size=max(found.size, 0),
            received_at=at,
            updated_at=at,
        )
        change = Change("batch", model, name, set={**new}, status="received", at=at, status_in=(None,))
        try:
            self._registry.commit([change])
        except Conflict:
            log.info("batch %s of %s is known", name, model)
        item = self._registry.batch(model, name)
        if item["key"] != found.key:
            raise Conflict(f"two files have the batch id {name}: {item['key']} and {found.key}")
        return item

    def _gone(self, found: StoredObject) -> bool:
        try:
            return self._storage.head(found.key).etag != found.etag
        except NotFound:
            return True

    # which version

    def _version(self, model: str, wanted: int | None) -> VersionItem:
        """The version that the key names, else the live one, else the newest that was approved."""
        if wanted is None:
            live = self._registry.model(model).get("live_version")
            if live is not None:
                return self._registry.version(model, live)
        versions = self._registry.versions(model)
        if wanted is None:
            chosen = next((item for item in versions if item["status"] in _APPROVED), None)
            if chosen is not None:
                return chosen
            has = f"Of its versions none was approved: {_listed(versions)}." if versions else "It has no version yet."
            raise NoVersion(
                "No version",
                f"The model {model!r} has nothing to predict with. {has}",
                "Drop the file again when a version is approved, or name one: batch/<model>/version=1/<file>.",
            )
        named = next((item for item in versions if item["version"] == wanted), None)
        if named is None:
            has = f"It has {_listed(versions)}." if versions else "It has no version yet."
            raise NoVersion(
                "Unknown version",
                f"The model {model!r} has no version {wanted}. {has}",
                "Name one that there is, or leave version=… out for the live one.",
            )
        if named["status"] in _REFUSED:
            state, remedy = _REFUSED[named["status"]]
            reason = f": {named['reason']}" if named.get("reason") else "."
            raise NoVersion("Not approved", f"Version {wanted} {state}{reason}", remedy.format(model=model))
        return named

    # the work

    def _start(self, item: BatchItem, where: BatchPlace, found: StoredObject, now: datetime) -> BatchItem:
        model = item["model"]
        if where.problem or where.format is None:
            raise UnreadableUpload("Not a file to predict", where.problem, "Give it another name and drop it again.")
        if found.size < 0:
            raise NotFound(found.key)
        if item["status"] == "received":
            chosen = self._version(model, where.version)
            message = f"Reading the rows for version {chosen['version']}."
            item = self._batches.move(item, "preparing", now, message, version=chosen["version"])
        number = item.get("version")
        if item["status"] != "preparing" or number is None:
            return item  # another delivery went on meanwhile
        version = self._registry.version(model, number)
        self._check_size(found)
        with self._workspace.folder() as folder:
            prepared = self._prepare(item, version, found, where.format, folder)
        if prepared["rows"] == 0:
            return self._nothing(item, prepared, now)
        job = self._transform(item, version)
        message = f"{counted(prepared['rows'])} for version {number}"
        message += f"; {prepared['rejected_rows']:,} rejected." if prepared["rejected_rows"] else "."
        return self._batches.move(item, "predicting", now, message, transform_job=job, **prepared)

    def _check_size(self, found: StoredObject) -> None:
        limit = int(self._workspace.free_bytes() * _SHARE_OF_DISK)
        if found.size > limit:
            raise UnreadableUpload(
                "File too large",
                f"It has {found.size / _MB:,.0f} MB; the function's disk takes up to {limit / _MB:,.0f} MB.",
                "Split it into several files, or deploy the stack with a larger EphemeralStorageMb.",
            )

    def _prepare(
        self, item: BatchItem, version: VersionItem, found: StoredObject, file: FileFormat, folder: Path
    ) -> dict[str, Any]:
        """Writes what the transform job reads and what the finish needs; what the item says of it."""
        # DuckDB takes long to import: only where a file is read
        from sluicegate.data.batch_result import Layout, encoded_parts, part_rows
        from sluicegate.data.batch_rows import read_batch

        document = self._document(item["model"], version)
        algorithm = self._algorithm(item["model"], version)
        problem = Problem.from_json(datasets.problem_of(document, version))
        dataset = replace(read_dataset_json(document), problem=problem)
        source = folder / ("batch" + "".join(Path(found.key).suffixes[-2:])[-20:])
        self._storage.download(found.key, source, found.etag)
        memory = self._workspace.memory_limit_mb
        rows = read_batch(
            source,
            name=found.key.rsplit("/", 1)[-1],
            file=file,
            dataset=dataset,
            workdir=folder / "reading",
            memory_limit_mb=memory,
            max_unpacked_bytes=int(self._workspace.free_bytes() * _SHARE_OF_DISK),
        )
        work = batch.work_folder(item["model"], item["batch"])
        parts = 0
        size = None
        if algorithm.split_type is None and dataset.wire.infer != "recordio":  # then a part is one request
            size = part_rows(dataset.encoder, dataset.wire.infer, algorithm.max_payload_mb * _MB // 2)
        for part in encoded_parts(rows, dataset, folder / "parts", memory, size):
            self._storage.upload(part, f"{work}input/{part.name}")
            part.unlink()
            parts += 1
        if rows.rejects is not None:
            # where nothing is left to predict, nothing else tells of them
            self._storage.upload(rows.rejects, f"{work}rejects.csv")
            if not rows.accepted and not self._batches.replaced(item):
                self._storage.upload(rows.rejects, batch.rejects_key(item["key"]))
        self._storage.upload(rows.table, f"{work}rows.parquet")
        plan = {
            "layout": Layout.of(rows, file).to_json(),
            "problem": problem.to_json(),
            "lane": algorithm.lane(),
            "rejected": rows.rejected,
            "parts": parts,
        }
        self._storage.write(f"{work}batch.json", json.dumps(plan, ensure_ascii=False).encode(), "application/json")
        notes = [shortened(note, _LONGEST_NOTE) for note in [*rows.notes[:_NOTES], *rows.examples]]
        return {"rows": rows.accepted, "rejected_rows": rows.rejected, "parts": parts, "notes": notes}

    def _document(self, model: str, version: VersionItem) -> dict[str, Any]:
        try:
            return datasets.of_version(self._storage, model, version["version"], version["dataset_version"])
        except NotFound as error:
            raise NoVersion(
                "Version without its encoder",
                f"{str(error)[:1].upper()}{str(error)[1:]} is gone; nothing else says how its rows are encoded.",
                "Name another version: batch/<model>/version=1/<file>.",
            ) from error

    def _algorithm(self, model: str, version: VersionItem) -> algorithms.Algorithm:
        return algorithms.of(parse_settings(self._registry.run(model, version["run"]).get("settings") or ""))

    def _nothing(self, item: BatchItem, prepared: Mapping[str, Any], now: datetime) -> BatchItem:
        first = next((note for note in prepared["notes"] if note.startswith("line ")), "")
        error = ErrorItem(
            title="No usable rows",
            detail=f"{counted(prepared['rejected_rows'])}, all rejected. The first, {first}.",
            remedy=f"Correct them and drop the file again; {batch.rejects_key(item['key'])} lists all.",
        )
        return self._batches.fail(item, now, error, **prepared, rejects=batch.rejects_key(item["key"]))

    def _transform(self, item: BatchItem, version: VersionItem) -> str:
        """Makes the job, and the SageMaker Model when it is gone: a version that was retired has none."""
        model, run = item["model"], version["run"]
        algorithm = self._algorithm(model, version)
        found = self._registry.run(model, run)
        settings = parse_settings(found.get("settings") or "")
        trained = names.training_job(self._prefix, model, run)
        artifact = self._storage.uri(names.artifact(model, trained_by(found, self._prefix)))
        try:
            image, environment = algorithm.serving_image(self._region), code.serving(found, algorithm)
            self._jobs.create_model(trained, image, artifact, tags(model, run), environment)
        except AlreadyExists:
            log.info("SageMaker Model %s is there", trained)
        name = names.batch_transform(self._prefix, model, item["batch"])
        work = self._storage.uri(batch.work_folder(model, item["batch"]))
        spec = transform_spec(
            algorithm,
            self._document(model, version),
            name,
            trained,
            f"{work}input/",
            f"{work}output",
            instances.for_predicting(settings.training.instance),
            {**tags(model), "sluicegate:batch": item["batch"]},
        )
        try:
            self._jobs.create_transform_job(spec)
        except AlreadyExists:
            log.info("transform job %s is there already", name)
        return name


def counted(rows: int) -> str:
    """
    >>> counted(1), counted(1200)
    ('1 row', '1,200 rows')
    """
    return f"{rows:,} row" if rows == 1 else f"{rows:,} rows"


def _listed(versions: list[VersionItem]) -> str:
    shown = ", ".join(f"{item['version']} ({item['status']})" for item in versions[:10])
    return f"{shown} and {len(versions) - 10} more" if len(versions) > 10 else shown
