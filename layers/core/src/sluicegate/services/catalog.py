"""The registry's items as people read them: the HTTP API's shapes, a state, and a sentence that says what goes on."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sluicegate.domain.errors import NotFound, SluicegateError
from sluicegate.domain.items import MORE_ROWS, ModelItem, public
from sluicegate.domain.sleep import endpoint_state, told
from sluicegate.domain.way_in import way_in
from sluicegate.ports import RegistryReader, Reports
from sluicegate.services import lineage
from sluicegate.services.paging import LARGEST_LIMIT, page

Json = dict[str, Any]

#: a function's answer has at most 6 MB, with what JSON adds to a text
LARGEST_REPORT = 4_000_000
LINK_SECONDS = 300

_SUMMARY = ("model", "state", "live_version", "problem", "target", "updated_at", "message")
_DETAIL = (
    *_SUMMARY,
    *("created_at", "schema", "classes", "active_run", "live", "settings_problem", "scheduled_for", "code_problem"),
    *("last_run", "endpoint", "experiment", "saved", "drift"),
)
_SHAPES: dict[str, tuple[str, ...]] = {
    "run": (
        *("run", "status", "dataset_version", "training_job", "transform_jobs", "created_at", "updated_at", "history"),
        *("rows", "notes", "problem", "metric", "metrics", "verdict", "version", "report", "error", "window"),
        *("tuning", "cost", "preparation"),
    ),
    "version": (
        *("version", "status", "run", "dataset_version", "metrics", "verdict", "report", "model_package_arn"),
        *("history", "created_at", "live_since", "decision", "local", "prediction_shift"),
    ),
    "batch": (
        *("batch", "key", "status", "version", "size", "received_at", "updated_at", "rows", "rejected_rows", "parts"),
        *("transform_job", "result", "rejects", "notes", "error", "history"),
    ),
    "experiment": (
        *("experiment", "status", "mode", "decides", "look_every", "lanes", "lanes_as", "weights", "design", "asked"),
        "created_at",
        *(
            "started_at",
            "ended_at",
            "updated_at",
            "looks",
            "look",
            "course",
            "proposal",
            "decision",
            "error",
            "history",
        ),
    ),
    "upload": (
        *("upload", "key", "status", "size", "received_at", "accepted_rows", "rejected_rows", "notes", "report"),
        *("error", "withdrawn"),
    ),
}
_EMPTY: dict[str, Any] = {"history": [], "notes": [], "transform_jobs": [], "course": [], "weights": {}}
#: of an experiment in the list of all: its numbers are in the experiment itself
_NUMBERS = ("design", "look", "course", "history")
_WAITS = "the script is there"
_DOING = {
    "preparing": "preparing the data of {run}",
    "processing": "preparing the data of {run} in a processing job",
    "training": "training {run}",
    "evaluating": "evaluating {run} on the holdout",
    "registering": "comparing {run} and registering it",
    "deploying": "deploying version {version}",
}


class UnknownModel(SluicegateError):
    """There is no such model; ``close`` are names like it."""

    def __init__(self, model: str, close: Sequence[str]) -> None:
        super().__init__(model)
        self.model, self.close = model, close


class NoExperiment(SluicegateError):
    """The model never had one."""


class NoReport(SluicegateError):
    """The run has none, or one that is too large to hand out; the message says why."""


class State(NamedTuple):
    state: str  # waiting | working | live | failed
    message: str


@dataclass(frozen=True)
class Catalog:
    """The read side of the registry. ``bucket`` ("" when unknown) is only shown: where data goes."""

    registry: RegistryReader
    bucket: str = ""
    reports: Reports | None = None

    def models(self, limit: str | None = None, after: str | None = None) -> Json:
        def line(item: Mapping[str, Any]) -> Json:
            return {name: item.get(name) for name in _SUMMARY}

        lines, following = page(self.registry.models(), lambda item: item["model"], line, limit, after)
        return {
            "models": lines,
            "unplaced": [shaped("upload", item) for item in self.registry.unplaced()[:LARGEST_LIMIT]],
            "upload_to": f"s3://{self.bucket}/data/" if self.bucket else None,
            **following,
        }

    def model(self, model: str, now: datetime) -> Json:
        item = self._item(model)
        runs = self.registry.runs(model)
        uploads = self.registry.uploads(model)
        last_run = next((run for run in runs if run.get("run") == item.get("last_run")), runs[0] if runs else None)
        detail: Json = {name: item.get(name) for name in _DETAIL}
        detail["last_run"] = None if last_run is None else shaped("run", last_run)
        detail["state"], detail["message"] = describe(item, last_run, uploads)
        detail["asked"] = _asked(item)
        detail["upload_to"] = f"s3://{self.bucket}/data/{model}/" if self.bucket else None
        detail["endpoint_state"], detail["sleep"] = endpoint_state(item), _sleep(item)
        detail["way_in"] = way_in(item, now)
        return detail

    def versions(self, model: str, limit: str | None = None, after: str | None = None) -> Json:
        return self._list(model, "version", self.registry.versions, limit, after)

    def runs(self, model: str, limit: str | None = None, after: str | None = None) -> Json:
        return self._list(model, "run", self.registry.runs, limit, after)

    def uploads(self, model: str, limit: str | None = None, after: str | None = None) -> Json:
        return self._list(model, "upload", self.registry.uploads, limit, after)

    def batches(self, model: str, limit: str | None = None, after: str | None = None) -> Json:
        return self._list(model, "batch", self.registry.batches, limit, after, "batches")

    def batch(self, model: str, batch: str) -> Json:
        """Raises `NotFound` when the model has no such batch."""
        self._item(model)
        return shaped("batch", self.registry.batch(model, batch))

    def experiments(self, model: str, limit: str | None = None, after: str | None = None) -> Json:
        """All of them, without their numbers."""
        found = self._list(model, "experiment", self.registry.experiments, limit, after)
        lines = [{name: line[name] for name in line if name not in _NUMBERS} for line in found["experiments"]]
        return found | {"experiments": lines}

    def experiment(self, model: str, experiment: str | None = None) -> Json:
        """That one, or the one under way, or the last. Raises `NoExperiment`, `NotFound` (no such experiment)."""
        active = self._item(model).get("experiment")
        if experiment is None and active is None:
            before = self.registry.experiments(model)
            if not before:
                raise NoExperiment(model)
            return shaped("experiment", before[0])
        return shaped("experiment", self.registry.experiment(model, experiment or str(active)))

    def version(self, model: str, version: int) -> Json:
        """Raises `NotFound` when the model has no such version."""
        self._item(model)
        return shaped("version", self.registry.version(model, version))

    def lineage(self, model: str, version: int) -> Json:
        """What the version learned from. Raises `NotFound` when the model has no such version."""
        self._item(model)
        return lineage.of_version(self.registry, model, version)

    def upload(self, model: str, upload: str) -> Json:
        """The upload, and the ``runs`` that learned from it. Raises `NotFound` when the model has no such upload."""
        self._item(model)
        item = self.registry.upload(model, upload)
        return shaped("upload", item) | {"runs": lineage.of_upload(self.registry, model, upload)}

    def report(self, model: str, run: str, suffix: str) -> bytes:
        """The run's report as it was written: ``json`` or ``html``. Raises `NoReport`, `NotFound` (no such run)."""
        return self._content(self._report(model, run, suffix))

    def report_link(self, model: str, run: str) -> Json:
        """An address of report.html that a browser can open, without the API's key and for a few minutes."""
        return self._link(self._report(model, run, "html"))

    def drift(self, model: str, suffix: str) -> bytes:
        """The newest drift report, as ``report`` gives a run's. Raises `NoReport`."""
        return self._content(self._drift(model, suffix))

    def drift_link(self, model: str) -> Json:
        return self._link(self._drift(model, "html"))

    def _report(self, model: str, run: str, suffix: str) -> str:
        self._item(model)
        found = self.registry.run(model, run)
        if not found.get("report"):
            raise NoReport(f"it is {found.get('status')}, and a report is written when the holdout was measured")
        return _as(str(found["report"]), suffix)

    def _drift(self, model: str, suffix: str) -> str:
        item = self._item(model)
        found = item.get("drift")
        if found is None and item.get("live_version") is None:
            raise NoReport("no version serves that could drift")
        if found is None:
            raise NoReport("the first look is made when a period of drift.every (model.yaml) is over")
        return _as(str(found["report"]), suffix)

    def _content(self, key: str) -> bytes:
        try:
            content = self._reports().read(key, LARGEST_REPORT)
        except NotFound as error:
            raise NoReport(f"{key} is not in the bucket any more") from error
        if len(content) > LARGEST_REPORT:
            raise NoReport(f"it has more than {LARGEST_REPORT:,} bytes; as=link gives an address to get it from")
        return content

    def _link(self, key: str) -> Json:
        return {"url": self._reports().link(key, LINK_SECONDS), "expires_in": LINK_SECONDS}

    def _reports(self) -> Reports:
        if self.reports is None:
            raise NoReport("this function doesn't know the bucket")
        return self.reports

    def _list(
        self,
        model: str,
        kind: str,
        read: Callable[[str], Sequence[Mapping[str, Any]]],
        limit: str | None,
        after: str | None,
        name: str = "",
    ) -> Json:
        items = read(model)
        if not items:
            self._item(model)
        shown, following = page(items, lambda item: str(item[kind]), lambda item: shaped(kind, item), limit, after)
        return {name or kind + "s": shown, **following}

    def _item(self, model: str) -> ModelItem:
        try:
            return self.registry.model(model)
        except NotFound as error:
            names = [str(line["model"]) for line in self.registry.models()]
            raise UnknownModel(model, difflib.get_close_matches(model, names, n=3, cutoff=0.5)) from error


