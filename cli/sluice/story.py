"""What `sluice watch` tells: the run that follows the newest upload, from its file to its endpoint. Pure.

``Story.observe`` is given what the API says now and returns the lines that are new. It doesn't poll and doesn't print.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sluice import trials
from sluice.way import Way
from sluicegate.domain.items import MORE_ROWS

Json = Mapping[str, Any]
Mark = Literal["done", "work", "bad", "note"]
ENDED = frozenset({"live", "rejected", "failed", "awaiting_approval", "in_experiment"})
_ROUND = re.compile(r"^\[(\d+)\](?:#011|\t|\s|$)")
_CLOCK_SLACK = 1.0  # seconds by which an S3 event's time (in whole seconds at places) may lie behind


@dataclass(frozen=True)
class Line:
    mark: Mark
    text: str


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment. ``detail`` is None while the model doesn't exist; ``percent`` of the training."""

    detail: Json | None
    uploads: Sequence[Json] = ()
    runs: Sequence[Json] = ()
    unplaced: Sequence[Json] = ()
    percent: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How it ended: exit status 0 for live, 1 for failed or rejected, 3 when it waits for a person."""

    exit_code: int
    sentence: str
    remedy: str = ""
    version: int | None = None

    @property
    def mark(self) -> Mark:
        return "done" if self.exit_code == 0 else "note" if self.exit_code == 3 else "bad"


#: an upload is noticed within a second or two
_PATIENCE_SECONDS = 5.0
_STARTING = "waiting for the run to start (after the quiet period; with min_new_rows or a schedule, when they are met)"


@dataclass
class Story:
    """State of one watching."""

    model: str
    outcome: Outcome | None = None
    status: str = "looking"
    #: the ``tuning`` of the run that was followed, once it is over
    search: Json | None = None
    _uploads_told: set[tuple[str, str]] = field(default_factory=set)
    _told: set[tuple[str, str, str]] = field(default_factory=set)
    _run: str | None = None
    _percent_told: int = -1
    _trials_told: int = 0
    _cost_told: str = ""
    _way: Way = field(default_factory=Way)
    _hinted: bool = False

    def hint(self, seconds: float) -> list[Line]:
        """What to say, once, when nothing has come within ``seconds``: the name may be mistyped."""
        if self._hinted or not self._waits_for_file or seconds < _PATIENCE_SECONDS:
            return []
        self._hinted = True
        text = f"No file under data/{self.model}/ was noticed; still {self.status}. `sluice models` lists the models."
        return [Line("note", text)]

    @property
    def _waits_for_file(self) -> bool:
        return self.status == f"waiting for a file under data/{self.model}/"

    def observe(self, now: Snapshot) -> list[Line]:
        """The lines that are new. Sets ``outcome`` when it is over, and ``status`` to what goes on."""
        lines: list[Line] = []
        upload = newest_upload(now, self.model)
        if upload is None and not now.runs:
            self.status = f"waiting for a file under data/{self.model}/"
            return self._settings_problem(now, lines)
        if upload is not None:
            lines += self._tell_upload(upload)
            if self.outcome:
                return lines
            if upload.get("status") == "received":
                self.status = f"reading {upload.get('key')}"
                return lines
        run = following_run(now.runs, upload)
        if run is None:
            self.status = _STARTING
            return self._without_run(now, upload, lines)
        if run["run"] != self._run and run["status"] in ENDED and _another_is_coming(now, run):
            self.status = _STARTING  # what came of the last one is an old story
            return lines
        if run["run"] != self._run:
            self._run, self._percent_told, self._trials_told, self._cost_told = str(run["run"]), -1, 0, ""
        lines += self._tell_run(run, now.percent)
        way = (now.detail or {}).get("way_in")
        if way is not None and run["status"] == "deploying" and way["version"] == run.get("version"):
            lines += [Line("work", text) for text in self._way.observe(way)]
            self.status = self._way.status
        if run["status"] == "deploying" and sleeps(now.detail):  # nothing more happens until somebody wakes it
            self.outcome = when_awake(self.model, run.get("version"))
            lines.append(Line(self.outcome.mark, self.outcome.sentence))
        if run["status"] in ENDED and not _another_is_coming(now, run):
            self.outcome, self.search = outcome_of(run, self.model), run.get("tuning")
            lines.append(Line(self.outcome.mark, self.outcome.sentence))
        return lines

    def _tell_upload(self, upload: Json) -> list[Line]:
        key = (str(upload["upload"]), str(upload["status"]))
        if key in self._uploads_told:
            return []
        self._uploads_told.add(key)
        lines = [describe_upload(upload)]
        lines += [Line("note", str(note)) for note in upload.get("notes") or []]
        if upload["status"] == "rejected":
            error = upload.get("error") or {}
            self.outcome = Outcome(1, sentence_of(error) or "The upload was rejected.", str(error.get("remedy") or ""))
            lines.append(Line("bad", self.outcome.sentence))
        return lines

    def _settings_problem(self, now: Snapshot, lines: list[Line]) -> list[Line]:
        problem = (now.detail or {}).get("settings_problem")
        if problem:
            self.outcome = Outcome(1, f"model.yaml can't be used: {sentence_of(problem)}", remedy_of(problem))
            lines.append(Line("bad", self.outcome.sentence))
        return lines

    def _without_run(self, now: Snapshot, upload: Json | None, lines: list[Line]) -> list[Line]:
        """The upload is read and no run follows it yet: will one come?"""
        lines = self._settings_problem(now, lines)
        detail = now.detail or {}
        if self.outcome or detail.get("active_run"):
            return lines
        last = newest_run(now.runs)
        ignored = upload is not None and upload.get("status") in ("ignored", "withdrawn")
        if ignored and last is not None and last["status"] in ENDED:
            self.outcome = outcome_of(last, self.model)
            lines.append(Line(self.outcome.mark, self.outcome.sentence))
        elif detail.get("state") == "failed" and _after(detail.get("updated_at"), upload):
            self.outcome = Outcome(1, str(detail.get("message") or "The model failed."))
            lines.append(Line("bad", self.outcome.sentence))
        elif MORE_ROWS.lower() in str(detail.get("message")) and _after(detail.get("updated_at"), upload):
            # more rows have to come, which nobody waits for here
            version = detail.get("live_version")
            self.outcome = Outcome(0 if version else 3, str(detail["message"]), version=version)
            lines.append(Line(self.outcome.mark, self.outcome.sentence))
        elif detail.get("state") == "waiting" and "Waits for the script" in str(detail.get("message")):
            self.status = str(detail["message"])
        return lines

    def _tell_tuning(self, run: Json) -> list[Line]:
        """A line whenever jobs of the tuning job ended."""
        search = run.get("tuning")
        ended = sum(trial["status"] in ("Completed", "Failed", "Stopped") for trial in (search or {}).get("trials", []))
        if not search or ended <= self._trials_told:
            return []
        self._trials_told = ended
        lines = [Line("work", trials.progress(search))]
        if search["status"] != "InProgress" and search.get("stopped"):
            lines.append(Line("note", str(search["stopped"])))
        return lines

    def _tell_estimate(self, run: Json) -> list[Line]:
        text = trials.estimate_text(run.get("cost"))
        if text in ("", self._cost_told):
            return []
        self._cost_told = text
        return [Line("work", text)]

    def _tell_run(self, run: Json, percent: int | None) -> list[Line]:
        lines: list[Line] = []
        for entry in run.get("history") or []:
            key = (str(run["run"]), str(entry.get("status")), str(entry.get("at")))
            if key in self._told:
                continue
            self._told.add(key)
            if entry.get("status") == "evaluating":
                lines += self._tell_tuning(run)
            lines += describe_step(run, entry)
            if entry.get("status") in ("processing", "training"):
                lines += self._tell_estimate(run)
        status = str(run["status"])
        if status == "training":
            lines += self._tell_tuning(run)
        self.status = {
            "preparing": "preparing the data set",
            "processing": "preparing the data set in a processing job",
            "training": training_status(run, percent),
            "evaluating": "evaluating on the holdout",
            "registering": "registering",
            "deploying": "deploying",
        }.get(status, status)
        if status == "training" and percent is not None and percent // 20 > self._percent_told // 20:
            self._percent_told = percent
            lines.append(Line("work", f"training {percent} %"))
        return lines


def newest_upload(now: Snapshot, model: str) -> Json | None:
    """The newest of the model's uploads; files with this name that belong to no model count too."""
    stray = [item for item in now.unplaced if str(item.get("key", "")).startswith(f"data/{model}/")]
    uploads = [*now.uploads, *stray]
    return max(uploads, key=lambda item: _moment(item.get("received_at")), default=None)


