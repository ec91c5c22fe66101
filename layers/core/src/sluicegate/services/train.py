"""Something asks for a run: prepare the data set, start the training job."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sluicegate.domain import algorithms, names
from sluicegate.domain.dataset import Dataset, Wires, read_dataset_json
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.errors import NotFound, Refused, SettingsError, UserError
from sluicegate.domain.items import ErrorItem, ModelItem, RunItem, moment, stamp
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import METRICS, ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Jobs, Prices, Storage, TrainingSpec, Workspace
from sluicegate.services import code, datasets
from sluicegate.services.costs import Costs, Size
from sluicegate.services.launch import Launch, searching
from sluicegate.services.ledger import Ledger, Step, ended_as, move_run, refusal, tags
from sluicegate.services.notes import noted
from sluicegate.services.parts import fetch
from sluicegate.services.selection import Selection, select, waits_for

log = logging.getLogger(__name__)

#: a preparation that has not ended after this time was interrupted: no function runs longer
STALE = timedelta(minutes=15)
_VOLUME_GB = 30


class Start:
    """``look`` may be called again with the same message, any number of times."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        jobs: Jobs,
        workspace: Workspace,
        region: str,
        prefix: str,
        prices: Prices,
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._launch = Launch(ledger, jobs, Costs(ledger.registry, prices, region), region, prefix)
        self._workspace = workspace
        self._region = region
        self._prefix = prefix

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
            settings = parse_settings(item.get("settings") or "")
            accepted = [upload for upload in self._registry.uploads(model) if upload["status"] == "accepted"]
            selection = select(accepted, settings, now)
            waits = waits_for(self._registry, item, selection, settings, cause)
            if waits is not None:
                return self._rest(item, *waits, now)
            if (wanted := code.waits(item, algorithms.of(settings))) is not None:
                return code.wait(self._ledger, model, wanted, now)
            claimed = self._claim(item, settings, selection, message_id, now)
        if claimed is None:
            return self._rest(item, "nothing", "There is nothing new to train on.", now)
        try:
            self._prepare_and_train(claimed, parse_settings(claimed.get("settings") or ""), now)
        except (UserError, Refused) as error:
            self._ledger.fail_run(model, claimed["run"], now, refusal(error))
            return "failed"
        return claimed["run"]

    def _rest(self, seen: ModelItem, outcome: str, message: str, now: datetime) -> str:
        """``outcome``, with the model's state told as what it is when nothing starts: no longer "working"."""
        model = seen["model"]

        def plan(item: ModelItem) -> Step | None:
            answered = item.get("active_run") is None and item.get("asked") and item.get("asked") == seen.get("asked")
            fields = {"asked": None} if answered else {}
            idle = item.get("active_run") is None and item.get("live_version") is None
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
        self, seen: ModelItem, settings: ModelSettings, selection: Selection, message_id: str, now: datetime
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
                interrupted = self._interrupted(model, active, now)
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

    def _interrupted(self, model: str, active: str, now: datetime) -> Change | None:
        """The end of a preparation that nobody works on any more; None when the active run is alive."""
        found = self._registry.run(model, active)
        if found["status"] != "preparing" or not _stale(found, now):
            return None
        error = ErrorItem(
            title="Interrupted",
            detail="The preparation was interrupted and newer data has come since.",
            remedy="Nothing to do: a new run takes its place.",
        )
        return move_run(found, "failed", now, error["detail"], error=error, claim=None)

    def _run(self, model: str, run: str) -> RunItem | None:
        try:
            return self._registry.run(model, run)
        except NotFound:
            return None

    def _prepare_and_train(self, run: RunItem, settings: ModelSettings, now: datetime) -> None:
        model, dataset = run["model"], run["dataset_version"]
        document = datasets.read(self._storage, model, dataset)
        if document is None or not datasets.serves(document, self._champion(run)):
            with self._workspace.folder() as folder:
                document = self._prepare(run, settings, folder)
        problem = Problem.from_json(document["problem"])
        rows = {part: int(document["counts"].get(part, 0)) for part in ("train", "validation", "holdout")}
        width = len(document["feature_names"])
        _check_fit(settings, problem, rows, width)
        job = names.training_job(self._prefix, model, run["run"])
        root = self._storage.uri(f"datasets/{model}/{dataset}")
        algorithm, wire = algorithms.of(settings), Wires.from_json(document.get("wire")).train
        reads_validation = algorithm.reads_validation(problem)
        submitted, environment = code.submitted(self._storage, run, algorithm)
        spec = TrainingSpec(
            name=job,
            image=algorithm.image(self._region),
            hyperparameters={**algorithm.job_hyperparameters(settings, problem, rows, width, wire), **submitted},
            environment=environment,
            train_uri=f"{root}/train/",
            validation_uri=f"{root}/validation/" if rows["validation"] and reads_validation else None,
            output_uri=self._storage.uri(f"artifacts/{model}"),
            instance_type=settings.training.instance,
            instance_count=settings.training.count,
            volume_gb=_VOLUME_GB,
            max_runtime_seconds=duration_seconds(settings.training.max_runtime),
            spot=settings.training.spot,
            tags=tags(model, run["run"]),
            channels=algorithm.channels,
            content_types=algorithm.channel_types(wire),
            distributions=_distributions(algorithm, settings.training.count),
            longest_spot=algorithm.longest_spot,
        )
        size = Size(rows["train"], width, _rounds(spec.hyperparameters))
        started = self._launch.start(run, settings, problem, spec, size, now)
        metric = settings.metric_for(problem)

        def plan(item: ModelItem) -> Step | None:
            found = self._registry.run(model, run["run"])
            message = f"{rows['train']:,} rows to train on, {rows['holdout']:,} held out.{searching(found)}"
            moved = move_run(
                found,
                "training",
                now,
                message,
                rows=rows,
                notes=noted(document.get("notes") or []),
                problem=problem.kind,
                metric=metric,
                claim=None,
                **started,
            )
            if moved is None:
                return None  # the job has ended already, and whoever heard of it went on
            # while a version serves, callers send what that one asks for
            fields = {} if item.get("live_version") is not None else datasets.asked_for(document)
            return Step(f"Training run {run['run']}: {message}", fields, [moved])

        self._ledger.step(model, now, plan)

    def _champion(self, run: RunItem) -> datasets.Champion | None:
        version = run.get("champion")
        if version is None:
            return None
        return datasets.Champion(version, self._registry.version(run["model"], version)["dataset_version"])

    def _prepare(self, run: RunItem, settings: ModelSettings, folder: Path) -> dict[str, Any]:
        # DuckDB takes long to import: only where data are prepared
        from sluicegate.data.build import build_dataset, dataset_json

        model, dataset = run["model"], run["dataset_version"]
        champion = self._champion(run)
        serving: Dataset | None = None
        if champion is not None and champion.dataset != dataset:
            document = datasets.of_version(self._storage, model, champion.version, champion.dataset)
            serving = read_dataset_json(document)
        parts = fetch(self._storage, self._workspace, run, folder)
        workdir = folder / "dataset"
        workdir.mkdir()
        build = build_dataset(
            parts,
            settings=settings,
            champion=serving,
            workdir=workdir,
            memory_limit_mb=self._workspace.memory_limit_mb,
            known_target=(self._registry.model(model).get("columns") or {}).get("target"),
        )
        for part, files in build.files.items():
            for file in files:
                self._storage.upload(file, f"datasets/{model}/{dataset}/{part}/{file.name}")
        made: dict[str, Any] = dict(dataset_json(build, run["uploads"], dataset))
        # written last: where it is, the data set is whole
        return datasets.write(self._storage, model, dataset, made, champion)