def _as(page: str, suffix: str) -> str:
    return page.rsplit(".", 1)[0] + "." + suffix


def shaped(kind: str, item: Mapping[str, Any]) -> Json:
    """An item with every field of its shape; what isn't known yet is null (or an empty list)."""
    shown = public(kind, item)
    found = {name: shown.get(name, _EMPTY.get(name)) for name in _SHAPES[kind]}
    if kind == "version" and item.get("reason"):
        verdict = found["verdict"]
        if not (isinstance(verdict, Mapping) and verdict.get("reason")):
            found["verdict"] = {**(verdict or {}), "reason": item["reason"]}
    return found


def describe(model: Mapping[str, Any], run: Mapping[str, Any] | None, uploads: Sequence[Mapping[str, Any]]) -> State:
    """What the model does now, in a sentence: what is under way first, then what went wrong, then what serves."""
    live = model.get("live_version")
    settings = model.get("settings_problem")
    asked = _asked(model) is not None
    sentences: list[str] = []
    waits = None if settings else model.get("waits")
    state = "failed" if settings or (waits and model.get("code_problem")) else "waiting"
    under_way = run is not None and run.get("status") in _DOING
    if settings:
        text = _problem(settings)
        sentences.append(text if text.startswith("model.yaml") else f"model.yaml: {text}")
    waiting, active = model.get("challenging"), model.get("experiment")
    contests = run is not None and run.get("status") == "in_experiment"
    if run is not None and contests and waiting is not None and run.get("version") == waiting:
        state = "waiting"  # told below
    elif run is not None:
        state, text = _run_state(run, live)
        sentences.append(text)
    elif not (settings or waits) and model.get("state") == "waiting" and str(model.get("message")).startswith("Waits "):
        sentences.append("w" + str(model["message"]).rstrip(".")[1:])  # for the schedule, or for more rows
    elif uploads:
        state, text = _upload_state(
            uploads, state, held="model.yaml is corrected" if settings else _WAITS if waits else ""
        )
        sentences.append(text)
    elif not settings:
        sentences.append("waits for data: no file has arrived yet")
    if asked and run is not None and not under_way:
        state = "working"
        sentences.append("another run was asked for: it starts when nothing more comes for a while")
    if live and not under_way and (few := str(model.get("message")).partition(MORE_ROWS)[2]):
        sentences.append(MORE_ROWS.lower() + few.rstrip("."))
    if live and not (run is not None and run.get("status") == "live"):
        sentences.append(f"version {live} {'stays' if state in ('working', 'waiting') else 'is'} live")
    if waiting is not None:
        after = f" until experiment {active} has ended" if active is not None else ""
        sentences.append(f"version {waiting} waits to be compared with it{after}")
    elif active is not None and not contests:
        sentences.append(f"experiment {active} is under way")
    if waits and not under_way:
        sentences.append(str(waits))
    if live and model.get("settings_note"):
        sentences.append("model.yaml was read: its endpoint settings apply to the next version")
    if live and (said := told(model)):
        sentences.append(said)
    drift = model.get("drift") or {}
    if live and drift.get("drifted") and drift["version"] == live:
        sentences.append(f"it has drifted: {drift['reasons'][0]}")
    if uploads and (aside := uploads[0].get("rejected_rows")):
        sentences.append(f"{uploads[0].get('key')}: {aside:,} row{'s' if aside != 1 else ''} set aside")
    if settings and not under_way:
        state = "failed"  # whatever came or ended before, nothing starts until model.yaml is corrected
    # What serves is live whatever else goes on; the sentence tells the rest.
    return State("live" if live else state, "; ".join(sentences))


