"""An object landed in the bucket: read it, set bad rows aside, remember it, ask for a run."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.errors import Conflict, NotFound, SettingsError, UnreadableUpload, UserError
from sluicegate.domain.items import ErrorItem, ModelItem, UploadItem, stamp
from sluicegate.domain.schema import Schema
from sluicegate.domain.settings import Endpoint, ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Registry, Storage, StoredObject, Workspace
from sluicegate.services.arrivals import Arrived, find, newer, place
from sluicegate.services.code import CodeFolder
from sluicegate.services.ledger import Ledger, Step, move_upload, refusal
from sluicegate.services.notes import noted, shown, twice
from sluicegate.services.routing import RoutingTable
from sluicegate.services.withdraw import Withdraw

log = logging.getLogger(__name__)

SETTINGS_LIMIT = 64 * 1024
ENDPOINT_NOTE = "Its endpoint settings apply to the next version; the one that serves keeps its own."
_MB = 1024 * 1024
#: beside the file itself the disk holds its rows as Parquet and what DuckDB spills
_SHARE_OF_DISK = 0.4
_UNPLACED = "_unplaced"


class Ingest:
    """``object_created`` may be called again for the same object, any number of times."""

    def __init__(self, ledger: Ledger, storage: Storage, workspace: Workspace) -> None:
        self._ledger = ledger
        self._registry: Registry = ledger.registry
        self._storage = storage
        self._workspace = workspace
        self._withdraw = Withdraw(ledger, storage)
        self._code = CodeFolder(ledger, storage)
        self._routing = RoutingTable(ledger.registry, storage, ledger.prefix)

    def object_created(self, arrived: Arrived) -> str:
        """What became of it: accepted | rejected | ignored | unplaced | settings | code | known."""
        if (code := place(arrived.key)).kind == "code":
            return self._code.changed(code.model, arrived)
        found = find(self._storage, arrived)
        where = place(found.key)
        if where.kind == "none":
            log.info("%s is neither data nor settings", found.key)
            return "ignored"
        if where.kind == "settings":
            return self._settings(where.model, found, arrived)
        if where.kind == "unplaced":
            return self._unplaced(found, where.problem, arrived.at)
        return self._data(where.model, found, arrived)

    # settings

    def _settings(self, model: str, found: StoredObject, arrived: Arrived) -> str:
        now = arrived.at
        if found.size < 0:
            log.info("%s changed again or is gone", found.key)
            return "ignored"
        problem: ErrorItem | None = None
        text, settings = "", ModelSettings()
        try:
            text = self._settings_text(found)
            settings = parse_settings(text)
        except SettingsError as error:
            problem = refusal(error)
        cause = f"settings:{names.digest(['settings', found.etag], 12)}"

        def plan(item: ModelItem) -> Step | None:
            before = item.get("settings_sequencer") or ""
            ordered = bool(before and arrived.sequencer)
            if newer(before, arrived.sequencer) if ordered else (item.get("settings_at") or "") > stamp(now):
                return None  # a newer model.yaml was read before this one
            fields: dict[str, Any] = {"settings_at": stamp(now), "settings_sequencer": arrived.sequencer or None}
            if problem is not None:
                return Step(f"model.yaml: {problem['detail']}", {**fields, "settings_problem": problem}, state="failed")
            note = self._note(item, settings.endpoint)
            fields |= {"settings": text, "settings_note": note, "settings_problem": None, "latest_cause": cause}
            fields |= {"scheduled_for": _next_time(item, settings, now)}
            if item.get("columns"):
                fields |= {"asked": cause}  # settings that come before any data ask for nothing by themselves
            if newer(arrived.sequencer, before):  # the same event again asks for nothing more
                fields |= self._again(item)
            message = f"model.yaml was read. {note or ''}".rstrip()
            return Step(message, fields, state="working" if item.get("columns") else "waiting")

        if self._ledger.step(model, now, plan, create=True) is not None and problem is None:
            if self._registry.model(model).get("live_version") is not None:
                self._routing.publish(model)  # what it says of requests counts at once
            self._ledger.look_again(model, cause, now)
        return "settings"

    def _note(self, item: ModelItem, endpoint: Endpoint) -> str | None:
        """What to say of endpoint settings that are not those of the version that serves."""
        live = item.get("live_version")
        if live is None:
            return None
        run = self._registry.run(item["model"], self._registry.version(item["model"], live)["run"])
        serving = parse_settings(run.get("settings") or "").endpoint
        return None if endpoint == serving else ENDPOINT_NOTE

    def _again(self, item: ModelItem) -> dict[str, Any]:
        """What asks for another attempt of the model's last run, if that failed and nothing is under way."""
        last = item.get("last_run")
        if last is None or item.get("active_run") is not None:
            return {}
        return {"retry": last} if self._registry.run(item["model"], last)["status"] == "failed" else {}

    def _settings_text(self, found: StoredObject) -> str:
        content = self._storage.read(found.key, SETTINGS_LIMIT)
        if len(content) > SETTINGS_LIMIT:
            raise SettingsError(
                "model.yaml is too large", f"It has more than {SETTINGS_LIMIT:,} bytes.", "Keep to the documented keys."
            )
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SettingsError(
                "model.yaml is not text", f"It is not UTF-8 (byte {error.start}).", "Save it as UTF-8."
            ) from error

    # data outside any model

    def _unplaced(self, found: StoredObject, problem: str, now: datetime) -> str:
        if found.size < 0:
            return "ignored"
        upload = names.upload_id(found.key, found.etag)
        error = ErrorItem(title="No model for this file", detail=problem, remedy="Put it under data/<model>/.")
        report = self._report(_UNPLACED, upload, found, error)
        item = _received(None, upload, found, now)
        try:
            self._registry.commit(
                [
                    Change(
                        "upload",
                        None,
                        upload,
                        set={**item, "error": error, "report": report},
                        status="rejected",
                        message=problem,
                        at=stamp(now),
                        passing=("received",),
                        status_in=(None,),
                    )
                ]
            )
        except Conflict:
            log.info("%s is known", found.key)
        return "unplaced"

    # data

    def _data(self, model: str, found: StoredObject, arrived: Arrived) -> str:
        upload, now = names.upload_id(found.key, found.etag), arrived.at
        again = f"again:{names.digest(['again', upload, arrived.sequencer], 12)}"
        known = self._receive(model, upload, found, arrived, again)
        if known["status"] == "accepted":
            # a first try may have ended just before this; one message more does no harm
            asked = self._registry.model(model).get("latest_cause") == again
            self._ledger.look_again(model, again if asked else upload, now)
            return "known"
        if known["status"] == "rejected":
            self._withdraw.ask(model, f"gone:{upload}", now)
        if known["status"] != "received":
            return "known"
        if found.size < 0:
            return self._ignore(model, upload, now)
        try:
            with self._workspace.folder() as folder:
                accepted = self._read(model, upload, found, folder, now)
        except NotFound as error:
            log.info("%s: %s", found.key, error)
            return self._ignore(model, upload, now)
        except UserError as error:
            self._reject(model, upload, found, refusal(error), now)
            return "rejected"
        if accepted:
            self._ledger.look_again(model, upload, now)
        return "accepted"

    def _receive(self, model: str, upload: str, found: StoredObject, arrived: Arrived, again: str) -> UploadItem:
        """The upload as it is now. One that failed or was gone is received again when somebody puts it there again; one
        that was accepted then asks, as ``again``, for another attempt of a run that failed."""
        now = arrived.at
        new: dict[str, Any] = {**_received(model, upload, found, now), "sequencer": arrived.sequencer or None}

        def plan(item: ModelItem) -> Step | None:
            known = self._known(model, upload)
            if known is not None:
                again_put = found.size >= 0 and newer(arrived.sequencer, known.get("sequencer") or "")
                if again_put and known["status"] == "accepted":
                    return self._put_again(item, known, arrived.sequencer, again)
                back = known["status"] in ("ignored", "withdrawn") and found.size >= 0
                if not back and not (again_put and known["status"] == "rejected"):
                    return None
            received = Change(
                "upload",
                model,
                upload,
                set={**new, "error": None, "report": None, "withdrawn": None},
                status="received",
                message="",
                at=stamp(now),
                status_in=(known["status"] if known else None,),
            )
            return Step(f"Reading {found.key}.", changes=[received], state="working")

        self._ledger.step(model, now, plan, create=True)
        return self._registry.upload(model, upload)

    def _put_again(self, item: ModelItem, known: UploadItem, sequencer: str, again: str) -> Step:
        seen = Change(
            "upload", item["model"], known["upload"], set={"sequencer": sequencer}, status_in=(known["status"],)
        )
        asked = self._again(item)
        if not asked:
            return Step(item.get("message") or "", changes=[seen])
        message = f"{known['key']} came again: another attempt after run {asked['retry']} failed."
        return Step(message, {**asked, "latest_cause": again}, [seen], state="working")

    def _known(self, model: str, upload: str) -> UploadItem | None:
        try:
            return self._registry.upload(model, upload)
        except NotFound:
            return None

    def _read(self, model: str, upload: str, found: StoredObject, folder: Path, now: datetime) -> bool:
        self._check_size(found)
        source = folder / ("upload" + "".join(Path(found.key).suffixes[-2:])[-20:])
        self._storage.download(found.key, source, found.etag)
        uploads = self._registry.uploads(model)
        attempt = 0
        while True:
            attempt += 1
            workdir = folder / f"reading-{attempt}"
            workdir.mkdir()
            accepted = self._read_once(model, upload, found, source, workdir, uploads, now)
            if accepted is not None:
                return accepted

    def _read_once(
        self,
        model: str,
        upload: str,
        found: StoredObject,
        source: Path,
        workdir: Path,
        uploads: Sequence[UploadItem],
        now: datetime,
    ) -> bool | None:
        """Whether the upload is accepted by this call; None when another upload set column types meanwhile, and the
        file has to be read again by those."""
        # DuckDB takes long to import: only where a file is read
        from sluicegate.data.ingest import read_upload

        before = self._registry.model(model)
        settings = parse_settings(before.get("settings") or "")
        columns = before.get("columns")
        known = Schema.from_json(columns) if columns else None
        reading = read_upload(
            source,
            key=found.key,
            settings=settings,
            known=known,
            workdir=workdir,
            memory_limit_mb=self._workspace.memory_limit_mb,
        )
        self._storage.upload(reading.parquet, f"uploads/{model}/{upload}/rows.parquet")
        if reading.rejects is not None:
            self._storage.upload(reading.rejects, f"data-rejects/{model}/{upload}/rows.csv")
        report = self._write_report(model, upload, found, reading.report)
        merged = (known.merged(reading.schema) if known else reading.schema).to_json()
        message = f"{reading.accepted_rows:,} rows accepted, {reading.rejected_rows:,} set aside."
        overtaken = False
        others = [item["upload"] for item in uploads if item["key"] == found.key and item["upload"] != upload]
        notes = [*twice(found, uploads), *reading.notes]

        def plan(item: ModelItem) -> Step | None:
            nonlocal overtaken
            if (item.get("columns") or None) != (columns or None):
                overtaken = True
                return None
            if self._storage.head(found.key).etag != found.etag:
                raise NotFound(f"{found.key} has other content by now")
            moved = move_upload(
                self._registry.upload(model, upload),
                "accepted",
                now,
                message,
                accepted_rows=reading.accepted_rows,
                rejected_rows=reading.rejected_rows,
                notes=noted(notes) + noted(shown(reading.report)),
                report=report,
            )
            if moved is None:
                return None
            new: dict[str, Any] = {"columns": merged, "latest_cause": upload}
            if item.get("problem") is None:  # until a data set says what a prediction needs
                new |= {"schema": merged, "target": settings.target}
            replaced = self._withdraw.changes(model, others, now)
            return Step(f"{found.key}: {message}", new, [moved, *replaced], state="working")

        done = self._ledger.step(model, now, plan)
        return None if overtaken else done is not None

    def _check_size(self, found: StoredObject) -> None:
        limit = int(self._workspace.free_bytes() * _SHARE_OF_DISK)
        if found.size > limit:
            raise UnreadableUpload(
                "File too large",
                f"It has {found.size / _MB:,.0f} MB; the function's disk takes up to {limit / _MB:,.0f} MB.",
                "Split it into smaller files, or deploy the stack with a larger EphemeralStorageMb.",
            )

    def _ignore(self, model: str, upload: str, now: datetime) -> str:
        message = "The object was deleted or replaced before it was read."

        def plan(item: ModelItem) -> Step | None:
            moved = move_upload(self._registry.upload(model, upload), "ignored", now, message)
            state = "working" if item.get("columns") else "waiting"
            return None if moved is None else Step(message, changes=[moved], state=state)

        self._ledger.step(model, now, plan)
        return "ignored"

    def _reject(self, model: str, upload: str, found: StoredObject, error: ErrorItem, now: datetime) -> None:
        report = self._report(model, upload, found, error)
        others = [item["upload"] for item in self._withdraw.others(model, found.key, upload)]
        cause = f"gone:{upload}"

        def plan(_: ModelItem) -> Step | None:
            known = self._registry.upload(model, upload)
            moved = move_upload(known, "rejected", now, error["detail"], error=error, report=report)
            if moved is None:
                return None
            # what lies in the bucket is the data: what was replaced is gone, also when nothing usable came for it
            replaced = self._withdraw.changes(model, others, now)
            fields = {"latest_cause": cause} if replaced else {}
            message = f"{found.key}: {error['title']}. {error['detail']}"
            return Step(message, fields, [moved, *replaced], state="failed")

        self._ledger.step(model, now, plan)
        self._withdraw.ask(model, cause, now)

    def _report(self, folder: str, upload: str, found: StoredObject, error: ErrorItem) -> str:
        return self._write_report(folder, upload, found, {"accepted_rows": 0, "error": dict(error)})

    def _write_report(self, folder: str, upload: str, found: StoredObject, report: Mapping[str, Any]) -> str:
        key = f"data-rejects/{folder}/{upload}/report.json"
        whole = {"upload": upload, "key": found.key, "etag": found.etag, "size": found.size, **report}
        content = json.dumps(whole, indent=2, ensure_ascii=False).encode()
        self._storage.write(key, content, "application/json")
        return key


def _next_time(item: ModelItem, settings: ModelSettings, now: datetime) -> str | None:
    """When the schedule comes next. Settings that leave it as it was don't put it off."""
    try:
        before = parse_settings(item.get("settings") or "").retrain.schedule
    except SettingsError:
        before = None  # an older version of the stack took them; they are being corrected
    if settings.retrain.schedule == before and item.get("scheduled_for"):
        return item["scheduled_for"]
    following = settings.retrain.next_time(now)
    return None if following is None else stamp(following)


def _received(model: str | None, upload: str, found: StoredObject, now: datetime) -> UploadItem:
    item = UploadItem(upload=upload, key=found.key, etag=found.etag, size=max(found.size, 0), received_at=stamp(now))
    if model is not None:
        item["model"] = model
    return item
