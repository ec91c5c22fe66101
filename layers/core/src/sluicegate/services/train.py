"""Something asks for a run: begin it, if there is reason to, and see to its data set and its training."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sluicegate.domain import algorithms, names
from sluicegate.domain.errors import NotFound, Refused, SettingsError, UserError
from sluicegate.domain.items import ErrorItem, ModelItem, RunItem, moment, stamp
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Storage
from sluicegate.services import code
from sluicegate.services.finish_preparation import FinishPreparation
from sluicegate.services.ledger import Ledger, Step, ended_as, move_run, refusal
from sluicegate.services.preparation import Preparation
from sluicegate.services.processing import Processing
from sluicegate.services.selection import Selection, select, waits_for
from sluicegate.services.training import Training

log = logging.getLogger(__name__)

#: a function's preparation that has not ended after this time was interrupted: none runs longer
STALE = timedelta(minutes=15)
#: what has happened, by the kind of cause that asks for a run; an upload's id has none
_NEWS = {
    "settings": "model.yaml was saved",
    "schedule": "the time of retrain.schedule has come",
    "code": "the model's code was changed",
    "drift": "what is predicted has drifted",
    "gone": "data were deleted or replaced",
    "run": "another run ended",
}


class Start:
    """``look`` may be called again with the same message, any number of times."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        preparation: Preparation,
        processing: Processing,
        training: Training,
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._preparation = preparation
        self._processing = processing
        self._training = training
        self._finish = FinishPreparation(ledger, processing, training)

    def look(self, model: str, cause: str, message_id: str, now: datetime) -> str:
        """Start a run if there is reason to: the run's id, or a word that says why not.

        ``message_id`` is the queue's: the same message coming again takes up the preparation that it began.
        """
        try:
            item = self._registry.model(model)
        except NotFound:
            log.warning("there is no model %s", model)
            return "unknown"
        begun = self._begun(item, message_id)
        if begun is not None:
            claimed = self._take_up(begun, message_id, now)
        elif (reason := self._no_reason(item, cause)) is not None:
            return reason
        else:
            try:
                asked = self._asked(item, cause, message_id, now)
            except (UserError, Refused) as error:
                return self._no_run(item, error, now)
            if isinstance(asked, str):
                return asked
            claimed = asked
        if claimed is None:
            return self._rest(item, "nothing", "There is nothing new to train on.", now)
        try:
            settings = parse_settings(claimed.get("settings") or "")
            document = self._preparation.document(claimed, settings, now)
            if document is not None:
                self._training.begin(claimed, settings, document, now)
        except (UserError, Refused) as error:
            self._ledger.fail_run(model, claimed["run"], now, refusal(error))
            return "failed"
        if document is None:
            # the job's end goes on; but it may have ended before an earlier delivery of this message came so far
            self._finish.job_ended(names.preparation_job(self._ledger.prefix, model, claimed["run"]), now)
        return claimed["run"]

    def _asked(self, item: ModelItem, cause: str, message_id: str, now: datetime) -> RunItem | str | None:
        """The run that was asked for, ours to prepare; None when there is nothing new; a word when it has to wait."""
        settings = parse_settings(item.get("settings") or "")
        uploads = self._registry.uploads(item["model"])
        selection = select([upload for upload in uploads if upload["status"] == "accepted"], settings, now)
        waits = waits_for(self._registry, item, uploads, selection, settings, cause)
        if waits is not None:
            return self._rest(item, *waits, now)
        if (wanted := code.waits(item, algorithms.of(settings))) is not None:
            return code.wait(self._ledger, item["model"], wanted, now)
        return self._claim(item, settings, selection, cause, message_id, now)

    def _no_run(self, seen: ModelItem, error: UserError | Refused, now: datetime) -> str:
        """What keeps every run from beginning (settings that a newer version no longer takes, code that can't be kept)
        is told of the model: there is no run to tell it of."""
        told = refusal(error)

        def plan(item: ModelItem) -> Step | None:
            fields: dict[str, Any] = {"settings_problem": told} if isinstance(error, SettingsError) else {}
            if item.get("asked") and item.get("asked") == seen.get("asked"):
                fields["asked"] = None  # that is the answer
            return Step(f"No run starts: {told['detail']}", fields, state="failed")

        self._ledger.step(seen["model"], now, plan)
        return "failed"

    def _rest(self, seen: ModelItem, outcome: str, message: str, now: datetime) -> str:
        """``outcome``, with the model's state told as what it is when nothing starts: no longer "working"."""
        model = seen["model"]

        def plan(item: ModelItem) -> Step | None:
            answered = item.get("active_run") is None and item.get("asked") and item.get("asked") == seen.get("asked")
            fields = {"asked": None} if answered else {}
            live = item.get("live_version")
            if outcome == "few" and live is not None and item.get("active_run") is None:
                told = f"Version {live} is live. {message}"  # else nobody hears of a file that starts no run
                return Step(told, fields) if fields or item.get("message") != told else None
            idle = item.get("active_run") is None and live is None
            if not idle or item.get("state") != "working":
                return Step(item.get("message") or "", fields) if fields else None
            last = self._run(model, item.get("last_run") or "")
            if last is None or last["status"] not in ("failed", "rejected"):
                return Step(message, fields, state="waiting")
            return Step(f"{message} The last run, {last['run']}, {ended_as(last)}", fields, state="failed")

        self._ledger.step(model, now, plan)
        return outcome

    def _begun(self, item: ModelItem, message_id: str) -> RunItem | None:
        """The preparation that an earlier delivery of this message began, whatever came since."""
        active = item.get("active_run")
        run = self._run(item["model"], active) if active else None
        return run if run and run["status"] == "preparing" and run.get("claim") == message_id else None

    def _no_reason(self, item: ModelItem, cause: str) -> str | None:
        if item.get("settings_problem"):
            return "settings"
        asking = (item.get("latest_cause"), item.get("asked"))
        if cause.startswith("run:") or cause in asking or item.get("active_run"):
            return None
        return "later"  # a later upload sends its own message after the quiet period

    def _take_up(self, run: RunItem, message_id: str, now: datetime) -> RunItem | None:
        """``run``, if nobody took it over from this message or a stale claim; the commit shows it."""
        model, at = run["model"], stamp(now)

        def plan(_: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            if found["status"] != "preparing" or found.get("claim") != run.get("claim"):
                return None
            again = Change(
                "run",
                model,
                run["run"],
                set={"claim": message_id, "claimed_at": at, "updated_at": max(at, found["updated_at"])},
                status_in=("preparing",),
                expect={"claim": found.get("claim")},
            )
            return Step(f"Preparing run {run['run']}.", {"active_run": run["run"]}, [again])

        return None if self._ledger.step(model, now, plan) is None else self._registry.run(model, run["run"])

    def _claim(
        self,
        seen: ModelItem,
        settings: ModelSettings,
        selection: Selection,
        cause: str,
        message_id: str,
        now: datetime,
    ) -> RunItem | None:
        """The run, ours to prepare; None when there is nothing new, or another run is under way."""
        model, at = seen["model"], stamp(now)
        dataset = names.dataset_version(selection.identity, settings.preparation_fingerprint())
        taken = code.of_run(self._storage, seen, algorithms.of(settings))
        training = code.fingerprint(settings.training_fingerprint(), taken)
        place, attempt, before, retried = self._storage.uri(""), 1, None, None
        while True:
            run = names.run_id(place, dataset, training, attempt)
            known = self._run(model, run)
            if known is None:
                break
            attempt, before = attempt + 1, known
        # one that is not the last was followed by others: the data or the settings went away and came back
        if before is not None and before["run"] == seen.get("last_run"):
            if before["status"] != "failed":
                abandoned = before["status"] == "preparing" and _stale(before, now)
                return self._take_up(before, message_id, now) if abandoned else None
            retried = before["run"]
            if seen.get("retry") != retried:
                return None  # it failed, and nobody asked for another attempt since

        def plan(item: ModelItem) -> Step | None:
            changes: list[Change] = []
            active = item.get("active_run")
            if active is not None:
                interrupted = self._interrupted(model, active, cause, now)
                if interrupted is None:
                    return None
                changes.append(interrupted)
            if item.get("last_run") != seen.get("last_run"):
                return None  # another message began a run meanwhile; its end looks again
            if self._run(model, run) is not None or (retried is not None and item.get("retry") != retried):
                return None
            created = RunItem(
                model=model,
                run=run,
                dataset_version=dataset,
                created_at=at,
                updated_at=at,
                uploads=sorted(upload["upload"] for upload in selection.uploads),
                skipped=selection.skipped or None,
                since=selection.since,
                window=selection.window,
                claim=message_id,
                claimed_at=at,
                attempt=attempt,
                transform_jobs=[],
                champion=item.get("live_version"),
                settings=seen.get("settings"),
                code=taken,
            )
            new = Change(
                "run",
                model,
                run,
                set={**created},
                status="preparing",
                message=f"{selection.told}{_counted(attempt)}",
                at=at,
                status_in=(None,),
            )
            fields: dict[str, Any] = {"active_run": run, "last_run": run, "retry": None, "waits": None}
            if item.get("asked") == seen.get("asked"):
                fields["asked"] = None
            return Step(f"Preparing run {run}.", fields, [*changes, new])

        if self._ledger.step(model, now, plan) is None:
            return None
        return self._registry.run(model, run)

    def _interrupted(self, model: str, active: str, cause: str, now: datetime) -> Change | None:
        """The end of a preparation that nobody works on any more; None when the active run is alive."""
        found = self._registry.run(model, active)
        if found["status"] != "preparing" or not _stale(found, now) or self._processing.under_way(found):
            return None
        error = ErrorItem(
            title="Interrupted",
            detail=f"The preparation was interrupted, and {_news(cause)} since.",
            remedy="Nothing to do: a new run takes its place.",
        )
        return move_run(found, "failed", now, error["detail"], error=error, claim=None)

    def _run(self, model: str, run: str) -> RunItem | None:
        try:
            return self._registry.run(model, run)
        except NotFound:
            return None


def _news(cause: str) -> str:
    """
    >>> _news("schedule:2026-01-02T03:00:00Z"), _news("0a1b2c3d4e5f")
    ('the time of retrain.schedule has come', 'newer data have come')
    """
    return _NEWS.get(cause.partition(":")[0] if ":" in cause else "", "newer data have come")


def _counted(attempt: int) -> str:
    return f", attempt {attempt}" if attempt > 1 else ""


def _stale(run: RunItem, now: datetime) -> bool:
    claimed = run.get("claimed_at")
    return claimed is None or now - moment(claimed) > STALE


def parse_message(body: str) -> tuple[str, str]:
    """Model and cause of a message on the training queue. ``ValueError`` when it is none."""
    document: Mapping[str, Any] = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("the message is no JSON object")
    model, cause = document.get("model"), document.get("cause")
    if not isinstance(model, str) or not names.is_model(model) or not isinstance(cause, str) or not cause:
        raise ValueError("the message names no model or no cause")
    return model, cause