def _check_fit(settings: ModelSettings, problem: Problem, rows: Mapping[str, int], width: int) -> None:
    """Where model.yaml leaves the problem to the data, only now is it clear what fits it."""
    found = []
    algorithm = algorithms.of(settings)
    if problem.kind not in algorithm.problems:
        solves = [name for name in algorithms.NAMES if problem.kind in algorithms.named(name).problems]
        found.append(
            f"algorithm.name: given {algorithm.name!r}, which solves {', '.join(algorithm.problems)}; "
            f"accepted for a {problem.kind} problem is {', '.join(solves)}"
        )
    metric = settings.metric_for(problem)
    if metric not in METRICS[problem.kind]:
        found.append(
            f"evaluation.metric: given {metric!r}; accepted for a {problem.kind} problem is "
            f"{', '.join(METRICS[problem.kind])}"
        )
    given = settings.algorithm.hyperparameters
    mistakes = algorithm.problem_mistakes(given, problem.kind) | algorithm.fit_mistakes(given, rows, width)
    for name, mistake in mistakes.items():
        said = f"given {given[name]!r}; " if name in given else ""
        found.append(f"algorithm.hyperparameters.{name}: {said}{mistake}")
    if found:
        raise SettingsError(
            "model.yaml doesn't fit the data",
            f"The data have {rows['train']:,} rows to train on and {width:,} features, and make it a {problem.kind} "
            "problem. " + "; ".join(found),
            "Correct model.yaml, or set problem if the data were taken for the wrong one.",
        )


def _distributions(algorithm: algorithms.Algorithm, count: int) -> tuple[str, str]:
    """How S3 hands out the channels: several instances share the rows to learn from, and all see those that are judged
    by. The data set has a file for each instance (``settings.preparation_fingerprint``)."""
    return ("ShardedByS3Key", "FullyReplicated") if count > 1 else algorithm.distributions


def _rounds(hyperparameters: Mapping[str, str]) -> int:
    """How often training goes over the rows, under the name that each algorithm has for it.

    >>> _rounds({"iterations": "1000"}), _rounds({"k": "3"})
    (1000, 1)
    """
    given = (hyperparameters.get(name, "") for name in ("num_round", "num_boost_round", "iterations", "epochs"))
    return next((int(rounds) for rounds in given if rounds.isdigit()), 1)


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
