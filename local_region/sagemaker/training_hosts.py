"""The hosts of one training job: a folder and a process each, which start together, end together and fail together.

Folder, environment and config files are SageMaker's container contract:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
Hosts have no network of their own here, so ``algo-2`` is no address. What stands in for it is a folder that they share,
``SAGEMAKER_RENDEZVOUS_DIR`` (see ``containers/common/hosts.py``).
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from local_region.ports import Process, ProcessSpec, Region
from local_region.sagemaker import programs, sources
from local_region.sagemaker.output import LogLines, escape
from local_region.sagemaker.records import Record

GROUP = "/aws/sagemaker/TrainingJobs"
#: how long a host whose job has failed elsewhere may take to end
_ASIDE_SECONDS = 1.0
#: AWS's toolkit looks its hosts up in DNS, for minutes when they are not there; a script runs on one host only
_LOCALHOST = "localhost"

#: what libraries read before they take all cores: OpenMP's (LightGBM, XGBoost, scikit-learn, PyTorch), then joblib's
_THREADS = ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")

#: starts a process; the second argument may raise to end a long preparation
Spawn = Callable[[ProcessSpec, Callable[[], None]], Process]


class Host:
    """``algo-<n>``: its folder under the job's, and its process once it runs."""

    def __init__(self, folder: Path, number: int) -> None:
        self.name = f"algo-{number}"
        self.folder = folder / self.name
        self.process: Process | None = None
        self.output: LogLines | None = None
        for name in ("input/config", "input/data", "model", "output/data"):
            (self.folder / name).mkdir(parents=True)


def _failed_at(host: Host) -> float:
    """When it wrote why it fails; a host that was ended by a signal wrote nothing."""
    path = host.folder / "output/failure"
    return path.stat().st_mtime_ns if path.exists() else math.inf


