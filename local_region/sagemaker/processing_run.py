"""One processing job from its inputs to its outputs, on a thread of its own.

Folders, config files and the exit message are SageMaker's contract: "How Amazon SageMaker Processing Configures Input
and Output For Your Processing Container", Amazon SageMaker Developer Guide. A process has no ``/opt/ml`` of its own:
the job's folder stands for it in the entry point, the arguments and the environment, and is in ``SLUICE_OPT_ML``.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from local_region.ports import Process, ProcessSpec, Region
from local_region.sagemaker import sources
from local_region.sagemaker.events import publish
from local_region.sagemaker.output import LogLines
from local_region.sagemaker.programs import LAUNCH
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import work_folder

log = logging.getLogger(__name__)
GROUP = "/aws/sagemaker/ProcessingJobs"
ROOT = "/opt/ml/processing"
_OPT_ML = "/opt/ml"
_GRACE_SECONDS = 120.0
_STEP = 0.25
_REASON_LENGTH = 1024
_PASSED = ("HOME", "LANG", "LC_ALL", "TMPDIR")
#: of the request, what the job finds in config/processingjobconfig.json
_CONFIGURED = (
    *("ProcessingJobArn", "ProcessingJobName", "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources"),
    *("AppSpecification", "Environment", "RoleArn", "StoppingCondition"),
)


class _Ended(Exception):
    """The job's end, other than Completed."""

    def __init__(self, status: str, reason: str = "") -> None:
        super().__init__(reason or status)
        self.status, self.reason = status, reason