def newest_run(runs: Sequence[Json]) -> Json | None:
    return max(runs, key=lambda item: _moment(item.get("created_at")), default=None)


def following_run(runs: Sequence[Json], upload: Json | None) -> Json | None:
    """The newest run, unless it was made before the upload came."""
    run = newest_run(runs)
    if run is None or upload is None or upload.get("status") in ("ignored", "withdrawn"):
        return run
    return run if _after(run.get("created_at"), upload) else None


def describe_upload(upload: Json) -> Line:
    name, status = upload.get("key"), upload["status"]
    if status == "accepted":
        accepted, rejected = int(upload.get("accepted_rows") or 0), int(upload.get("rejected_rows") or 0)
        text = f"upload accepted: {name}, {accepted:,} rows"
        if rejected:
            where = f" (why: {upload['report']})" if upload.get("report") else ""
            text += f"; {rejected:,} bad row{'s' if rejected != 1 else ''} set aside{where}"
        return Line("done", text)
    if status == "rejected":
        return Line("bad", f"upload rejected: {name}")
    if status in ("ignored", "withdrawn"):
        return Line("note", f"upload {status}: {name}")
    return Line("work", f"upload received: {name}")


def describe_step(run: Json, entry: Json) -> list[Line]:
    """One entry of a run's history as lines."""
    status, message = str(entry.get("status")), str(entry.get("message") or "")
    gates = str((run.get("verdict") or {}).get("reason") or "")
    reason = (reason_of(run) if status == "rejected" else gates) or message
    if status == "preparing":
        return [Line("work", "preparing the data set" + (f": {message}" if message else ""))]
    if status == "processing":
        return [Line("work", message or "preparing the data set in a processing job")]
    if status == "training":
        search = run.get("tuning")
        what = f"tuning {search['job']}: {search['strategy']}, up to {search['max_jobs']} jobs" if search else ""
        notes = [Line("note", str(note)) for note in run.get("notes") or []]  # which columns are not used, and why
        ready = Line("done", "data set ready" + rows_of(run))
        return [ready, *notes, Line("work", what or f"training {job_of(run)}".rstrip())]
    if status == "evaluating":
        trained = f"trained: the best is {job_of(run)}" if run.get("tuning") else "trained"
        return [Line("done", trained), Line("work", "evaluating: predicting the rows held out")]
    if status == "registering":
        return []  # the metrics come with the next step
    waited = any(line.get("status") == "awaiting_approval" for line in run.get("history") or [])
    if status == "deploying" and waited:  # what it is worth was told when it began to wait
        return [Line("done", message or "approved"), Line("work", "bringing the endpoint into service")]
    if status == "rejected" and waited:
        return [Line("bad", message or reason)]
    if status in ("deploying", "awaiting_approval", "rejected"):
        lines = [Line("done", f"evaluated: {metric_of(run) or 'no metric'}")]
        lines.append(Line("bad" if status == "rejected" else "done", f"{registered(run)}: {reason}"))
        if status == "deploying":
            lines.append(Line("work", "bringing the endpoint into service"))
        return lines
    if status == "live":
        return [Line("done", "endpoint in service")]
    if status == "in_experiment":
        return [Line("done", "not deployed yet: it is compared with the version that serves")]
    return [Line("bad" if status == "failed" else "note", message or status)]


