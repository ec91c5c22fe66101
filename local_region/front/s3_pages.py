"""S3's lists as its clients page through them, and uploads in parts, where moto's own don't do.

* ListObjects counts common prefixes as it counts keys, encodes them, and goes on after the last of either.
* ListMultipartUploads has pages, common prefixes, and when an upload began.
* CompleteMultipartUpload refuses parts out of order, which moto joins as they come.
* DeleteObjects says nothing of what it deleted when it is asked to be quiet.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

_OWNER = {"ID": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", "DisplayName": "webfile"}
_PAGE = 1000
_QUIET = re.compile(rb"<(?:\w+:)?Quiet>\s*true\s*</", re.IGNORECASE)


def install() -> None:
    """Put these ways in the place of moto's, for all of the process."""
    from moto.s3.exceptions import InvalidPartOrder
    from moto.s3.models import FakeMultipart
    from moto.s3.responses import S3Response

    begin = inspect.unwrap(FakeMultipart.__init__)

    @functools.wraps(begin)
    def __init__(upload: Any, *args: Any, **kwargs: Any) -> None:
        begin(upload, *args, **kwargs)
        upload.initiated = datetime.now(UTC)

    parts = inspect.unwrap(S3Response._complete_multipart_body)

    @functools.wraps(parts)
    def _complete_multipart_body(response: Any, body: bytes) -> Iterator[tuple[int, str]]:
        found = list(parts(response, body))
        numbers = [number for number, _ in found]
        if numbers != sorted(set(numbers)):
            raise InvalidPartOrder
        return iter(found)

    delete = inspect.unwrap(S3Response._bucket_response_delete_keys)

    @functools.wraps(delete)
    def _bucket_response_delete_keys(response: Any, *args: Any, **kwargs: Any) -> Any:
        if not _QUIET.search(response.body if isinstance(response.body, bytes) else response.body.encode()):
            return delete(response, *args, **kwargs)
        serialized = response.serialized

        def quiet(result: Any) -> Any:
            result._result.pop("Deleted", None)
            return serialized(result)

        response.serialized = quiet
        return delete(response, *args, **kwargs)

    for name, method in (
        ("list_objects", _list_objects),
        ("list_multipart_uploads", _list_multipart_uploads),
        ("_complete_multipart_body", _complete_multipart_body),
        ("_bucket_response_delete_keys", _bucket_response_delete_keys),
    ):
        setattr(S3Response, name, method)
    setattr(FakeMultipart, "__init__", __init__)  # noqa: B010 (a method of moto's class)


def page(names: Iterable[str], prefix: str, delimiter: str, after: str, size: int) -> tuple[list[str], bool]:
    """The next ``size`` of keys and common prefixes behind ``after``, in S3's order, and whether more follow.

    A common prefix ends with the delimiter and stands for all keys that begin with it.

    >>> page(["a/1", "a/2", "b", "c/1"], "", "/", "", 2), page(["a/1", "a/2", "b", "c/1"], "", "/", "b", 2)
    ((['a/', 'b'], True), (['c/'], False))
    """
    found = {_rolled(name, prefix, delimiter) for name in names if name.startswith(prefix)}
    rest = sorted(name for name in found if name > after)
    return rest[:size], len(rest) > size > 0


def _rolled(name: str, prefix: str, delimiter: str) -> str:
    at = name.find(delimiter, len(prefix)) if delimiter else -1
    return name if at < 0 else name[: at + len(delimiter)]