def _asked(model: Mapping[str, Any]) -> str | None:
    """What asks for a run that hasn't begun and that nothing keeps from beginning."""
    kept = model.get("settings_problem") or model.get("waits")
    return None if kept else model.get("asked")


def _run_state(run: Mapping[str, Any], live: int | None) -> State:
    """The state of a model of which nothing is live yet, and what the run does or came to."""
    status, name, version = str(run.get("status")), run.get("run"), run.get("version")
    if status == "awaiting_approval":
        return State("waiting", f"version {version} waits for approval")
    if status == "in_experiment":
        return State("waiting", f"version {version} is compared with the one that serves since {_clock(_since(run))}")
    if status in _DOING:
        return State("working", _DOING[status].format(run=name, version=version) + f" since {_clock(_since(run))}")
    if status == "rejected":
        verdict = run.get("verdict") or {}
        said = _begun(run).get("message") if verdict.get("accepted") else ""  # a person's, or an experiment's
        reason = said or verdict.get("reason") or "it is not good enough"
        return State("failed", f"version {version} rejected: {reason}")
    if status == "failed":
        return State("failed", f"run {name} failed: {_problem(run.get('error'))}")
    if status == "live" and not live:
        return State("waiting", f"version {version} was live, but its endpoint serves no more")
    if status == "live" and version == live:
        return State("live", f"version {version} is live since {_clock(_since(run))}")
    if status == "live":  # somebody went back to an older one, or forward again
        return State("live", f"version {live} is live")
    return State("waiting", f"run {name} is {status}")