def outcome_of(run: Json, model: str) -> Outcome:
    """How a run that is over ended."""
    status, version = run["status"], run.get("version")
    if status == "live":
        return Outcome(0, f"live: version {version}", version=version)
    if status == "in_experiment":
        remedy = f"`sluice experiment show {model} --watch` follows it."
        return Outcome(0, f"version {version} is compared with the one that serves", remedy, version)
    if status == "awaiting_approval":
        remedy = f"`sluice approve {model} {version}` approves it."
        return Outcome(3, f"version {version} waits for a person's approval", remedy, version)
    if status == "rejected":
        reason = reason_of(run) or "it did not pass the gate"
        return Outcome(1, f"rejected: {reason}", "What was live stays live; give more or better data.", version)
    error = run.get("error") or {}
    sentence = sentence_of(error) or "the run failed"
    return Outcome(1, f"failed: {sentence}", remedy_of(error) or "`sluice logs job` shows the job's log.")


def sleeps(detail: Json | None) -> bool:
    """Whether the model's endpoint is shut down, so that what is approved waits."""
    return (detail or {}).get("endpoint_state") == "asleep"


def when_awake(model: str, version: int | None) -> Outcome:
    """The end of watching a version that goes live with a sleeping endpoint."""
    sentence = f"version {version} goes live when the endpoint wakes"
    return Outcome(0, sentence, f"The next prediction wakes it, and so does `sluice wake {model}`.", version)


