"""Content that isn't what its sender says it is: refused, as S3 does. moto takes a wrong digest's word and stores it.

Sources: "Checking object integrity" of the Amazon S3 User Guide; the codes are "Error responses" of its API Reference.
A checksum that comes in a trailer (``aws-chunked``) is not compared: SDKs send trailers over TLS only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from local_region.front.request import Incoming
from local_region.front.streams import blocks
from local_region.ports import AwsError

_BLOCK = 1024 * 1024
_CHECKSUM = "x-amz-checksum-"


class _Crc:
    """A cyclic redundancy check as ``hashlib``'s hashes are used; ``step(data, previous)`` is the library's."""

    def __init__(self, step: Callable[[bytes, int], int], size: int) -> None:
        self._step, self._size, self._value = step, size, 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _crt(name: str) -> Callable[[bytes, int], int]:
    from awscrt import checksums

    step: Callable[[bytes, int], int] = getattr(checksums, name)
    return step


#: the algorithm of a header's name → a hash to begin with, and its digest's length
_ALGORITHMS: dict[str, tuple[Callable[[], Any], int]] = {
    "crc32": (lambda: _Crc(zlib.crc32, 4), 4),
    "crc32c": (lambda: _Crc(_crt("crc32c"), 4), 4),
    "crc64nvme": (lambda: _Crc(_crt("crc64nvme"), 8), 8),
    "sha1": (lambda: hashlib.sha1(usedforsecurity=False), 20),
    "sha256": (hashlib.sha256, 32),
}


def refuse_altered(request: Incoming) -> None:
    """``AwsError`` when the body isn't of the Content-MD5 or of the checksum that its headers declare."""
    if request.method not in {"PUT", "POST"} or "HTTP_X_AMZ_COPY_SOURCE" in request.environ:
        return
    wanted = list(_declared(request))
    if not wanted:
        return
    hashes = [make() for _, make, _ in wanted]
    body, size = request.environ["wsgi.input"], request.content_length
    for block in blocks(body, size, _BLOCK):
        for one in hashes:
            one.update(block)
    if size:
        body.seek(0)  # for moto to read
    for (called, _, digest), one in zip(wanted, hashes, strict=True):
        if one.digest() == digest:
            continue
        if called == "Content-MD5":
            raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")
        text = f"The {called.upper()} you specified did not match the calculated checksum."
        raise AwsError("BadDigest", text)


def _declared(request: Incoming) -> Iterable[tuple[str, Callable[[], Any], bytes]]:
    """What a digest is called, its hash, its value: of each that describes the body as it is sent."""
    if (request.header("X-Amz-Content-Sha256") or "").startswith("STREAMING-"):
        return
    md5 = request.header("Content-MD5")
    if md5 is not None:
        digest = _decoded(md5, 16)
        if digest is None:
            raise AwsError("InvalidDigest", "The Content-MD5 you specified is not valid.")
        yield "Content-MD5", lambda: hashlib.md5(usedforsecurity=False), digest
    if "uploads" in request.query or ("uploadId" in request.query and "partNumber" not in request.query):
        return  # there the checksum is that of the object to be
    for name, (make, size) in _ALGORITHMS.items():
        value = request.header(_CHECKSUM + name)
        if value is None:
            continue
        digest = _decoded(value, size)
        if digest is None:
            raise AwsError("InvalidRequest", f"Value for {_CHECKSUM}{name} header is invalid.")
        yield name, make, digest


def _decoded(text: str, size: int) -> bytes | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return digest if len(digest) == size else None
