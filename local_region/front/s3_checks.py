"""What S3 refuses and moto takes: names, sizes, conditions of writes, pages of lists. In S3's codes and words.

Sources: the operations' pages and "Error responses" of the Amazon S3 API Reference; "Bucket naming rules" and
"Conditional requests" of its User Guide.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from local_region.front.errors import not_implemented
from local_region.front.request import Incoming
from local_region.front.s3_digests import refuse_altered
from local_region.ports import AwsError

_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_SUSPENDED = re.compile(rb">\s*Suspended\s*<")
_OBJECT = re.compile(rb"<(?:\w+:)?Object[\s>]")
#: bytes of a key, of all metadata together, keys of a page and of a DeleteObjects
_KEY_BYTES, _METADATA_BYTES, _PAGE, _DELETED = 1024, 2048, 1000, 1000
_PARTS = 10_000
_WEEK = 604_800
_XML_BYTES = 8 * 1024 * 1024
_LISTS = ("max-keys", "max-uploads", "max-parts")
#: writers of one key take turns, so that a condition still holds when its write is done
_STRIPES = 64


class S3Checks:
    """Looks at requests before moto does."""

    def __init__(self, account_id: str, partition: str = "aws") -> None:
        from moto.s3.models import s3_backends

        self._backends, self._account, self._partition = s3_backends, account_id, partition
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    @contextmanager
    def writing(self, request: Incoming) -> Iterator[None]:
        """Alone with the key that this request writes; others read meanwhile."""
        bucket, key = request.bucket_and_key
        if not key or request.method not in {"PUT", "POST", "DELETE"}:
            yield
            return
        with self._locks[hash((bucket, key)) % _STRIPES]:
            yield

    def refuse(self, request: Incoming) -> None:
        """``AwsError`` in S3's words. Call it within ``writing``."""
        _refuse_expired(request)
        bucket, key = request.bucket_and_key
        if request.method == "POST" and "uploadId" in request.query and not request.content_length:
            raise _malformed()
        if len(key.encode("utf-8", "surrogateescape")) > _KEY_BYTES:
            raise AwsError("KeyTooLongError", "Your key is too long")
        if not key:
            self._bucket(request, bucket)
        elif request.method in {"PUT", "POST"}:
            _refuse_metadata(request)
            self._upload(request, bucket, key)
            self._conditions(request, bucket, key)
        refuse_altered(request)

    def _bucket(self, request: Incoming, bucket: str) -> None:
        query = request.query
        plain = not set(query) - {"x-id"}
        if request.method == "PUT" and bucket and plain and not _BUCKET.fullmatch(bucket):
            raise AwsError("InvalidBucketName", "The specified bucket is not valid.")
        known = self._backend.buckets.get(bucket)
        keeps = request.method == "PUT" and "versioning" in query and known is not None and known.is_versioned
        if keeps and _SUSPENDED.search(request.body(_XML_BYTES)):
            # moto would drop all of a key's versions with the next write or deletion of it
            raise not_implemented("s3", "PutBucketVersioning with the status Suspended for a bucket with versions")
        deleting = request.method == "POST" and "delete" in query
        if deleting and len(_OBJECT.findall(request.body(_XML_BYTES))) > _DELETED:
            raise _malformed()
        if request.method == "GET":
            self._page(request)

    def _page(self, request: Incoming) -> None:
        query = request.query
        if query.get("encoding-type", "url") != "url":
            raise AwsError("InvalidArgument", "Invalid Encoding Method specified in Request")
        token = query.get("continuation-token")
        if token and token not in self._backend._pagination_tokens:
            raise AwsError("InvalidArgument", "The continuation token provided is incorrect")
        for name in _LISTS:
            value = query.get(name)
            if value is None:
                continue
            if not value.isdigit() or int(value) >= 2**31:
                raise AwsError("InvalidArgument", f"Provided {name} not an integer or within integer range")
            if int(value) > _PAGE:
                pairs = [(key, str(_PAGE) if key == name else text) for key, text in request.query_pairs]
                request.environ["QUERY_STRING"] = urlencode(pairs)

    def _upload(self, request: Incoming, bucket: str, key: str) -> None:
        upload, number = request.query.get("uploadId"), request.query.get("partNumber")
        if upload is None:
            return
        if number is not None and not (number.isdigit() and 1 <= int(number) <= _PARTS):
            raise AwsError("InvalidArgument", f"Part number must be an integer between 1 and {_PARTS}, inclusive")
        known = getattr(self._backend.buckets.get(bucket), "multiparts", {}).get(upload)
        if known is not None and known.key_name == key:
            return
        made = getattr(self._found(bucket, key), "multipart", None)
        if number is None and made is not None and made.id == upload:
            return  # completed before: the same answer again
        text = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed."
        )
        raise AwsError("NoSuchUpload", text, 404)

    def _conditions(self, request: Incoming, bucket: str, key: str) -> None:
        """Of the object that is written, and of the one that is copied. (A part has conditions on its source only.)"""
        wanted = request.header("If-None-Match")
        if wanted is not None and wanted != "*":
            text = "A header you provided implies functionality that is not implemented"
            raise AwsError("NotImplemented", text, 501)
        copied = request.header("X-Amz-Copy-Source")
        writes = copied is not None if request.method == "PUT" else "uploadId" in request.query
        if writes and "partNumber" not in request.query:
            there = self._found(bucket, key)
            match = request.header("If-Match")
            if match is not None and there is None:
                raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
            if match is not None and not _same(match, there.etag):
                raise _failed("If-Match")
            if wanted is not None and there is not None and not self._done(request, there):
                raise _failed("If-None-Match")
        if copied is not None:
            self._source(request, copied)

    def _done(self, request: Incoming, there: Any) -> bool:
        """Whether the object is of this very upload, which is completed once more."""
        made = getattr(there, "multipart", None)
        return made is not None and made.id == request.query.get("uploadId")

    def _source(self, request: Incoming, copied: str) -> None:
        path, _, query = copied.partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        version = parse_qs(query).get("versionId", [None])[0]
        if not key:
            text = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
            raise AwsError("InvalidArgument", text)
        source = self._found(bucket, key, version)
        if source is None:
            if bucket not in self._backend.buckets:
                raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        for name, holds in _SOURCE_CONDITIONS.items():
            value = request.header(name)
            if value is not None and not holds(value, source):
                raise _failed(name)
        span = request.header("X-Amz-Copy-Source-Range")
        if span is None:
            return
        found = _RANGE.fullmatch(span)
        if found is None or int(found[1]) > int(found[2]):
            text = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the"
            raise AwsError("InvalidArgument", f"{text} zero-based offsets of the first and last bytes to copy")
        if int(found[2]) >= source.size:
            raise AwsError("InvalidArgument", f"Range specified is not valid for source object of size: {source.size}")

    @property
    def _backend(self) -> Any:
        return self._backends[self._account][self._partition]

    def _found(self, bucket: str, key: str, version: str | None = None) -> Any:
        """moto's object, or None; also for a delete marker and for a bucket that isn't there."""
        if bucket not in self._backend.buckets:
            return None
        return self._backend.get_object(bucket, key, version_id=version)


