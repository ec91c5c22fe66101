"""One instance of a transform job: a server in batch mode and the objects that fall to it.

Memory: at most ``MaxConcurrentTransforms`` payloads and answers, whatever the objects' size.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from local_region.ports import Json, Region
from local_region.sagemaker import sources
from local_region.sagemaker.serving import Server
from local_region.sagemaker.transform_filters import BadRecord, Processing
from local_region.sagemaker.transform_split import NotRecordIO, TooLarge, groups, payloads, records
from local_region.sagemaker.wire import Client, ModelTimeout, Reply, Unreachable

GROUP = "/aws/sagemaker/TransformJobs"
#: how often the log says how far an object is
_PROGRESS_SECONDS = 5.0
_BLOCK = 1 << 20
_RETRIES = 3  # SageMaker's default of InvocationsMaxRetries
_FIRST_PAUSE = 0.1


class TransformFailure(Exception):
    """Why the job failed; the text is FailureReason."""


class Stopped(Exception):
    """StopTransformJob, or another instance failed."""


class Instance:
    """``transform`` posts one object to the server and writes the answers, in order."""

    def __init__(
        self,
        region: Region,
        server: Server,
        name: str,
        request: Json,
        processing: Processing | None,
        stopping: threading.Event,
    ) -> None:
        self._region, self._server, self._name, self._request = region, server, name, request
        self._processing, self._stopping = processing, stopping
        client = request.get("ModelClientConfig") or {}
        self._timeout = float(client.get("InvocationsTimeoutInSeconds", 600))
        self._retries = int(client.get("InvocationsMaxRetries", _RETRIES))
        self._limits: Json | None = None

    def say(self, *messages: str) -> None:
        self._region.logs.write(GROUP, f"{self._server.stream}/data-log", [f"[sagemaker logs]: {m}" for m in messages])

    @property
    def _client(self) -> Client:
        if self._server.client is None:
            raise TransformFailure("InternalServerError: the server has no address")
        return self._server.client

    def limits(self) -> Json:
        """What the request says, else what the container's /execution-parameters say, else SageMaker's defaults."""
        if self._limits is None:
            keys = ("MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy")
            named: Json = {key: self._request[key] for key in keys if key in self._request}
            if named.get("MaxConcurrentTransforms") == 0:
                del named["MaxConcurrentTransforms"]
            proposed: Json = {}
            reply = self._client.request("GET", "/execution-parameters")
            if reply.status == 200:
                try:
                    proposed = proposed_limits(reply.body)
                except ValueError as error:
                    raise TransformFailure(
                        f"ClientError: {self._name}: the container's answer to GET /execution-parameters: {error}"
                    ) from None
            defaults = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord"}
            self._limits = {**defaults, **proposed, **named}
            strategy = {"SingleRecord": "SINGLE_RECORD"}.get(self._limits["BatchStrategy"], "MULTI_RECORD")
            self.say(
                f"MaxConcurrentTransforms={self._limits['MaxConcurrentTransforms']}, "
                f"MaxPayloadInMB={self._limits['MaxPayloadInMB']}, BatchStrategy={strategy}"
            )
        return self._limits

    def transform(self, item: sources.Item, target: Path) -> None:
        limits = self.limits()
        where = f"{self._name}: s3://{item.bucket}/{item.key}"
        concurrent = max(1, limits["MaxConcurrentTransforms"])
        try:
            with self._open(item) as stream, target.open("wb") as sink:
                if limits["MaxPayloadInMB"] == 0:
                    self._whole(stream, sink, where)
                else:
                    self._pieces(stream, sink, where, item, concurrent)
        except TooLarge:
            raise TransformFailure(
                f"ClientError: {where}: a record is larger than MaxPayloadInMB ({limits['MaxPayloadInMB']})"
            ) from None
        except (BadRecord, NotRecordIO) as error:
            raise TransformFailure(f"ClientError: {where}: {error}") from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise TransformFailure(f"ClientError: {where}: not gzip, as CompressionType says: {error}") from error

    def _pieces(self, stream: IO[bytes], sink: IO[bytes], where: str, item: sources.Item, concurrent: int) -> None:
        progress = _Progress(self, item)
        pending: deque[tuple[Future[Reply], list[bytes]]] = deque()

        def write_first() -> None:
            future, originals = pending.popleft()
            body = self._content(future, where)
            self._write(sink, body if self._processing is None else self._processing.finish(originals, body))
            progress.answered()

        with ThreadPoolExecutor(concurrent) as pool:
            try:
                for body, originals in self._bodies(stream):
                    if self._stopping.is_set():
                        raise Stopped
                    progress.sent(len(body))
                    pending.append((pool.submit(self._post, body), originals))
                    if len(pending) >= concurrent:
                        write_first()
                while pending:
                    if self._stopping.is_set():
                        raise Stopped
                    write_first()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        progress.done()

    def _bodies(self, stream: IO[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        """What is posted, with the records that it was made of where they are wanted again."""
        limits = self.limits()
        split = self._request["TransformInput"]["SplitType"]
        many, limit = limits["BatchStrategy"] == "MultiRecord", limits["MaxPayloadInMB"] << 20
        if self._processing is None:
            yield from ((body, []) for body in payloads(stream, split, many, limit))
        elif split == "None":
            for body in payloads(stream, split, many, limit):
                yield self._processing.prepare(body), [body]
        else:
            yield from groups(records(stream, split, many, limit), many, limit, self._processing.prepare)

    def _whole(self, stream: IO[bytes], sink: IO[bytes], where: str) -> None:
        """MaxPayloadInMB 0: the object in one request, in chunks. The container has to take them."""

        def blocks() -> Iterator[bytes]:
            while block := stream.read(_BLOCK):
                if self._stopping.is_set():
                    raise Stopped
                yield block

        try:
            reply = self._client.stream("/invocations", blocks(), *self._types(), timeout=self._timeout)
        except (Unreachable, ModelTimeout) as error:
            raise self._no_answer(where, error) from error
        self._write(sink, self._body(reply, where))

    def _types(self) -> tuple[str, str]:
        return self._request["TransformInput"].get("ContentType", ""), self._request["TransformOutput"].get(
            "Accept", ""
        )

    def _post(self, body: bytes) -> Reply:
        """The answer; a failure of the server is tried again as often as ModelClientConfig says."""
        for attempt in range(self._retries + 1):
            last = attempt == self._retries or self._stopping.is_set()
            try:
                reply = self._client.request("POST", "/invocations", body, *self._types(), timeout=self._timeout)
            except (Unreachable, ModelTimeout) as error:
                if last:
                    raise
                self.say(f"{error}; trying again ({attempt + 1} of {self._retries})")
                self._server.restart_if_dead()
            else:
                if reply.status < 500 or last:
                    return reply
                self.say(f"Bad HTTP status {reply.status}; trying again ({attempt + 1} of {self._retries})")
            self._stopping.wait(_FIRST_PAUSE * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _content(self, future: Future[Reply], where: str) -> bytes:
        try:
            reply = future.result()
        except (Unreachable, ModelTimeout) as error:
            raise self._no_answer(where, error) from error
        return self._body(reply, where)

    def _no_answer(self, where: str, error: Exception) -> TransformFailure:
        self.say(f"{where}: {error}")
        return TransformFailure(f"AlgorithmError: {where}: {error}. See job logs for more information")

    def _body(self, reply: Reply, where: str) -> bytes:
        if reply.status < 300:
            return reply.body
        message = reply.body.decode("utf-8", "replace").strip()
        self.say(f"{where}: Bad HTTP status received from algorithm: {reply.status}", message)
        kind = "ClientError" if reply.status < 500 else "AlgorithmError"
        raise TransformFailure(f"{kind}: {where}: Bad HTTP status received from algorithm: {reply.status}. {message}")

    def _write(self, sink: IO[bytes], body: bytes) -> None:
        sink.write(body)
        if self._request["TransformOutput"]["AssembleWith"] == "Line" and body and not body.endswith(b"\n"):
            sink.write(b"\n")

    def _open(self, item: sources.Item) -> IO[bytes]:
        try:
            stream = self._region.objects.open(item.bucket, item.key)
        except KeyError:
            raise sources.DataError(f"NoSuchKey (404): s3://{item.bucket}/{item.key} does not exist") from None
        if self._request["TransformInput"]["CompressionType"] == "Gzip":
            return gzip.open(stream)  # type: ignore[return-value]
        return stream


def proposed_limits(body: bytes) -> Json:
    """What a container's ``/execution-parameters`` say. ``ValueError`` names what is wrong with them.

    >>> proposed_limits(b'{"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD"}')
    {'MaxConcurrentTransforms': 2, 'BatchStrategy': 'SingleRecord'}
    """
    try:
        given = json.loads(body)
    except ValueError:
        raise ValueError(f"it is no JSON: {body[:80]!r}") from None
    if not isinstance(given, dict):
        raise ValueError(f"it is no JSON object: {body[:80]!r}")
    found: Json = {}
    for name in ("MaxConcurrentTransforms", "MaxPayloadInMB"):
        value = given.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} is a whole number from 0, not {value!r}")
        found[name] = value
    strategy = str(given.get("BatchStrategy") or "MultiRecord").replace("_", "").lower()
    if strategy not in ("singlerecord", "multirecord"):
        raise ValueError(f"BatchStrategy is SINGLE_RECORD or MULTI_RECORD, not {given['BatchStrategy']!r}")
    return {**found, "BatchStrategy": "SingleRecord" if strategy == "singlerecord" else "MultiRecord"}


class _Progress:
    """A line in the job's log every few seconds, and one at the end of the object."""

    def __init__(self, instance: Instance, item: sources.Item) -> None:
        self._instance, self._item = instance, item
        self._sent = self._bytes = self._answered = 0
        self._next = time.monotonic() + _PROGRESS_SECONDS

    def sent(self, size: int) -> None:
        self._sent += 1
        self._bytes += size

    def answered(self) -> None:
        self._answered += 1
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_SECONDS
            self._tell("so far")

    def done(self) -> None:
        self._tell("done")

    def _tell(self, state: str) -> None:
        of = f"s3://{self._item.bucket}/{self._item.key} ({self._item.size:,} bytes)"
        self._instance.say(
            f"{of}: {self._answered:,} of {self._sent:,} requests answered, {self._bytes:,} bytes {state}"
        )


def used(count: int, items: list[Any]) -> list[list[tuple[int, Any]]]:
    """The objects of each instance, by the order of their keys, with their numbers; more instances than objects stay
    without work, so they are not there."""
    numbered = list(enumerate(items))
    return [numbered[first::count] for first in range(min(count, len(items)))]