class ProcessingRun:
    """``stop`` is StopProcessingJob; ``abandon`` ends it without a word, because the region goes."""

    def __init__(self, region: Region, record: Record) -> None:
        self._region, self._record = region, record
        self._stopping, self._abandoned = threading.Event(), False
        self._process: Process | None = None
        self._thread = threading.Thread(target=self._run, name=f"processing {record.name}", daemon=True)

    def start(self) -> None:
        publish(self._region, "Processing Job", self._record)
        self._thread.start()

    def stop(self) -> None:
        with self._record.lock:
            if self._stopping.is_set() or self._record.state["ProcessingJobStatus"] != "InProgress":
                return
            self._stopping.set()
            # under the same lock as the look: the job's end must not be overwritten
            self._record.state["ProcessingJobStatus"] = "Stopping"
        self._enter()

    @property
    def alive(self) -> bool:
        """Whether it still has something to do or to say."""
        return self._thread.is_alive()

    def abandon(self) -> None:
        self._abandoned = True
        self._stopping.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join(10.0)

    def _enter(self, **state: Any) -> None:
        if self._abandoned:
            return
        now = self._region.clock.now()
        with self._record.lock:
            self._record.state.update(LastModifiedTime=now, **state)
            self._record.modified = now
        publish(self._region, "Processing Job", self._record)

    def _run(self) -> None:
        folder = work_folder(self._region, "processing", self._record.name)
        status, reason = "Completed", ""
        try:
            self._work(folder)
        except _Ended as end:
            status, reason = end.status, end.reason
        except sources.DataError as error:
            status, reason = "Failed", f"ClientError: {error}"
        except Exception as error:
            log.exception("processing job %s failed within the region", self._record.name)
            status, reason = "Failed", f"InternalServerError: {type(error).__name__}: {error}"
        state: dict[str, Any] = {"ProcessingJobStatus": status, "ProcessingEndTime": self._region.clock.now()}
        message = folder / "output/message"
        if message.is_file():
            state["ExitMessage"] = message.read_text(errors="replace").strip()[:_REASON_LENGTH]
        if reason:
            state["FailureReason"] = reason[:_REASON_LENGTH]
        shutil.rmtree(folder, ignore_errors=True)
        self._enter(**state)

    def _work(self, folder: Path) -> None:
        request = self._record.request
        for given in request.get("ProcessingInputs") or []:
            self._raise_if_stopped()
            self._download(given["S3Input"], _inside(folder, given["S3Input"]["LocalPath"]))
        outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        for given in outputs:
            _inside(folder, given["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
        self._configure(folder)
        with self._record.lock:
            self._record.state["ProcessingStartTime"] = self._region.clock.now()
        self._enter()
        early = self._process_data(folder)
        if early is not None and early.status == "Failed":
            raise early
        # a job that was stopped, or ran out of time, gives what it has so far
        for given in outputs:
            self._upload(_inside(folder, given["S3Output"]["LocalPath"]), given["S3Output"]["S3Uri"])
        if early is not None:
            raise early

    def _raise_if_stopped(self) -> None:
        if self._stopping.is_set():
            raise _Ended("Stopped")

    def _download(self, source: dict[str, Any], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        gzipped = source.get("S3CompressionType", "None") == "Gzip"
        found = {"S3Uri": source["S3Uri"], "S3DataType": source.get("S3DataType", "S3Prefix")}
        for item in sources.objects_of(self._region.objects, found):
            self._raise_if_stopped()
            sources.download(self._region.objects, item, folder, gzipped)

    def _configure(self, folder: Path) -> None:
        config = folder / "config"
        config.mkdir()
        (folder / "output").mkdir(exist_ok=True)
        described = self._record.view("DescribeProcessingJob")
        job = {name: described[name] for name in _CONFIGURED if name in described}
        (config / "processingjobconfig.json").write_text(json.dumps(job))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))

    def _command(self, folder: Path) -> list[str]:
        application = self._record.request["AppSpecification"]
        words = [*application["ContainerEntrypoint"], *(application.get("ContainerArguments") or [])]
        words = [_moved(word, folder) for word in words]
        if words[0] in ("python", "python3"):
            words[0] = sys.executable  # the images have one; here it is the region's own, with what is installed there
        elif "/" not in words[0]:
            words[0] = shutil.which(words[0]) or words[0]
        return words

    def _environment(self, folder: Path) -> dict[str, str]:
        config = self._region.config
        keys = self._region.identities.credentials_for(self._record.request["RoleArn"])
        kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
        given = self._record.request.get("Environment") or {}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "SLUICE_OPT_ML": str(folder),
            "AWS_REGION": config.region_name,
            "AWS_DEFAULT_REGION": config.region_name,
            "AWS_ENDPOINT_URL": config.endpoint,
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_SESSION_TOKEN": keys.session_token,
            **{name: _moved(value, folder) for name, value in given.items()},
        }

    def _process_data(self, folder: Path) -> _Ended | None:
        """None when it ended well; how it ended otherwise."""
        spec = ProcessSpec(LAUNCH, self._command(folder), self._environment(folder), folder, "xgboost")
        process = self._process = self._region.processes.spawn(spec)
        stream = f"{self._record.name}/algo-1-{int(self._region.clock.now().timestamp())}"
        output = LogLines(self._region, process, GROUP, stream)
        limit = self._record.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        deadline = time.monotonic() + limit  # the machine's time: a clock that is moved does no work
        early: _Ended | None = None
        while process.wait(0.0 if self._stopping.is_set() else _STEP) is None:
            if self._stopping.is_set():
                early = _Ended("Stopped")
            elif time.monotonic() >= deadline:
                early = _Ended("Stopped", f"ClientError: the job ran longer than MaxRuntimeInSeconds ({limit})")
            if early is not None:
                process.terminate(_GRACE_SECONDS)
        output.join()
        if early is None and process.exit_code:
            code = process.exit_code
            status = f"exit code: {code}" if code > 0 else f"signal {-code}, exit code: {128 - code}"
            return _Ended("Failed", f"AlgorithmError: See job logs for more information, {status}")
        return early

    def _upload(self, folder: Path, uri: str) -> None:
        bucket, prefix = sources.split_uri(uri)
        try:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    parts = (prefix.strip("/"), path.relative_to(folder).as_posix())
                    self._region.objects.upload(path, bucket, "/".join(part for part in parts if part))
        except KeyError as error:
            reason = f"ClientError: Output upload failed:NoSuchBucket (404): {error.args[0]}"
            raise _Ended("Failed", reason) from error


def _inside(folder: Path, path: str) -> Path:
    return folder / path.removeprefix(_OPT_ML).lstrip("/")


def _moved(text: str, folder: Path) -> str:
    """``text`` with the job's folder in the place of ``/opt/ml``, where it is a path or an option's value."""
    head, sign, tail = text.partition("=")
    if sign and tail.startswith(f"{_OPT_ML}/"):
        return f"{head}={folder}{tail.removeprefix(_OPT_ML)}"
    return f"{folder}{text.removeprefix(_OPT_ML)}" if text.startswith(f"{_OPT_ML}/") else text
