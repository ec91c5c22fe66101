"""Each model that serves, compared with its training once a period: what comes in, what goes out, how good it is.

The log of a period is read (a fair sample, where it is large), counted in the bins of training, and compared. The
report is named by the period, so a look that is made again writes the same one; only then the model says what was
found, and asks for a run where ``retrain.on`` has drift and there is data that no run has seen.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sluicegate.domain import drift, names
from sluicegate.domain.distribution import Distribution, of_profile
from sluicegate.domain.errors import NotFound, Refused, Transient, UserError
from sluicegate.domain.items import DriftItem, ModelItem, VersionItem, moment, stamp
from sluicegate.domain.measures import Estimate
from sluicegate.domain.observed import Observed, truth
from sluicegate.domain.schema import SUPERVISED, Problem, Schema
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Metrics, Storage
from sluicegate.report.drift_page import render
from sluicegate.services import datasets
from sluicegate.services.drift_log import MOST_FILES, PredictionLog, Read, hours, when
from sluicegate.services.ledger import Ledger, Step, shortened
from sluicegate.services.selection import select

log = logging.getLogger(__name__)

#: predictions of a period that are compared: the error of a share is at most .25 percentage points, 95 times in 100
MOST_ROWS = 150_000
MOST_LABELS = 100_000
#: a model's look takes less; with less than this left, the next delivery does the rest
LONGEST_LOOK = 420.0
_LARGEST_EVALUATION = 16 * 1024 * 1024
_MOST_REASONS = 5
_LONGEST_REASON = 300
#: what a report shows as bars; the rest is in numbers
_MOST_DRAWN = 300
_MOMENT = timedelta(seconds=1)


class Failed(Exception):
    """Some models could not be looked at; the others were."""


@dataclass
class _Found:
    """What a version has to be compared with, and what was read of it. ``why`` says what can't be, by part."""

    version: VersionItem
    problem: Problem
    trained: dict[str, Distribution]
    expected: Distribution | None
    observed: Observed
    why: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)


