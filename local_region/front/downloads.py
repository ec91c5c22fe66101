"""Streams large objects. moto answers a GET by reading the whole object into memory, once for each of the ranges in
which boto3 fetches a large file; here moto says what the answer is (by a HEAD), and the content comes from its file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlencode

from local_region.front.moto_gate import SPOOL_BYTES, MotoGate
from local_region.front.request import Incoming
from local_region.front.streams import blocks
from local_region.ports import AwsError, ObjectStore

Streamed = tuple[int, list[tuple[str, str]], Iterator[bytes]]

_PART = "partNumber"
_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: what a query may hold beside a signature, for this to be a plain GET of the current version
_PLAIN = re.compile(r"x-id|x-amz-.*|awsaccesskeyid|signature|expires", re.IGNORECASE)


class Downloads:
    """Answers those GETs that moto would hold in memory; all others are left to moto."""

    def __init__(self, objects: ObjectStore, moto: MotoGate) -> None:
        self._objects, self._moto = objects, moto

    def answer(self, request: Incoming) -> Streamed | None:
        """The answer, or None for moto to give it. Permissions have been checked already."""
        if request.scope.access_key_id is None or request.scope.service != "s3":
            return None
        bucket, key = request.bucket_and_key
        if not bucket or not key:
            return None
        asked = set(request.query) - {_PART}
        if request.method not in {"GET", "HEAD"} or not all(_PLAIN.fullmatch(name) for name in asked):
            return None
        try:
            if _PART in request.query:
                return self._part(request, bucket, key)
            if request.method != "GET":
                return None
            size = self._objects.head(bucket, key).size
            wanted = span(request.header("Range"), size)
            if size <= SPOOL_BYTES or wanted is None:
                return None
            status, headers, _ = self._moto.answer(_head_of(request))
            if status != 200:
                return None
            return _answer(headers, self._objects.open(bucket, key), wanted, size)
        except KeyError:
            return None  # moto has the words for it

    def _part(self, request: Incoming, bucket: str, key: str) -> Streamed | None:
        """One part of an object that was uploaded in parts, of which moto gives the whole."""
        sizes, text = self._objects.part_sizes(bucket, key), request.query[_PART]
        if not sizes or not text.isdigit() or int(text) < 1:
            return None
        number = int(text)
        if number > len(sizes):
            raise AwsError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
        status, headers, _ = self._moto.answer(_head_of(request))
        if status != 200:
            return None
        first = sum(sizes[: number - 1])
        span = (first, first + sizes[number - 1] - 1)
        _, kept, content = _answer(headers, self._objects.open(bucket, key), span, sum(sizes))
        kept.append(("x-amz-mp-parts-count", str(len(sizes))))
        if len(sizes) == 1:
            kept.append(("Content-Range", f"bytes 0-{sizes[0] - 1}/{sizes[0]}"))
        return 206, kept, content if request.method == "GET" else iter(())


def span(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that a ``Range`` header asks for (RFC 9110, 14.1.2); None when it can't be served.

    >>> span(None, 10), span("bytes=2-4", 10), span("bytes=8-99", 10), span("bytes=-3", 10), span("bytes=10-", 10)
    ((0, 9), (2, 4), (8, 9), (7, 9), None)
    """
    if header is None:
        return 0, size - 1
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    return (first, last) if first <= last else None


def _head_of(request: Incoming) -> Incoming:
    environ: dict[str, Any] = {**request.environ, "REQUEST_METHOD": "HEAD"}
    environ.pop("HTTP_RANGE", None)
    environ["QUERY_STRING"] = urlencode([pair for pair in request.query_pairs if pair[0] != _PART])
    return Incoming(environ)


def _answer(headers: list[tuple[str, str]], content: IO[bytes], wanted: tuple[int, int], size: int) -> Streamed:
    first, last = wanted
    count = last - first + 1
    partial = count < size
    # A checksum is the whole object's, so wrong for a part; and of an object uploaded in parts moto gives the checksum
    # of their checksums without saying so.
    in_parts = any(name.lower() == "etag" and "-" in value for name, value in headers)
    dropped = ("content-length", "content-range") + (("x-amz-checksum-",) if partial or in_parts else ())
    kept = [(name, value) for name, value in headers if not name.lower().startswith(dropped)]
    kept.append(("Content-Length", str(count)))
    if partial:
        kept.append(("Content-Range", f"bytes {first}-{last}/{size}"))
    return (206 if partial else 200), kept, _chunks(content, first, count)


def _chunks(content: IO[bytes], first: int, count: int) -> Iterator[bytes]:
    with content:
        content.seek(first)
        yield from blocks(content, count, _CHUNK)