def _same(wanted: str, etag: str) -> bool:
    return wanted == "*" or wanted.strip('"') == etag.strip('"')


def _modified_after(value: str, source: Any) -> bool:
    modified: datetime = source.last_modified
    if modified.tzinfo is None:
        modified = modified.replace(tzinfo=UTC)
    return modified.replace(microsecond=0) > parsedate_to_datetime(value)


_SOURCE_CONDITIONS: dict[str, Callable[[str, Any], bool]] = {
    "x-amz-copy-source-if-match": lambda value, source: _same(value, source.etag),
    "x-amz-copy-source-if-none-match": lambda value, source: not _same(value, source.etag),
    "x-amz-copy-source-if-modified-since": _modified_after,
    "x-amz-copy-source-if-unmodified-since": lambda value, source: not _modified_after(value, source),
}


def _malformed() -> AwsError:
    text = "The XML you provided was not well-formed or did not validate against our published schema"
    return AwsError("MalformedXML", text)


def _failed(condition: str) -> AwsError:
    text = "At least one of the pre-conditions you specified did not hold"
    return AwsError("PreconditionFailed", text, 412, {"Condition": condition})


def _refuse_metadata(request: Incoming) -> None:
    prefix = "HTTP_X_AMZ_META_"
    items = ((name, value) for name, value in request.environ.items() if name.startswith(prefix))
    if sum(len(name) - len(prefix) + len(str(value)) for name, value in items) > _METADATA_BYTES:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")


def _refuse_expired(request: Incoming) -> None:
    """Signed addresses end. Their signers go by the machine's time, whatever the region's clock says."""
    query = request.query
    if "X-Amz-Expires" in query and "X-Amz-Date" in query:
        seconds = query["X-Amz-Expires"]
        if not seconds.isdigit() or int(seconds) > _WEEK:
            text = f"X-Amz-Expires must be a number, at least 0 and less than a week ({_WEEK} seconds)"
            raise AwsError("AuthorizationQueryParametersError", text)
        try:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            text = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
            raise AwsError("AuthorizationQueryParametersError", text) from None
        ends = signed.timestamp() + int(seconds)
    elif "AWSAccessKeyId" in query and query.get("Expires", "").isdigit():
        ends = float(query["Expires"])
    else:
        return
    if time.time() > ends:
        raise AwsError("AccessDenied", "Request has expired", 403)
