"""One hyperparameter tuning job from its creation to its end, on a thread of its own; its trials are training jobs.

Early stopping (Auto) is the median rule of
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html; every value of the objective
that a trial prints counts as one epoch, for that and for Hyperband.
"""

from __future__ import annotations

import logging
import secrets
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_region.ports import Json, Region
from local_region.sagemaker import tuning_checks
from local_region.sagemaker.events import publish
from local_region.sagemaker.records import Record
from local_region.sagemaker.shared_channels import SharedChannels
from local_region.sagemaker.training import TrainingJobs
from local_region.sagemaker.training_run import Siblings, TrainingRun
from local_region.sagemaker.tuning_search import Earlier, Search

log = logging.getLogger(__name__)
#: SageMaker gives up when this many trials have failed and none has succeeded
HOPELESS = 5
_TICK = 0.5
_OVER = ("Completed", "Failed", "Stopped")


@dataclass(eq=False)
class Trial:
    """A training job of the tuning job. ``epochs`` are the objective's values so far."""

    number: int
    values: dict[str, str]
    record: Record
    run: TrainingRun
    epochs: list[float] = field(default_factory=list)
    given_up: bool = False  # by the tuner
    over: bool = False

    @property
    def status(self) -> str:
        return str(self.record.state["TrainingJobStatus"])

    @property
    def objective(self) -> float | None:
        """What counts: the last value, unless the job failed."""
        return self.epochs[-1] if self.epochs and self.status != "Failed" else None

    @property
    def averages(self) -> list[float]:
        """The running average after each epoch."""
        total, found = 0.0, []
        for count, value in enumerate(self.epochs, 1):
            total += value
            found.append(total / count)
        return found


