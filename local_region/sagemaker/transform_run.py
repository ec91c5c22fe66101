"""One transform job on a thread of its own: objects in, requests to a server in batch mode, ``<key>.out`` out.

Memory: at most ``MaxConcurrentTransforms`` payloads and answers, whatever the objects' size.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from local_region.ports import Region
from local_region.sagemaker import sources
from local_region.sagemaker.events import publish
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import Server, StartFailure, work_folder
from local_region.sagemaker.wire import Client, ModelTimeout, Reply, Unreachable

log = logging.getLogger(__name__)
GROUP = "/aws/sagemaker/TransformJobs"
_REASON_LENGTH = 1024


class TransformFailure(Exception):
    """Why the job failed; the text is FailureReason."""


class _Stopped(Exception):
    """StopTransformJob."""


class TooLarge(Exception):
    """A record or an object is larger than MaxPayloadInMB."""


def payloads(stream: IO[bytes], split: bool, many: bool, limit: int) -> Iterator[bytes]:
    """What is posted: the whole object, one line at a time, or as many whole lines as fit into ``limit`` bytes."""
    if not split:
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge
        if body:
            yield body
        return
    batch: list[bytes] = []
    size = 0
    while line := stream.readline(limit + 1):
        if len(line) > limit:
            raise TooLarge
        if not many:
            if line.strip():
                yield line
            continue
        if size + len(line) > limit:
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if any(line.strip() for line in batch):
        yield b"".join(batch)


class TransformRun:
    """``stop`` is StopTransformJob; ``abandon`` ends it without a word, because the region goes."""

    def __init__(self, region: Region, record: Record, model: Record) -> None:
        self._region, self._record, self._model = region, record, model
        self._stopping, self._abandoned = threading.Event(), False
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name=f"transform {record.name}", daemon=True)

    def start(self) -> None:
        publish(self._region, "Transform Job", self._record)
        self._thread.start()

    def stop(self) -> None:
        with self._record.lock:
            if self._stopping.is_set():
                return
            self._stopping.set()
            self._record.state["TransformJobStatus"] = "Stopping"
        publish(self._region, "Transform Job", self._record)

    def abandon(self) -> None:
        self._abandoned = True
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
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
        except _Stopped:
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
            if self._server is not None:
                self._server.stop()
            shutil.rmtree(folder, ignore_errors=True)
        self._finish(*outcome)

    def _work(self, folder: Path) -> None:
        request = self._record.request
        now = self._region.clock.now()
        with self._record.lock:
            self._record.state["TransformStartTime"] = now
        items = sources.objects_of(self._region.objects, request["TransformInput"]["DataSource"]["S3DataSource"])
        container = self._model.request["PrimaryContainer"]
        environ = {
            "SAGEMAKER_BATCH": "true",
            **(container.get("Environment") or {}),
            **(request.get("Environment") or {}),
        }
        stream = f"{self._record.name}/i-{int(now.timestamp() * 1000):017x}"
        role = self._model.request.get("ExecutionRoleArn")
        self._server = Server(
            self._region, container["Image"], container.get("ModelDataUrl"), environ, GROUP, stream, role
        )
        self._server.start()
        client = self._server.client
        if client is None:
            raise TransformFailure("InternalServerError: the server has no address")
        limits = self._limits(client)
        for number, item in enumerate(items):
            if self._stopping.is_set():
                raise _Stopped
            target = folder / f"{number}.out"
            self._transform(client, item, target, limits)
            self._upload(target, item)
            target.unlink()

    def _limits(self, client: Client) -> dict[str, Any]:
        """What the request says, else what the container's /execution-parameters say, else SageMaker's defaults."""
        request = self._record.request
        named: dict[str, Any] = {
            key: request[key]
            for key in ("MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy")
            if key in request
        }
        if request.get("MaxConcurrentTransforms") == 0:
            del named["MaxConcurrentTransforms"]
        proposed: dict[str, Any] = {}
        reply = client.request("GET", "/execution-parameters")
        if reply.status == 200:
            proposed = json.loads(reply.body)
            strategy = str(proposed.get("BatchStrategy", "")).replace("_", "").lower()
            proposed["BatchStrategy"] = "SingleRecord" if strategy == "singlerecord" else "MultiRecord"
        defaults = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord"}
        return {**defaults, **proposed, **named}

    def _transform(self, client: Client, item: sources.Item, target: Path, limits: dict[str, Any]) -> None:
        request = self._record.request
        source = request["TransformInput"]
        line_out = request["TransformOutput"]["AssembleWith"] == "Line"
        limit = limits["MaxPayloadInMB"] << 20
        where = f"{self._record.name}: s3://{item.bucket}/{item.key}"
        concurrent = max(1, limits["MaxConcurrentTransforms"])
        pending: deque[Future[Reply]] = deque()

        def post(body: bytes) -> Reply:
            return client.request(
                "POST",
                "/invocations",
                body,
                source.get("ContentType", ""),
                request["TransformOutput"].get("Accept", ""),
                timeout=self._timeout(),
            )

        def write_first(sink: IO[bytes]) -> None:
            body = self._content(pending.popleft(), where)
            sink.write(body)
            if line_out and body and not body.endswith(b"\n"):
                sink.write(b"\n")

        with self._open(item) as stream, target.open("wb") as sink, ThreadPoolExecutor(concurrent) as pool:
            try:
                split, many = source["SplitType"] == "Line", limits["BatchStrategy"] == "MultiRecord"
                for body in payloads(stream, split, many, limit):
                    if self._stopping.is_set():
                        raise _Stopped
                    pending.append(pool.submit(post, body))
                    if len(pending) >= concurrent:
                        write_first(sink)
                while pending:
                    write_first(sink)
            except TooLarge:
                raise TransformFailure(
                    f"ClientError: {where}: a record is larger than MaxPayloadInMB ({limits['MaxPayloadInMB']})"
                ) from None
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise TransformFailure(f"ClientError: {where}: not gzip, as CompressionType says: {error}") from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _timeout(self) -> float:
        return float((self._record.request.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds", 600))

    def _content(self, future: Future[Reply], where: str) -> bytes:
        try:
            reply = future.result()
        except (Unreachable, ModelTimeout) as error:
            raise TransformFailure(f"AlgorithmError: {where}: {error}. See job logs for more information") from error
        if reply.status >= 300:
            message = reply.body.decode("utf-8", "replace").strip()
            stream = self._server.stream if self._server is not None else self._record.name
            self._region.logs.write(
                GROUP,
                f"{stream}/data-log",
                [f"{where}: Bad HTTP status received from algorithm: {reply.status}", message],
            )
            raise TransformFailure(
                f"ClientError: {where}: Bad HTTP status received from algorithm: {reply.status}. {message}"
                if reply.status < 500
                else f"AlgorithmError: {where}: Bad HTTP status received from algorithm: {reply.status}. {message}"
            )
        return reply.body

    def _open(self, item: sources.Item) -> IO[bytes]:
        try:
            stream = self._region.objects.open(item.bucket, item.key)
        except KeyError:
            raise sources.DataError(f"NoSuchKey (404): s3://{item.bucket}/{item.key} does not exist") from None
        if self._record.request["TransformInput"]["CompressionType"] == "Gzip":
            return gzip.open(stream)  # type: ignore[return-value]
        return stream

    def _upload(self, target: Path, item: sources.Item) -> None:
        bucket, prefix = sources.split_uri(self._record.request["TransformOutput"]["S3OutputPath"])
        key = "/".join(part for part in (prefix.strip("/"), f"{item.relative}.out") if part)
        try:
            self._region.objects.upload(target, bucket, key)
        except KeyError as error:
            raise TransformFailure(f"ClientError: Output upload failed:NoSuchBucket (404): {error.args[0]}") from error