def reason_of(run: Json) -> str:
    """The gate's reason; of a run that it accepted and that was rejected later, what was said then."""
    verdict, history = run.get("verdict") or {}, run.get("history") or []
    if run.get("status") == "rejected" and verdict.get("accepted") and history and history[-1].get("message"):
        return str(history[-1]["message"])
    return str(verdict.get("reason") or "")


def sentence_of(error: Any) -> str:
    """An error of the API ({title, detail, remedy}, or only text) as one sentence."""
    if isinstance(error, Mapping):
        title, detail = str(error.get("title") or ""), str(error.get("detail") or "")
        return f"{title}: {detail}" if title and detail else title or detail
    return str(error or "")


def remedy_of(error: Any) -> str:
    return str(error.get("remedy") or "") if isinstance(error, Mapping) else ""


def metric_of(run: Json) -> str:
    """``auc 0.913 (95 %: 0.889 to 0.934)``, or nothing when the run has no metric yet."""
    name = run.get("metric")
    value = (run.get("metrics") or {}).get(name) if name else None
    if not isinstance(value, Mapping) or value.get("value") is None:
        return ""
    text = f"{name} {number(value['value'])}"
    if value.get("low") is not None and value.get("high") is not None:
        text += f" (95 %: {number(value['low'])} to {number(value['high'])})"
    return text


def number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def rows_of(run: Json) -> str:
    rows = run.get("rows") or {}
    parts = [f"{int(rows[name]):,} {name}" for name in ("train", "validation", "holdout") if rows.get(name) is not None]
    return f": {', '.join(parts)} rows" if parts else ""


def job_of(run: Json) -> str:
    return str(run.get("training_job") or "")


def training_status(run: Json, percent: int | None) -> str:
    if run.get("tuning"):
        return trials.progress(run["tuning"])
    return "training" if percent is None else f"training {percent} %"


def registered(run: Json) -> str:
    return f"registered as version {run['version']}" if run.get("version") else "registered"


def percent_done(lines: Sequence[str], rounds: int) -> int | None:
    """How far XGBoost is: from the last metric line ``[N]…`` of its log, of ``rounds`` (the job's num_round)."""
    for line in reversed(lines):
        match = _ROUND.match(line)
        if match and rounds > 0:
            return min(100, round(100 * (int(match[1]) + 1) / rounds))
    return None


def _another_is_coming(now: Snapshot, run: Json) -> bool:
    """One is under way, or asked for (model.yaml was saved, say) and in its quiet period."""
    detail = now.detail or {}
    active = detail.get("active_run")
    return bool(detail.get("asked")) if not active else active != run["run"]


def _after(moment: Any, upload: Json | None) -> bool:
    if upload is None:
        return True
    return _moment(moment) >= _moment(upload.get("received_at")) - _CLOCK_SLACK


def _moment(text: Any) -> float:
    """Seconds since 1970 of an ISO 8601 time; 0 when there is none."""
    if not text:
        return 0.0
    return datetime.fromisoformat(str(text)).timestamp()