class TuningRun:
    """``stop`` is StopHyperParameterTuningJob; ``abandon`` ends it without a word, because the region goes."""

    def __init__(self, region: Region, record: Record, jobs: TrainingJobs, earlier: Sequence[Earlier]) -> None:
        self._region, self._record, self._jobs = region, record, jobs
        config = record.request["HyperParameterTuningJobConfig"]
        self._definition: Json = record.request["TrainingJobDefinition"]
        limits = config["ResourceLimits"]
        objective = config["HyperParameterTuningJobObjective"]
        self.metric, self.direction = str(objective["MetricName"]), str(objective["Type"])
        self._maximize = self.direction == "Maximize"
        ranges = tuning_checks.ranges_of(config)
        self._most = int(limits.get("MaxNumberOfTrainingJobs") or tuning_checks.combinations(ranges))
        self._parallel = int(limits["MaxParallelTrainingJobs"])
        self._limit = limits.get("MaxRuntimeInSeconds")
        self._criteria = config.get("TuningJobCompletionCriteria") or {}
        self._median_rule = config.get("TrainingJobEarlyStoppingType") == "Auto"
        self._resources = tuning_checks.resources_of(config, self._definition)
        seed, strategy = config.get("RandomSeed"), config["Strategy"]
        # made on the job's own thread: Optuna takes a while to import
        self._make_search: Callable[[], Search] = lambda: Search(
            strategy, ranges, self._maximize, self._most, seed, self._resources, earlier
        )
        self._search: Search | None = None
        shared = tuning_checks.training_request(record.name, self._definition, {}, {})
        self._channels = SharedChannels(region, record.name, shared, self._parallel)
        self._siblings = Siblings(record.arn, self, self._parallel, self._channels.spawn)
        self.trials: dict[str, Trial] = {}
        self._changed = threading.Condition(threading.RLock())
        self._stopping, self._abandoned, self._exhausted = False, False, False
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"tuning {record.name}", daemon=True)

    def start(self) -> None:
        publish(self._region, "HyperParameter Tuning Job", self._record)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            if self._stopping or self._record.state["HyperParameterTuningJobStatus"] != "InProgress":
                return
            self._stopping = True
            self._set("Stopping")
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        """Whether it still has something to do or to say."""
        return self._thread.is_alive()

    def abandon(self) -> None:
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        self._thread.join(5.0)

    # -- what the trials say (training_run.Watcher) ----------------------------------------------------------------

    def measured(self, job: str, metric: str, value: float) -> None:
        if metric != self.metric:
            return
        with self._changed:
            trial = self.trials.get(job)
            if trial is None:
                return
            trial.epochs.append(value)
            if not trial.given_up and self._give_up(trial):
                trial.given_up = True
                trial.run.stop()

    def ended(self, job: str) -> None:
        with self._changed:
            trial = self.trials[job]
            trial.over = True
            if self._search is not None:
                self._search.tell(trial.number, trial.objective, trial.given_up and trial.status == "Stopped")
            self._count()
            self._changed.notify_all()

    def _give_up(self, trial: Trial) -> bool:
        epoch, value = len(trial.epochs), trial.epochs[-1]
        if self._resources is not None and self._search is not None:
            low, high = self._resources
            # a job that makes exactly the largest number of epochs has no more to do: it ends by itself
            return (self._search.report(trial.number, epoch, value) and epoch >= low) or epoch > high
        if not self._median_rule:
            return False
        others = [
            averages[epoch - 1]
            for other in self.trials.values()
            if other.over and other.objective is not None and len(averages := other.averages) >= epoch
        ]
        if not others:
            return False
        median = statistics.median(others)
        return value < median if self._maximize else value > median

    # -- states ------------------------------------------------------------------------------------------------------

    def _set(self, status: str, **state: Any) -> None:
        if self._abandoned:
            return
        now = self._region.clock.now()
        with self._record.lock:
            self._record.state.update(HyperParameterTuningJobStatus=status, LastModifiedTime=now, **state)
            self._record.modified = now
        publish(self._region, "HyperParameter Tuning Job", self._record)

    def _count(self) -> None:
        """Counters, the best job, and how long nothing has got better."""
        jobs = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
        objectives = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
        for trial in self.trials.values():
            name = {"Failed": "NonRetryableError", "Stopping": "InProgress"}.get(trial.status, trial.status)
            jobs[name] += 1
            objectives[objective_status(trial)] += 1
        best = self.best()
        now = self._region.clock.now()
        details = {"NumberOfTrainingJobsObjectiveNotImproving": self._since_best(best)}
        with self._record.lock:
            state = self._record.state
            state.update(
                TrainingJobStatusCounters=jobs,
                ObjectiveStatusCounters=objectives,
                LastModifiedTime=now,
                TuningJobCompletionDetails=details,
                ConsumedResources={"RuntimeInSeconds": int(time.monotonic() - self._began)},
            )
            if best is not None:
                state["BestTrainingJob"] = self.summary(best)
            self._record.modified = now

    def _since_best(self, best: Trial | None) -> int:
        ended = [trial for trial in self.trials.values() if trial.over and trial.objective is not None]
        return sum(1 for trial in ended if best is not None and trial.number > best.number)

    def best(self) -> Trial | None:
        """The best of the jobs that completed; the first of equals."""
        found: Trial | None = None
        for trial in self.trials.values():
            value = trial.objective
            if not trial.over or trial.status != "Completed" or value is None:
                continue
            leading = found.objective if found is not None else None
            if leading is None or (value > leading if self._maximize else value < leading):
                found = trial
        return found

    def summary(self, trial: Trial) -> Json:
        """A HyperParameterTrainingJobSummary, without TuningJobName."""
        with trial.record.lock:
            state = trial.record.state
            keys = ("TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime", "TrainingJobStatus",
                    "FailureReason")  # fmt: skip
            found: Json = {"TrainingJobName": trial.record.name, **{key: state[key] for key in keys if key in state}}
        found["TunedHyperParameters"] = dict(trial.values)
        found["ObjectiveStatus"] = objective_status(trial)
        if trial.over and trial.objective is not None:
            found["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "MetricName": self.metric,
                "Type": self.direction,
                "Value": trial.objective,
            }
        return found

    def earlier(self) -> list[Earlier]:
        """What a warm start learns from this job."""
        return [
            Earlier(trial.values, trial.objective)
            for trial in list(self.trials.values())
            if trial.over and trial.objective is not None
        ]

    # -- the work ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        status, reason = "Completed", ""
        self._channels.start()
        try:
            with self._changed:
                self._search = self._make_search()
                reason = self._work()
                if reason:
                    status = "Failed"
                elif self._stopping:
                    status = "Stopped"
        except Exception as error:
            log.exception("tuning job %s failed within the region", self._record.name)
            status, reason = "Failed", f"InternalServerError: {type(error).__name__}: {error}"
            self._stop_trials()
        finally:
            self._channels.close()
        with self._changed:
            self._count()
            state: Json = {"HyperParameterTuningEndTime": self._region.clock.now()}
            if reason:
                state["FailureReason"] = reason[:1024]
            self._set(status, **state)

    def _stop_trials(self) -> None:
        """Stop what still runs and wait for its end: nobody would look after it."""
        with self._changed:
            while running := [trial for trial in self.trials.values() if not trial.over]:
                for trial in running:
                    if not trial.given_up:
                        trial.given_up = True
                        trial.run.stop()
                if self._abandoned:
                    return
                self._changed.wait(_TICK)

    def _work(self) -> str:
        """Why it failed, or "". Holds the lock but while it waits."""
        while not self._abandoned:
            running = [trial for trial in self.trials.values() if not trial.over]
            reason = self._hopeless()
            ending = bool(reason) or self._stopping or self._satisfied()
            if ending or self._timed_out():
                for trial in running:
                    if not trial.given_up:
                        trial.given_up = True
                        trial.run.stop()
            elif len(running) < self._parallel and len(self.trials) < self._most and not self._exhausted:
                self._launch()
                continue
            if not running:
                return reason
            self._changed.wait(_TICK)
        return ""

    def _launch(self) -> None:
        search = self._search
        asked = search.ask() if search is not None else None
        if asked is None:
            self._exhausted = True
            return
        number, values = asked
        name = f"{self._record.name}-{len(self.trials) + 1:03d}-{secrets.token_hex(4)}"
        request = tuning_checks.training_request(name, self._definition, values, self._record.tags)
        record, run = self._jobs.prepare(request, self._siblings)
        trial = self.trials[name] = Trial(number, values, record, run)
        try:
            self._count()
            run.start()
        except BaseException:
            trial.over = not run.alive  # one that never began has no end to wait for
            raise

    def _hopeless(self) -> str:
        ended = [trial for trial in self.trials.values() if trial.over]
        failed = [trial for trial in ended if trial.objective is None]
        if len(ended) > len(failed) or len(failed) < min(HOPELESS, self._most) or self._stopping:
            return ""
        if all(trial.status == "Completed" for trial in failed):
            return (
                f"No objective metrics found after running {len(failed)} training jobs. Please ensure that the custom "
                "algorithm is emitting the objective metric as defined by the regular expression provided."
            )
        return (
            f"No training job succeeded after {len(failed)} attempts. For additional details, please take a look at "
            "the training job failures by listing training jobs for the hyperparameter tuning job."
        )

    def _satisfied(self) -> bool:
        """Whether a completion criterion of the request is met."""
        best = self.best()
        if best is None or best.objective is None:
            return False
        target = self._criteria.get("TargetObjectiveMetricValue")
        if target is not None and (best.objective >= target if self._maximize else best.objective <= target):
            return True
        patience = (self._criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving")
        return patience is not None and self._since_best(best) >= patience

    def _timed_out(self) -> bool:
        if self._limit is None:
            return False
        return bool(
            time.monotonic() >= self._began + self._limit
        )  # the machine's time: a clock that is moved does no work


def objective_status(trial: Trial) -> str:
    if not trial.over:
        return "Pending"
    return "Succeeded" if trial.objective is not None else "Failed"


def overall_best(maximize: bool, summaries: Sequence[Json]) -> Json | None:
    """Of the best jobs of a tuning job and its parents."""

    def value(summary: Json) -> float:
        return float(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])

    return (max if maximize else min)(summaries, key=value, default=None)