class Hosts:
    """All hosts of a job. One host is the common case and costs nothing extra."""

    def __init__(
        self, region: Region, record: Record, folder: Path, beside: int = 1, spawn: Spawn | None = None
    ) -> None:
        """``beside``: how many jobs like this one run at a time, itself among them. ``spawn``: how processes start, if
        not as the region's do."""
        self._region, self._record, self._folder = region, record, folder
        self._beside = beside
        self._spawn: Spawn = spawn or (lambda spec, _check: region.processes.spawn(spec))
        count = record.request["ResourceConfig"].get("InstanceCount", 1)
        self._rendezvous = folder / "rendezvous"
        self._rendezvous.mkdir()
        self.all = [Host(folder, number) for number in range(1, count + 1)]

    # -- before --------------------------------------------------------------------------------------------------

    def download(self, channel: Mapping[str, Any], check: Callable[[], None]) -> None:
        """A channel's objects to every host, or every host its share (ShardedByS3Key). ``check`` may raise."""
        source = channel["DataSource"]["S3DataSource"]
        gzipped = channel.get("CompressionType", "None") == "Gzip"
        items = sources.objects_of(self._region.objects, source)
        sharded = source.get("S3DataDistributionType", "FullyReplicated") == "ShardedByS3Key"
        for at, host in enumerate(self.all):
            folder = host.folder / "input/data" / channel["ChannelName"]
            folder.mkdir(parents=True)
            for item in items[at :: len(self.all)] if sharded else items:
                check()
                sources.download(self._region.objects, item, folder, gzipped)

    def configure(self, channels: Sequence[Mapping[str, Any]]) -> None:
        """``input/config`` of each host."""
        request = self._record.request
        script = programs.is_script(request)
        files: dict[str, Any] = {
            "hyperparameters": request.get("HyperParameters") or {},
            "inputdataconfig": {channel["ChannelName"]: _input(channel) for channel in channels},
        }
        for host in self.all:
            files["resourceconfig"] = {
                "current_host": _LOCALHOST if script else host.name,
                "current_instance_type": request["ResourceConfig"].get("InstanceType", ""),
                "current_group_name": "homogeneousCluster",
                "hosts": [_LOCALHOST] if script else [each.name for each in self.all],
                "network_interface_name": "lo",
            }
            for name, content in files.items():
                (host.folder / "input/config" / f"{name}.json").write_text(json.dumps(content))

    def environment(self, host: Host) -> dict[str, str]:
        region = self._region.config.region_name
        shared = {}
        if len(self.all) > 1:
            shared["SAGEMAKER_RENDEZVOUS_DIR"] = str(self._rendezvous)
        if len(self.all) * self._beside > 1:
            # On SageMaker each host has cores of its own; here they share one machine's.
            threads = max(1, (os.cpu_count() or 1) // (len(self.all) * self._beside))
            shared |= dict.fromkeys(_THREADS, str(threads))
        return {
            "SAGEMAKER_BASE_DIR": str(host.folder),
            "TRAINING_JOB_NAME": self._record.name,
            "TRAINING_JOB_ARN": self._record.arn,
            "SM_MODEL_DIR": str(host.folder / "model"),
            "SM_OUTPUT_DATA_DIR": str(host.folder / "output/data"),
            "SAGEMAKER_REGION": region,
            "AWS_REGION": region,
            **shared,
            **(self._record.request.get("Environment") or {}),
        }

    # -- while it runs -------------------------------------------------------------------------------------------

    def start(self, listener: Callable[[str], None], check: Callable[[], None]) -> None:
        """``programs.CantRun`` says why nothing can be started; ``check`` may raise to end a long preparation. All or
        none: when one host doesn't start, those before it are ended."""
        try:
            self._start(listener, check)
        except BaseException:
            self.kill()
            self.join_logs()
            raise

    def _start(self, listener: Callable[[str], None], check: Callable[[], None]) -> None:
        epoch = int(self._region.clock.now().timestamp())
        for host in self.all:
            stream = f"{self._record.name}/{host.name}-{epoch}"
            say = partial(_say, self._region, stream)
            environ = self.environment(host)
            try:
                spec = programs.training(self._region, self._record.request, host.folder, environ, say, check)
            except programs.CantRun as error:
                say(str(error))
                raise
            host.process = self._spawn(spec, check)
            host.output = LogLines(self._region, host.process, GROUP, stream, listener)

    def wait(self, timeout: float) -> bool:
        """True when all have ended, or one has failed and the others are ended with it."""
        running = [host.process for host in self.all if host.process is not None]
        for process in running:
            if process.exit_code is None:
                process.wait(timeout)
                break
        if self.failed() is not None:
            self.terminate(_ASIDE_SECONDS)
        return all(process.exit_code is not None for process in running)

    def failed(self) -> Host | None:
        """The host that failed first: the others' failures, or the signals that ended them, follow from that one."""
        ended = [host for host in self.all if host.process is not None and host.process.exit_code not in (None, 0)]
        return min(ended, key=_failed_at, default=None)

    def terminate(self, grace_seconds: float) -> None:
        """SIGTERM to all at once, SIGKILL after ``grace_seconds``."""
        processes = [host.process for host in self.all if host.process is not None and host.process.exit_code is None]
        if processes:
            with ThreadPoolExecutor(len(processes)) as pool:
                list(pool.map(lambda process: process.terminate(grace_seconds), processes))

    def kill(self) -> None:
        for host in self.all:
            if host.process is not None:
                host.process.kill()

    def join_logs(self) -> None:
        for host in self.all:
            if host.output is not None:
                host.output.join()

    # -- after ---------------------------------------------------------------------------------------------------

    def gathered(self, name: str) -> Path:
        """``model`` or ``output/data`` of all hosts in one folder. Of files with one name, the lowest host's stays."""
        first, *others = self.all
        target = first.folder / name
        for host in others:
            for path in sorted((host.folder / name).rglob("*")):
                place = target / path.relative_to(host.folder / name)
                if path.is_file() and not place.exists():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(path, place)
        return target


def _say(region: Region, stream: str, line: str) -> None:
    region.logs.write(GROUP, stream, [escape(line)])


def _input(channel: Mapping[str, Any]) -> dict[str, Any]:
    source = channel["DataSource"]["S3DataSource"]
    entry = {
        "TrainingInputMode": "File",
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
    if channel.get("ContentType"):
        entry["ContentType"] = channel["ContentType"]
    return entry
