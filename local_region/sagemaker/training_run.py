"""One training job from Starting to its end, on a thread of its own. Its processes: ``training_hosts``."""

from __future__ import annotations

import logging
import math
import re
import shutil
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from local_region.ports import Region
from local_region.sagemaker import archives, images, programs, sources
from local_region.sagemaker.events import publish
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import work_folder
from local_region.sagemaker.training_hosts import Host, Hosts, Spawn

log = logging.getLogger(__name__)
#: what SageMaker gives a container between SIGTERM and SIGKILL
GRACE_SECONDS = 120.0
_CLOCK_STEP = 0.25
_REASON_LENGTH = 1024
#: characters of a line in which metrics are looked for: an expression may take time by the square of them, or worse
_SEARCHED = 2048


class _Ended(Exception):
    """The job's end, other than Completed."""

    def __init__(self, status: str, secondary: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.secondary, self.message, self.reason = status, secondary, message, reason


def client_error(reason: str) -> _Ended:
    return _Ended("Failed", "Failed", "Training job failed", f"ClientError: {reason}")


class Watcher(Protocol):
    """Who follows a job: a tuning job its trials. Called on the job's own threads."""

    def measured(self, job: str, metric: str, value: float) -> None: ...  # as the container prints it
    def ended(self, job: str) -> None: ...  # the record says how


@dataclass(frozen=True)
class Siblings:
    """What the training jobs of a tuning job have together. ``beside``: how many run at a time; ``spawn``: how their
    processes start."""

    tuning_arn: str
    watcher: Watcher
    beside: int
    spawn: Spawn


class TrainingRun:
    """``stop`` is StopTrainingJob; ``abandon`` ends it without a word, because the region goes."""

    def __init__(self, region: Region, record: Record, siblings: Siblings | None = None) -> None:
        self._region, self._record, self._siblings = region, record, siblings
        self._watcher = siblings.watcher if siblings else None
        self._stopping, self._abandoned = threading.Event(), False
        self._hosts: Hosts | None = None
        self._metrics: dict[str, tuple[float, datetime]] = {}
        self._billed_from: float | None = None
        algorithm = record.request["AlgorithmSpecification"]
        container = images.container_of(algorithm["TrainingImage"])
        built_in = {each["Name"]: each["Regex"] for each in container.metrics} if container else {}
        self._patterns = {each["Name"]: each["Regex"] for each in algorithm["MetricDefinitions"]}
        self._built_in = [name for name, pattern in self._patterns.items() if built_in.get(name) == pattern]
        self._given = [name for name in self._patterns if built_in.get(name) != self._patterns[name]]
        self._thread = threading.Thread(target=self._run, name=f"training {record.name}", daemon=True)

    def start(self) -> None:
        self._enter("Starting", "Preparing the instances for training")
        self._thread.start()

    def stop(self) -> None:
        with self._record.lock:
            if self._stopping.is_set() or self._record.state["TrainingJobStatus"] != "InProgress":
                return
            self._stopping.set()
            self._record.state["TrainingJobStatus"] = "Stopping"
        self._enter("Stopping", "Stopping the training job")

    @property
    def alive(self) -> bool:
        """Whether it still has something to do or to say."""
        return self._thread.is_alive()

    def abandon(self) -> None:
        self._abandoned = True
        self._stopping.set()
        if self._hosts is not None:
            self._hosts.kill()
        self._thread.join(10.0)

    # -- states --------------------------------------------------------------------------------------------------

    def _enter(self, secondary: str, message: str, **state: Any) -> None:
        """The next SecondaryStatus: closes the transition before, opens one, tells EventBridge."""
        if self._abandoned:
            return
        now = self._region.clock.now()
        with self._record.lock:
            current = self._record.state
            transitions = current["SecondaryStatusTransitions"]
            if transitions and "EndTime" not in transitions[-1]:
                transitions[-1]["EndTime"] = now
            entry = {"Status": secondary, "StartTime": now, "StatusMessage": message}
            if secondary in ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
                entry["EndTime"] = now
            transitions.append(entry)
            current.update(SecondaryStatus=secondary, LastModifiedTime=now, **state)
            self._record.modified = now
        publish(self._region, "Training Job", self._record)

    def _finish(self, status: str, secondary: str, message: str, reason: str = "") -> None:
        now = self._region.clock.now()
        state: dict[str, Any] = {"TrainingJobStatus": status, "TrainingEndTime": now}
        if reason:
            state["FailureReason"] = reason[:_REASON_LENGTH]
        if self._billed_from is not None:
            seconds = max(1, math.ceil(time.monotonic() - self._billed_from))
            state.update(TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
        state["FinalMetricDataList"] = [
            {"MetricName": name, "Value": value, "Timestamp": at} for name, (value, at) in self._metrics.items()
        ]
        self._enter(secondary, message, **state)

    # -- the work ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        folder = work_folder(self._region, "training", self._record.name)
        try:
            self._work(folder)
        except _Ended as end:
            self._finish(end.status, end.secondary, end.message, end.reason)
        except sources.DataError as error:
            self._finish("Failed", "Failed", "Training job failed", f"ClientError: {error}")
        except Exception as error:
            log.exception("training job %s failed within the region", self._record.name)
            self._finish(
                "Failed", "Failed", "Training job failed", f"InternalServerError: {type(error).__name__}: {error}"
            )
        else:
            self._finish("Completed", "Completed", "Training job completed")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if self._watcher is not None and not self._abandoned:
                self._watcher.ended(self._record.name)

    def _work(self, folder: Path) -> None:
        request = self._record.request
        self._raise_if_stopped()
        self._billed_from = time.monotonic()
        with self._record.lock:
            self._record.state["TrainingStartTime"] = self._region.clock.now()
        self._enter("Downloading", "Downloading input data")
        together = (self._siblings.beside, self._siblings.spawn) if self._siblings else ()
        hosts = self._hosts = Hosts(self._region, self._record, folder, *together)
        channels = request.get("InputDataConfig") or []
        for channel in channels:
            hosts.download(channel, self._raise_if_stopped)
        hosts.configure(channels)
        self._enter("Training", "Training image download completed. Training in progress.")
        ended = self._train(hosts)
        self._enter("Uploading", "Uploading generated training model")
        self._upload(hosts, folder)
        if ended is not None:
            raise ended

    def _raise_if_stopped(self) -> None:
        if self._stopping.is_set():
            raise _Ended("Stopped", "Stopped", "Training job stopped")

    def _train(self, hosts: Hosts) -> _Ended | None:
        """None when it ended well, an end that keeps the model so far, or ``_Ended`` raised for a failure."""
        try:
            hosts.start(self._read_metrics, self._raise_if_stopped)
        except programs.CantRun as error:
            raise client_error(str(error)) from error
        early = self._await(hosts)
        hosts.join_logs()
        if early is not None:
            return early
        if (failed := hosts.failed()) is not None:
            raise _Ended("Failed", "Failed", "Training job failed", self._failure(failed))
        return None

    def _await(self, hosts: Hosts) -> _Ended | None:
        limit = self._record.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        deadline = time.monotonic() + limit  # the machine's time: a clock that is moved does no work
        while not hosts.wait(_CLOCK_STEP if not self._stopping.is_set() else 0.0):
            if self._stopping.is_set():
                hosts.terminate(GRACE_SECONDS)
                return _Ended("Stopped", "Stopped", "Training job stopped")
            if time.monotonic() >= deadline:
                hosts.terminate(GRACE_SECONDS)
                return _Ended(
                    "Stopped", "MaxRuntimeExceeded", f"Training job runtime exceeded MaxRuntimeInSeconds ({limit})"
                )
        return None

    def _failure(self, host: Host) -> str:
        """The container's own words from ``output/failure``, and the exit code, as SageMaker puts them together."""
        path, code = host.folder / "output/failure", (host.process.exit_code if host.process else 0) or 0
        if code < 0:
            return f"AlgorithmError: the training process was ended by signal {-code}, exit code: {128 - code}"
        text = path.read_text(errors="replace").strip() if path.exists() else "see the job's log"
        if not text.startswith(("ClientError:", "AlgorithmError:")):
            text = f"AlgorithmError: {text}"
        ending = f", exit code: {code}"
        return text[: _REASON_LENGTH - len(ending)] + ending

    def _upload(self, hosts: Hosts, folder: Path) -> None:
        request = self._record.request
        bucket, prefix = sources.split_uri(request["OutputDataConfig"]["S3OutputPath"])
        base = "/".join(part for part in (prefix.strip("/"), self._record.name, "output") if part)
        try:
            for kind, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
                source = hosts.gathered(kind)
                if not any(source.iterdir()):
                    continue
                archive = folder / name
                archives.pack(source, archive)
                self._region.objects.upload(archive, bucket, f"{base}/{name}")
                if name == "model.tar.gz":
                    with self._record.lock:
                        self._record.state["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://{bucket}/{base}/{name}"}
        except KeyError as error:
            raise client_error(f"Artifact upload failed:NoSuchBucket (404): {error.args[0]}") from error

    def _read_metrics(self, line: str) -> None:
        """The last value of each metric. A built-in's definitions are tried only on lines that can hold them, and
        XGBoost's only by the names on the line: its 70 expressions on every line would cost more than the training."""
        tried = list(self._given)
        if "#011" in line and line.startswith("["):
            named = [f"{data}:{metric}" for data, metric in re.findall(r"#011(train|validation)-([^:#]+):", line)]
            tried += [name for name in named if name in self._built_in]
        elif "_metric: host=" in line:
            tried += self._built_in
        for name in tried:
            found = re.search(self._patterns[name], line[:_SEARCHED])
            if found is None or not found.groups():
                continue
            try:
                value = float(found[1])
            except ValueError:
                log.debug("metric %s: %r is no number", name, found[1])
                continue
            if not math.isfinite(value):
                continue  # JSON knows no NaN, and nothing is better than it
            self._metrics[name] = (value, self._region.clock.now())
            if self._watcher is not None:
                self._watcher.measured(self._record.name, name, value)
