"""Every write to the registry goes through here: one conditional write, made from what was read just before.

A model's item carries a revision. A step reads the items it needs, works out what they become, and commits that on the
condition that the revision is still the one it read; if not, somebody else was first, and the step looks again. So the
moves of a model's uploads, runs and versions have one order, whatever order their events came in.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sluicegate.domain import lifecycle, names
from sluicegate.domain.errors import Conflict, NotFound, Refused, SettingsError, Transient, UserError
from sluicegate.domain.experiment_items import ExperimentItem
from sluicegate.domain.items import ErrorItem, ModelItem, RunItem, UploadItem, VersionItem, is_moving, stamp
from sluicegate.ports import Change, Kind, Registry, TrainingQueue

log = logging.getLogger(__name__)

#: hundreds of files that come at once are as many writers of one item: they have to spread over seconds, together
#: less than the half minute that the shortest function leaves for it
_ATTEMPTS = 14
_LONGEST_PAUSE = 5.0
#: a list of everything that is wrong with two thousand columns must not fill the item's 400 KB
_LONGEST_DETAIL = 6_000
#: how a person asks for another attempt of a run that failed (``services.ingest`` sees to it)
AGAIN = "save model.yaml or upload a file again (unchanged is fine) for another attempt."


@dataclass
class Step:
    """What a step makes of a model: new attributes for its item, moves of other items, a sentence for people.

    ``state`` counts only while nothing runs and nothing is live.
    """

    message: str
    set: dict[str, Any] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    state: str | None = None


Plan = Callable[[ModelItem], "Step | None"]


class Ledger:
    """The registry's writes, and the message that makes ``start_training`` look again."""

    def __init__(
        self,
        registry: Registry,
        queue: TrainingQueue,
        prefix: str,
        quiet_seconds: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.registry = registry
        self.prefix = prefix
        self._queue = queue
        self._quiet_seconds = quiet_seconds
        self._pause = pause

    def step(self, model: str, now: datetime, plan: Plan, create: bool = False) -> ModelItem | None:
        """Commit what ``plan`` makes of the model; its item afterwards, or None when ``plan`` had nothing to do.

        ``plan`` may be called again when another step came between, so it reads other items itself, and does nothing
        but read. Raises ``NotFound`` for an unknown model (unless ``create``), ``Transient`` when the model is so
        busy that another delivery has to try.
        """
        for attempt in range(_ATTEMPTS):
            item = self._model(model, now, create)
            step = plan(item)
            if step is None:
                return None
            changed = self._next(item, step, now)
            expect = {"revision": item.get("revision")}
            try:
                self.registry.commit([Change("model", model, "", set=changed, expect=expect), *step.changes])
            except Conflict:
                self._pause(random.uniform(0, min(0.02 * 2**attempt, _LONGEST_PAUSE)))  # noqa: S311 (spreads retries)
                continue
            return cast("ModelItem", {**item, **changed})
        raise Transient(f"{model}: {_ATTEMPTS} steps of others came between")

    def _model(self, model: str, now: datetime, create: bool) -> ModelItem:
        try:
            return self.registry.model(model)
        except NotFound:
            if not create:
                raise
            created = stamp(now)
            return ModelItem(
                model=model,
                created_at=created,
                updated_at=created,
                state="waiting",
                message="",
                endpoint=names.endpoint(self.prefix, model),
            )

    def _next(self, item: ModelItem, step: Step, now: datetime) -> dict[str, Any]:
        merged: dict[str, Any] = {**item, **step.set}
        problem, message = merged.get("settings_problem"), step.message
        if problem and problem["detail"] not in message:
            # until it is corrected nothing starts, whatever else is going on
            message = f"{message} Nothing starts until model.yaml is corrected: {problem['detail']}".lstrip()
        if merged.get("live_version") is not None:
            state = "live"
        elif merged.get("active_run") is not None:
            state = "working"
        elif problem:
            state = "failed"
        else:
            state = step.state or merged["state"]
        changed = {
            **step.set,
            "revision": int(item.get("revision") or 0) + 1,
            "model": item["model"],
            "state": state,
            "message": message,
            "updated_at": max(stamp(now), item["updated_at"]),
        }
        changed["moving"] = is_moving(merged) or None
        shown = (
            "live_version",
            "active_run",
            "problem",
            "target",
            "scheduled_for",
            "asked",
            "experiment",
            "challenging",
        )
        for name in shown:
            changed.setdefault(name, merged.get(name))
        if "revision" not in item:
            changed |= {"created_at": item["created_at"], "endpoint": item["endpoint"]}
        return changed

    def look_again(self, model: str, cause: str, now: datetime) -> None:
        """Wake ``start_training`` after the model's quiet period."""
        try:
            quiet = self.quiet_seconds(self.registry.model(model))
        except NotFound:
            quiet = self._quiet_seconds
        self._queue.send({"model": model, "cause": cause, "at": stamp(now)}, quiet)

    def quiet_seconds(self, item: ModelItem) -> int:
        """``retrain.quiet_period`` where model.yaml says it, else the stack's default."""
        if not item.get("settings"):
            return self._quiet_seconds
        # pydantic costs half a second of cold start: only where there are settings to read
        from sluicegate.domain.settings_reader import parse_settings

        try:
            settings = parse_settings(item.get("settings") or "")
        except SettingsError as error:  # of an older version of the stack: who starts the run tells it
            log.warning("the settings of %s can't be read any more: %s", item["model"], error)
            return self._quiet_seconds
        said = "quiet_period" in settings.retrain.model_fields_set
        return settings.retrain.quiet_seconds if said else self._quiet_seconds

    def fail_run(self, model: str, run: str, now: datetime, error: ErrorItem, **fields: Any) -> None:
        """End the run as failed, let the next one start. A run that has ended stays as it is."""

        def plan(item: ModelItem) -> Step | None:
            found = self.registry.run(model, run)
            moved = move_run(found, "failed", now, error["detail"], error=error, claim=None, **fields)
            if moved is None:
                return None
            released = {"active_run": None} if item.get("active_run") == run else {}
            return Step(f"Run {run} failed: {error['detail']}", released, [moved], state="failed")

        if self.step(model, now, plan) is None:
            log.info("run %s of %s has ended before", run, model)
        self.look_again(model, f"run:{run}", now)


def move(kind: Kind, model: str | None, name: str | int, current: str | None, to: str) -> tuple[str, ...] | None:
    """The statuses walked through to ``to``, without it; None when the lifecycle has no way there."""
    walked = lifecycle.path(kind, current, to)
    if not walked:
        log.info("%s %s of %s is %s: no way to %s", kind, name, model, current, to)
        return None
    return tuple(walked[:-1])


def move_run(item: RunItem, to: str, now: datetime, message: str, **fields: Any) -> Change | None:
    """The run's move to ``to``, or None when its status allows none."""
    at = max(stamp(now), item["updated_at"])
    return _moved("run", item["model"], item["run"], item["status"], to, at, message, {**fields, "updated_at": at})


def move_version(item: VersionItem, to: str, now: datetime, message: str, **fields: Any) -> Change | None:
    """The version's move to ``to``, or None when its status allows none."""
    return _moved("version", item["model"], item["version"], item["status"], to, stamp(now), message, fields)


def move_experiment(item: ExperimentItem, to: str, now: datetime, message: str, **fields: Any) -> Change | None:
    """The experiment's move to ``to``, or None when its status allows none."""
    at = max(stamp(now), item["updated_at"])
    fields |= {"updated_at": at}
    return _moved("experiment", item["model"], item["experiment"], item["status"], to, at, message, fields)


def move_upload(item: UploadItem, to: str, now: datetime, message: str, **fields: Any) -> Change | None:
    """The upload's move to ``to``, or None when its status allows none."""
    return _moved("upload", item.get("model"), item["upload"], item["status"], to, stamp(now), message, fields)


def _moved(
    kind: Kind,
    model: str | None,
    name: str | int,
    status: str,
    to: str,
    at: str,
    message: str,
    fields: dict[str, Any],
) -> Change | None:
    passing = move(kind, model, name, status, to)
    if passing is None:
        return None
    return Change(
        kind, model, name, set=fields, status=to, message=message, at=at, passing=passing, status_in=(status,)
    )


def refusal(error: UserError | Refused) -> ErrorItem:
    """What the user reads."""
    if isinstance(error, UserError):
        return ErrorItem(title=error.title, detail=shortened(error.detail), remedy=shortened(error.remedy))
    return ErrorItem(
        title="AWS refused",
        detail=shortened(str(error)),
        remedy=f"Correct what the message names (often a quota or a permission), then {AGAIN}",
    )


def shortened(text: str, longest: int = _LONGEST_DETAIL) -> str:
    """``text``, or so much of it as an item can hold, with a word that there was more.

    >>> shortened("abcdef", 3)
    'abc… (3 more characters)'
    """
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest:,} more characters)"


def job_failed(what: str, reason: str) -> ErrorItem:
    return ErrorItem(
        title=f"{what} failed",
        detail=reason or "SageMaker gave no reason.",
        remedy=f"The job's log in CloudWatch says more. When the cause is gone, {AGAIN}",
    )


def trained_by(run: RunItem, prefix: str) -> str:
    """The training job whose artifact the run's version is: its own, or the best of its tuning job."""
    return run.get("training_job") or names.training_job(prefix, run["model"], run["run"])


def ended_as(run: RunItem) -> str:
    if run["status"] == "rejected":
        reason = (run.get("verdict") or {}).get("reason")
        return f"was rejected: {reason}" if reason else "was rejected."
    error = run.get("error")
    return f"failed: {error['detail']}" if error else "failed."


def tags(model: str, run: str | None = None) -> Mapping[str, str]:
    found = {"sluicegate:model": model}
    return found | {"sluicegate:run": run} if run else found