class WatchDrift:
    """``look`` may be called again for the same time, any number of times: what is done already is not done again."""

    def __init__(self, ledger: Ledger, storage: Storage, metrics: Metrics) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._metrics = metrics
        self._log = PredictionLog(storage)

    def look(self, now: datetime, seconds_left: Callable[[], float] = lambda: LONGEST_LOOK) -> dict[str, bool]:
        """Whether each model that is watched has drifted, by its newest look. Raises ``Failed`` when all that could be
        looked at were, and some couldn't."""
        state: dict[str, bool] = {}
        failed: dict[str, str] = {}
        for item in sorted(self._serving(), key=lambda found: _last(found)):
            model = item["model"]
            try:
                settings = parse_settings(item.get("settings") or "")
                if not settings.drift.watch:
                    continue
                since, until = settings.drift.period(now)
                if _last(item) < stamp(until) and self._served(item, until):
                    if seconds_left() < LONGEST_LOOK:
                        log.warning("no time left for %s: the next look begins with it", model)
                    else:
                        item = self._compare(item, settings, since, until, now)
                found = item.get("drift")
                if found is not None:  # of a version that serves no more it says nothing
                    state[model] = found["drifted"] and found["version"] == item.get("live_version")
            except (NotFound, Refused, Transient, UserError, ValueError, KeyError) as error:
                # one that can't be looked at keeps nobody else from it; in the end it is told
                log.exception("%s could not be compared", model)
                failed[model] = f"{type(error).__name__}: {error}"
        self._metrics.drifted(state, now)
        if failed:
            raise Failed("; ".join(f"{model}: {why[:300]}" for model, why in failed.items()))
        return state

    def _serving(self) -> list[ModelItem]:
        lines = [line for line in self._registry.models() if line.get("live_version") is not None]
        return [self._registry.model(line["model"]) for line in lines]

    def _served(self, item: ModelItem, until: datetime) -> bool:
        """Whether the live version was live in a period that ended then: of one before it there is nothing to say."""
        begun = self._registry.version(item["model"], int(item["live_version"] or 0)).get("live_since")
        return begun is None or begun < stamp(until)

    def _compare(
        self, item: ModelItem, settings: ModelSettings, since: datetime, until: datetime, now: datetime
    ) -> ModelItem:
        model = item["model"]
        found = self._read(item, settings, since, until)
        quality, unmeasured = self._quality(found, settings)
        if unmeasured:
            found.why["quality"] = unmeasured
        said = found.observed.predicted
        pair = None if found.expected is None or said is None else (found.expected, said)
        compared = drift.compare(
            found.trained,
            found.observed.seen,
            prediction=pair,
            quality=quality,
            thresholds=settings.drift.thresholds,
        )
        report = self._report(item, found, compared, settings, since, until)
        key = report_key(model, until)
        content = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        self._storage.write(key.removesuffix("html") + "json", content, "application/json")
        self._storage.write(key, render(report).encode(), "text/html; charset=utf-8")
        noted = DriftItem(
            version=found.version["version"],
            at=stamp(now),
            since=stamp(since),
            until=stamp(until),
            rows=found.observed.rows,
            compared=bool(compared.columns) or compared.prediction is not None or quality is not None,
            drifted=compared.drifted,
            reasons=[shortened(reason, _LONGEST_REASON) for reason in compared.reasons[:_MOST_REASONS]],
            report=key,
            retrain=None,
        )
        return self._note(model, noted, settings, now)

    def _read(self, item: ModelItem, settings: ModelSettings, since: datetime, until: datetime) -> _Found:
        """Counts the period's predictions of the live version, and joins the period's labels with the predictions that
        they are for, whenever those were made."""
        model, live = item["model"], item.get("live_version")
        if live is None:
            raise ValueError("no version serves")
        version = self._registry.version(model, live)
        document = datasets.of_version(self._storage, model, live, version["dataset_version"])
        problem = Problem.from_json(datasets.problem_of(document, version))
        schema = Schema.from_json(document["schema"])
        why: dict[str, str] = {}
        left_out = set(settings.drift.exclude)
        profiled = of_profile(document.get("profile") or {}, schema.names)
        trained = {name: found for name, found in profiled.items() if name not in left_out}
        expected = self._expected(version, why)
        feedback = Read()
        labels, told = self._labels(model, problem, since, until, feedback)
        observed = Observed(
            schema.columns, trained, expected, problem, {name: value for name, (value, _) in labels.items()}
        )
        period = hours(since, until)
        begun = version.get("live_since")
        joined = {hour for _, at in labels.values() if at is not None for hour in hours(at, at + _MOMENT)} - set(period)
        if begun:  # before it served it predicted nothing
            joined = {hour for hour in joined if hour >= hours(moment(begun), moment(begun) + _MOMENT)[0]}
        read, late = Read(), Read()
        keys = self._log.predictions(model, period)
        read.of_files = len(keys)
        for line in self._log.lines(keys[:MOST_FILES], read):
            at = when(line)
            if line.get("version") != live or line.get("error") or at is None or not since <= at < until:
                continue
            observed.count(line)
            if observed.rows >= MOST_ROWS:
                break
        keys = self._log.predictions(model, joined)
        late.of_files = len(keys)
        for line in self._log.lines(keys[: MOST_FILES - min(MOST_FILES, read.files)], late):
            if line.get("version") == live:
                observed.join(line)
        if observed.rows and observed.without_record == observed.rows:
            why["*"] = "the log has no records (prediction_log.records in model.yaml)"
        facts = {"log": read.to_json(), "log_of_labels": late.to_json(), "feedback": feedback.to_json(), **told}
        return _Found(version, problem, trained, expected, observed, why, facts)

    def _expected(self, version: VersionItem, why: dict[str, str]) -> Distribution | None:
        """How the evaluation's predictions were spread."""
        page = version.get("report")
        if not page:
            why["prediction"] = "the version has no evaluation report to compare with"
            return None
        key = str(page).rsplit(".", 1)[0] + ".json"
        try:
            content = self._storage.read(key, _LARGEST_EVALUATION)
        except NotFound:
            why["prediction"] = f"the evaluation's report {key} is gone"
            return None
        if len(content) > _LARGEST_EVALUATION:
            why["prediction"] = f"the evaluation's report {key} is larger than {_LARGEST_EVALUATION >> 20} MB"
            return None
        found = json.loads(content).get("prediction_distribution")
        if not found:
            why["prediction"] = "the evaluation's report doesn't say how its predictions were spread"
            return None
        return Distribution.from_json(found)

    def _labels(
        self, model: str, problem: Problem, since: datetime, until: datetime, read: Read
    ) -> tuple[dict[str, tuple[float, datetime | None]], dict[str, int]]:
        """By inference id: the label, and when the prediction was made. And how much feedback was of no use here."""
        found: dict[str, tuple[float, datetime | None]] = {}
        rewards = unknown = 0
        if problem.kind not in SUPERVISED:
            return found, {"labels": 0, "rewards": 0, "unknown_labels": 0}
        keys = self._log.feedback(model, since, until)
        read.of_files = len(keys)
        for line in self._log.lines(keys[:MOST_FILES], read):
            at = when(line)
            if at is None or not since <= at < until or not isinstance(line.get("inference_id"), str):
                continue
            if "label" not in line:
                rewards += 1
                continue
            label = truth(problem, line["label"])
            if label is None:
                unknown += 1
                continue
            found[line["inference_id"]] = (label, when(line, "predicted_at"))
            if len(found) >= MOST_LABELS:
                break
        return found, {"labels": len(found), "rewards": rewards, "unknown_labels": unknown}

    def _quality(self, found: _Found, settings: ModelSettings) -> tuple[drift.QualityDrift | None, str]:
        """The metric that the version was judged by, over the labels; or why not."""
        problem, observed, version = found.problem, found.observed, found.version
        count, least = len(observed.truth), settings.drift.minimum_outcomes
        if problem.kind not in SUPERVISED:
            return None, f"of a {problem.kind} problem there are no labels"
        if count < least:
            rewards = found.facts["rewards"]
            also = f" (and {rewards:,} rewards, which say nothing of the metric)" if rewards else ""
            return None, f"{count:,} labels of this version's predictions{also}; {least:,} are needed"
        metric = self._registry.run(version["model"], version["run"]).get("metric") or settings.metric_for(problem)
        expected = (version.get("metrics") or {}).get(metric)
        if expected is None:
            return None, f"the evaluation has no {metric}"
        # numpy takes long to import: only where something is measured
        import numpy as np

        from sluicegate.domain.metrics import evaluate

        measured = evaluate(
            problem, np.array(observed.truth), np.array(observed.scores), seed=f"drift {version['dataset_version']}"
        )
        if metric not in measured:
            return None, f"{metric} can't be computed over these {count:,} labels (they may be of one class only)"
        tolerance = settings.evaluation.tolerance
        return drift.quality(metric, Estimate.from_json(expected), measured[metric], count, tolerance), ""

    def _report(
        self,
        item: ModelItem,
        found: _Found,
        compared: drift.DriftReport,
        settings: ModelSettings,
        since: datetime,
        until: datetime,
    ) -> dict[str, Any]:
        whole = compared.to_json()
        seen = found.observed.seen
        for column in whole["columns"][:_MOST_DRAWN]:
            name = column["name"]
            column["distribution"] = {"trained": found.trained[name].to_json(), "seen": seen[name].to_json()}
        if whole["prediction"] and found.expected and found.observed.predicted:
            pair = {"trained": found.expected.to_json(), "seen": found.observed.predicted.to_json()}
            whole["prediction"]["distribution"] = pair
        return {
            "format": 1,
            "model": item["model"],
            "version": found.version["version"],
            "run": found.version["run"],
            "dataset_version": found.version["dataset_version"],
            "problem": found.problem.kind,
            "since": stamp(since),
            "until": stamp(until),
            "settings": settings.drift.model_dump(mode="json"),
            **whole,
            "rows": found.observed.rows,
            "not_compared": {**whole["not_compared"], **found.why},
            "read": {
                **found.facts,
                "joined": len(found.observed.truth),
                "without_record": found.observed.without_record,
            },
        }

    def _note(self, model: str, noted: DriftItem, settings: ModelSettings, now: datetime) -> ModelItem:
        """The line on the model, and in the same write the wish for a run. ``wake_models`` sends it on, and again until
        a run takes it up."""

        def plan(item: ModelItem) -> Step | None:
            before = item.get("drift")
            if before is not None and before["until"] >= noted["until"]:
                return None  # another delivery was first
            fields: dict[str, Any] = {"drift": noted}
            if noted["drifted"] and settings.retrain.by_drift:
                asks, said = self._asks(item, settings, now)
                fields["drift"] = DriftItem(**{**noted, "retrain": said})
                if asks:
                    fields["asked"] = f"drift:{noted['until']}"
            return Step(item.get("message") or "", fields)

        return self._ledger.step(model, now, plan) or self._registry.model(model)

    def _asks(self, item: ModelItem, settings: ModelSettings, now: datetime) -> tuple[bool, str]:
        """Whether to ask for a run: only when it would learn something else than the last one."""
        if item.get("asked"):
            return False, "a run is asked for already"
        accepted = [found for found in self._registry.uploads(item["model"]) if found["status"] == "accepted"]
        selection = select(accepted, settings, now)
        last = item.get("last_run")
        dataset = names.dataset_version(selection.identity, settings.preparation_fingerprint())
        if not selection.uploads or (last and self._registry.run(item["model"], last)["dataset_version"] == dataset):
            return False, "waits for data that no run has seen: send what the model should learn now"
        return True, "a run was asked for"


def report_key(model: str, until: datetime, name: str = "report.html") -> str:
    """
    >>> from datetime import UTC
    >>> report_key("churn", datetime(2026, 1, 2, 3, tzinfo=UTC))
    'drift/churn/2026-01-02T0300Z/report.html'
    """
    return f"drift/{model}/{until:%Y-%m-%dT%H%MZ}/{name}"


def _last(item: Mapping[str, Any]) -> str:
    """Until when the model was looked at; "" before the first look."""
    return str((item.get("drift") or {}).get("until") or "")