class _Query:
    def __init__(self, response: Any) -> None:
        self._values = response.querystring

    def text(self, name: str) -> str:
        value = (self._values.get(name) or [""])[0] or ""
        return value.decode() if isinstance(value, bytes) else value

    def number(self, name: str) -> int:
        return int(self.text(name) or _PAGE)

    @property
    def encode(self) -> Any:
        return quote if self.text("encoding-type") == "url" else str

    def asked(self, names: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Members that repeat what was asked; those in which keys stand are encoded like keys."""
        encode = self.encode
        given = {member: encode(self.text(name)) for member, name in names if self.text(name)}
        return {**given, **({"EncodingType": "url"} if encode is quote else {})}


def _list_objects(self: Any) -> Any:
    from moto.core.responses import ActionResult
    from moto.s3.models import FakeKey

    bucket, query = self.backend.get_bucket(self.bucket_name), _Query(self)
    live = {name: key for name, key in list(bucket.keys.items()) if isinstance(key, FakeKey)}
    prefix, delimiter, size = query.text("prefix"), query.text("delimiter"), query.number("max-keys")
    names, more = page(live, prefix, delimiter, query.text("marker"), size)
    result: dict[str, Any] = {
        "Name": bucket.name,
        "Prefix": query.encode(prefix),
        "Marker": query.encode(query.text("marker")),
        "MaxKeys": size,
        "IsTruncated": more,
        **query.asked([("Delimiter", "delimiter")]),
        "Contents": [
            {
                "Key": query.encode(name),
                "LastModified": live[name].last_modified_ISO8601,
                "ETag": live[name].etag,
                "Size": live[name].size,
                "StorageClass": live[name].storage_class,
                "Owner": _OWNER,
            }
            for name in names
            if not _is_prefix(name, prefix, delimiter)
        ],
        "CommonPrefixes": [{"Prefix": query.encode(name)} for name in names if _is_prefix(name, prefix, delimiter)],
    }
    if more and delimiter:
        result["NextMarker"] = query.encode(names[-1])
    self.data["Action"] = "ListObjects"
    return self.serialized(ActionResult(result))


def _is_prefix(name: str, prefix: str, delimiter: str) -> bool:
    return bool(delimiter) and delimiter in name[len(prefix) :]


def _list_multipart_uploads(self: Any) -> Any:
    from moto.core.responses import ActionResult

    bucket, query = self.backend.get_bucket(self.bucket_name), _Query(self)
    prefix, delimiter, size = query.text("prefix"), query.text("delimiter"), query.number("max-uploads")
    marker, upload_marker = query.text("key-marker"), query.text("upload-id-marker")
    # By key, then by the time they began; the upload marker says how far a key's own uploads were told.
    uploads = sorted(bucket.multiparts.values(), key=lambda upload: (upload.key_name, upload.initiated))
    same = [upload.id for upload in uploads if upload.key_name == marker]
    told = set(same[: same.index(upload_marker) + 1] if upload_marker in same else same)
    rows: list[tuple[str, Any]] = []
    for upload in uploads:
        name = upload.key_name
        if not name.startswith(prefix) or name < marker or upload.id in told:
            continue
        rolled = _rolled(name, prefix, delimiter)
        if rolled == name:
            rows.append((name, upload))
        elif rolled > marker and (rolled, None) not in rows:
            rows.append((rolled, None))
    shown, more = rows[:size], len(rows) > size > 0
    result: dict[str, Any] = {
        "Bucket": bucket.name,
        "KeyMarker": query.encode(marker),
        "UploadIdMarker": upload_marker,
        "MaxUploads": size,
        "IsTruncated": more,
        **query.asked([("Prefix", "prefix"), ("Delimiter", "delimiter")]),
        "Uploads": [_upload(query.encode(name), upload) for name, upload in shown if upload is not None],
        "CommonPrefixes": [{"Prefix": query.encode(name)} for name, upload in shown if upload is None],
    }
    if more:
        name, upload = shown[-1]
        result["NextKeyMarker"] = query.encode(name)
        result["NextUploadIdMarker"] = upload.id if upload is not None else ""
    self.data["Action"] = "ListMultipartUploads"
    return self.serialized(ActionResult(result))


def _upload(name: str, upload: Any) -> dict[str, Any]:
    return {
        "Key": name,
        "UploadId": upload.id,
        "Initiator": _OWNER,
        "Owner": _OWNER,
        "StorageClass": upload.storage or "STANDARD",
        "Initiated": upload.initiated,
        "ChecksumAlgorithm": upload.metadata.get("x-amz-checksum-algorithm"),
        "ChecksumType": upload.metadata.get("x-amz-checksum-type"),
    }
