"""One transform job on a thread of its own: its instances, the objects that fall to each, ``<key>.out`` of each.

As SageMaker does it, the order of the keys says which instance an object falls to, and no object is split over two.
``transform_instance`` does the work of one.
"""

from __future__ import annotations

import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from local_region.ports import Region
from local_region.sagemaker import sources
from local_region.sagemaker.events import publish
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import Server, StartFailure, work_folder
from local_region.sagemaker.transform_filters import processing_of
from local_region.sagemaker.transform_instance import GROUP, Instance, Stopped, TransformFailure, used

log = logging.getLogger(__name__)
_REASON_LENGTH = 1024


class TransformRun:
    """``stop`` is StopTransformJob; ``abandon`` ends it without a word, because the region goes."""

    def __init__(self, region: Region, record: Record, model: Record) -> None:
        self._region, self._record, self._model = region, record, model
        self._stopping, self._abandoned = threading.Event(), False
        self._halted = threading.Event()  # stopped, or an instance failed
        self._servers: list[Server] = []
        self._thread = threading.Thread(target=self._run, name=f"transform {record.name}", daemon=True)

    def start(self) -> None:
        publish(self._region, "Transform Job", self._record)
        self._thread.start()

    def stop(self) -> None:
        with self._record.lock:
            if self._stopping.is_set() or self._record.state["TransformJobStatus"] != "InProgress":
                return
            self._stopping.set()
            self._halted.set()
            self._record.state["TransformJobStatus"] = "Stopping"
        for server in self._servers:
            server.cancel_start()
        publish(self._region, "Transform Job", self._record)

    @property
    def alive(self) -> bool:
        """Whether it still has something to do or to say."""
        return self._thread.is_alive()

    def abandon(self) -> None:
        self._abandoned = True
        self._stopping.set()
        self._halted.set()
        for server in self._servers:
            server.stop()
        self._thread.join(10.0)

    def _finish(self, status: str, reason: str = "") -> None:
        if self._abandoned:
            return
        now = self._region.clock.now()
        with self._record.lock:
            self._record.state.update(TransformJobStatus=status, TransformEndTime=now)
            if reason:
                self._record.state["FailureReason"] = reason[:_REASON_LENGTH]
            self._record.modified = now
        publish(self._region, "Transform Job", self._record)

    def _run(self) -> None:
        folder = work_folder(self._region, "transform", self._record.name)
        try:
            self._work(folder)
        except Stopped:
            outcome = ("Stopped", "")
        except sources.DataError as error:
            outcome = ("Failed", f"ClientError: {error}")
        except (TransformFailure, StartFailure) as error:
            outcome = ("Stopped", "") if self._stopping.is_set() else ("Failed", str(error))
        except Exception as error:
            log.exception("transform job %s failed within the region", self._record.name)
            outcome = ("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        else:
            outcome = ("Completed", "")
        finally:
            for server in self._servers:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)
        self._finish(*outcome)

    def _work(self, folder: Path) -> None:
        request = self._record.request
        now = self._region.clock.now()
        with self._record.lock:
            self._record.state["TransformStartTime"] = now
        items = sources.objects_of(self._region.objects, request["TransformInput"]["DataSource"]["S3DataSource"])
        shares = used(request["TransformResources"]["InstanceCount"], items)
        processing = processing_of(request)
        streams = [
            f"{self._record.name}/i-{int(now.timestamp() * 1000):013x}{number:04x}" for number in range(len(shares))
        ]
        self._servers = [self._server(stream) for stream in streams]

        def one(server: Server, share: list[tuple[int, sources.Item]]) -> None:
            if self._halted.is_set():
                raise Stopped
            server.start()
            instance = Instance(self._region, server, self._record.name, request, processing, self._halted)
            for number, item in share:
                if self._halted.is_set():
                    raise Stopped
                target = folder / f"{number}.out"
                instance.transform(item, target)
                self._upload(target, item)
                target.unlink()

        with ThreadPoolExecutor(len(shares)) as pool:
            futures = [pool.submit(one, server, share) for server, share in zip(self._servers, shares, strict=True)]
            for future in as_completed(futures):
                if future.exception() is not None:
                    self._halted.set()  # the others need not go on
        failures = [error for future in futures if (error := future.exception()) is not None]
        told = [error for error in failures if not isinstance(error, Stopped)]
        if told or failures:
            raise (told or failures)[0]

    def _server(self, stream: str) -> Server:
        container = self._model.request["PrimaryContainer"]
        environ = {
            "SAGEMAKER_BATCH": "true",
            **(container.get("Environment") or {}),
            **(self._record.request.get("Environment") or {}),
        }
        role = self._model.request.get("ExecutionRoleArn")
        return Server(self._region, container["Image"], container.get("ModelDataUrl"), environ, GROUP, stream, role)

    def _upload(self, target: Path, item: sources.Item) -> None:
        bucket, prefix = sources.split_uri(self._record.request["TransformOutput"]["S3OutputPath"])
        key = "/".join(part for part in (prefix.strip("/"), f"{item.relative}.out") if part)
        try:
            self._region.objects.upload(target, bucket, key)
        except KeyError as error:
            raise TransformFailure(f"ClientError: Output upload failed:NoSuchBucket (404): {error.args[0]}") from error
