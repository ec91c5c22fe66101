"""S3's events: one for each object written or deleted, in the shape that AWS documents.

moto sends its own at the wrong moment (before metadata and tags are there), twice for a multipart upload and with
constants where AWS counts, so its sender is replaced. What a request caused is published when the request is done.

Shape: "Amazon S3 event message structure for EventBridge" of the Amazon S3 User Guide.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from local_region.ports import Json

log = logging.getLogger(__name__)

Publish = Callable[[str, str, Json, list[str]], None]

_CREATED = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
_DELETED = "s3:ObjectRemoved:"


@dataclass
class _Request:
    """What an event says about the request that caused it."""

    request_id: str = "LOCALREGION00000"
    source_ip: str = "127.0.0.1"
    events: list[tuple[str, Json, list[str]]] = field(default_factory=list)


_current: ContextVar[_Request | None] = ContextVar("s3_request", default=None)


class ObjectEvents:
    """Turns what moto's S3 does into events. ``install`` puts it in the place of moto's sender."""

    def __init__(self, publish: Publish, account_id: str) -> None:
        self._publish = publish
        self._account_id = account_id
        # Later is always greater, also across restarts, and all are of one length, so that strings compare as numbers.
        self._sequence = itertools.count(time.time_ns())

    def install(self) -> None:
        from moto.s3 import notifications
        from moto.s3.models import S3Backend

        # A process may build more than one region (tests do): the last one listens, and nothing is told twice.
        original_send = inspect.unwrap(notifications.send_event)
        original_delete = inspect.unwrap(S3Backend.delete_object)

        @functools.wraps(original_send)
        def send_event(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:  # noqa: ARG001 (moto's)
            self._sent(event_name, bucket, key)

        @functools.wraps(original_delete)
        def delete_object(backend: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
            bucket = backend.get_bucket(bucket_name)
            before = bucket.keys.get(key_name)
            done, meta = original_delete(backend, bucket_name, key_name, *args, **kwargs)
            if done:
                self._deleted(bucket, key_name, before, meta)
            return done, meta

        notifications.send_event = send_event
        S3Backend.delete_object = delete_object  # type: ignore[method-assign, assignment]

    @contextlib.contextmanager
    def request(self, request_id: str, source_ip: str) -> Iterator[None]:
        """Keep back the events of this thread's request until it is done (also if it fails half-way)."""
        context = _Request(request_id, source_ip)
        token = _current.set(context)
        try:
            yield
        finally:
            _current.reset(token)
            for detail_type, detail, resources in context.events:
                self._publish("aws.s3", detail_type, detail, resources)

    def _sent(self, event_name: Any, bucket: Any, key: Any) -> None:
        name = str(getattr(event_name, "value", event_name))
        configuration = bucket.notification_configuration
        if configuration is None or name.startswith(_DELETED):
            return  # notices straight to functions, queues and topics are refused when they are asked for
        # A completed multipart upload passes through moto's put_object first: the second notice is the true one.
        if name == "s3:ObjectCreated:Put" and getattr(key, "multipart", None) is not None:
            return
        reason = _CREATED.get(name)
        if configuration.event_bridge is None or reason is None:
            return
        described = {"key": key.name, "size": key.size, "etag": key.etag.strip('"')}
        if bucket.is_versioned:
            described["version-id"] = key.version_id
        self._emit("Object Created", bucket, described, {"reason": reason})

    def _deleted(self, bucket: Any, key_name: str, before: Any, meta: dict[str, Any]) -> None:
        configuration = bucket.notification_configuration
        if configuration is None or configuration.event_bridge is None:
            return
        described: Json = {"key": key_name}
        etag = getattr(before, "_etag", None)
        if etag:
            described["etag"] = etag.strip('"')
        if "version-id" in meta:
            described["version-id"] = meta["version-id"]
        marked = meta.get("delete-marker") == "true" and meta.get("version-id") is not None
        kind = "Delete Marker Created" if marked else "Permanently Deleted"
        self._emit("Object Deleted", bucket, described, {"reason": "DeleteObject", "deletion-type": kind})

    def _emit(self, detail_type: str, bucket: Any, described: Json, more: Json) -> None:
        context = _current.get()
        request = context or _Request()
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {**described, "sequencer": f"{next(self._sequence):018X}"},
            "request-id": request.request_id,
            "requester": self._account_id,
            "source-ip-address": request.source_ip,
            **more,
        }
        if context is None:
            self._publish("aws.s3", detail_type, detail, [bucket.arn])
        else:
            context.events.append((detail_type, detail, [bucket.arn]))