def _upload_state(uploads: Sequence[Mapping[str, Any]], state: str, held: str) -> State:
    newest = uploads[0]
    status, key = newest.get("status"), newest.get("key")
    if status == "received":
        return State("working", f"reading {key}")
    if status == "withdrawn":
        return State(state, f"{key} was {(newest.get('withdrawn') or {}).get('reason', 'withdrawn')}")
    accepted = sum(int(upload.get("accepted_rows") or 0) for upload in uploads if upload.get("status") == "accepted")
    if accepted and held:
        return State(state, f"{accepted:,} rows accepted; training starts when {held}")
    if accepted:
        return State("working", f"{accepted:,} rows accepted; training starts when no more files come for a while")
    return State("failed" if status == "rejected" else state, f"{key} {status}: {_problem(newest.get('error'))}")


def _begun(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """The line of the history with which the run's present status began."""
    lines = reversed(run.get("history") or [])
    return next((line for line in lines if line.get("status") == run.get("status")), {})


def _since(run: Mapping[str, Any]) -> str:
    return str(_begun(run).get("at") or run.get("updated_at") or "")


def _clock(at: str) -> str:
    return f"{at[11:16]} UTC" if len(at) >= 16 else "just now"


def _problem(error: Mapping[str, Any] | None) -> str:
    if not error:
        return "no reason was given"
    return ": ".join(str(error[part]) for part in ("title", "detail") if error.get(part))


def _sleep(item: Mapping[str, Any]) -> Json | None:
    sleep = item.get("sleep")
    if sleep is None:
        return None
    shown = ("state", "since", "asleep_at", "by", "why", "version", "config", "usd_per_hour", "error")
    return {name: sleep.get(name) for name in shown}
