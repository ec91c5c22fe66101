"""The region's S3 for its own parts: objects are streamed between moto's buffers and files, never whole in memory."""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import mmap
import os
import tempfile
from pathlib import Path
from shutil import copyfileobj
from types import SimpleNamespace
from typing import IO, Any

from moto.s3 import models as moto_s3
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MissingBucket
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from local_region.ports import ObjectInfo, RegionConfig

_CHUNK = 1024 * 1024
#: an upload in parts beyond this is joined in a file
_JOINED_IN_MEMORY = 32 * 1024 * 1024


class FileContent:
    """The content of a request that is in a file already. It passes through moto as its body's bytes would and gets
    into an object without ever being in memory whole; all that moto may ask of it is its length."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size

    def __len__(self) -> int:
        return self._size

    def copy_to(self, sink: IO[bytes]) -> int:
        self._file.seek(0)
        copyfileobj(self._file, sink, _CHUNK)
        return self._size


class SpooledFile(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
    """Goes to disk *before* a write that would exceed its bound; the standard one holds it in memory first."""

    def write(self, data: Any) -> int:
        if isinstance(data, FileContent):
            self.rollover()
            return data.copy_to(self._file)
        if not self._rolled and self._max_size and self.tell() + len(data) > self._max_size:  # type: ignore[attr-defined]
            self.rollover()
        return super().write(data)


def spool_objects() -> None:
    """Let moto keep its objects in ``SpooledFile``s. It names the class in one place: ``moto.s3.models.tempfile``."""
    moto_s3.tempfile = SimpleNamespace(SpooledTemporaryFile=SpooledFile)  # type: ignore[assignment, attr-defined]


def join_parts_on_disk() -> None:
    """Let moto join the parts of large uploads in a file: its own way holds the object three times in memory."""
    original = inspect.unwrap(moto_s3.FakeMultipart.complete)

    @functools.wraps(original)
    def complete(upload: Any, body: Any) -> Any:
        wanted = list(body)
        parts = [upload.parts.get(number) for number, _ in wanted]
        upload.completed_sizes = [part.contentsize for part in parts if part is not None]
        if sum(part.contentsize for part in parts if part is not None) <= _JOINED_IN_MEMORY:
            return original(upload, iter(wanted))
        return _joined(wanted, parts)

    moto_s3.FakeMultipart.complete = complete  # type: ignore[method-assign, assignment]


def _joined(wanted: Any, parts: Any) -> tuple[mmap.mmap, str, None]:
    """moto's checks and its ETag (MD5 of the parts' MD5s), the content mapped; without a checksum of the whole."""
    digests = b""
    with tempfile.TemporaryFile() as file:
        for number, ((_, etag), part) in enumerate(zip(wanted, parts, strict=True), 1):
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
            if number < len(parts) and part.contentsize < S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall
            digests += bytes.fromhex(part.etag.strip('"'))
            with part.lock:
                part._value_buffer.seek(0)
                copyfileobj(part._value_buffer, file, _CHUNK)
        file.flush()
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return content, f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}", None


class _Descriptor(io.RawIOBase):
    """Reads a file from its start by a descriptor of its own, whatever others do with the file meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._position = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: os.fstat(self._descriptor).st_size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class MotoObjects:
    """``ports.ObjectStore``."""

    def __init__(self, config: RegionConfig) -> None:
        self._account, self._partition = config.account_id, config.partition

    @property
    def _backend(self) -> Any:
        return moto_s3.s3_backends[self._account][self._partition]

    def create_bucket(self, bucket: str, region_name: str) -> None:
        """Make the bucket unless it is there."""
        if bucket not in self._backend.buckets:
            self._backend.create_bucket(bucket, region_name)

    def list(self, bucket: str, prefix: str) -> list[ObjectInfo]:
        """The current objects under ``prefix``, in S3's order (UTF-8 bytes of the key)."""
        keys = self._bucket(bucket).keys
        found = [(name, keys.get(name)) for name in list(keys) if name.startswith(prefix)]
        live = [key for _, key in found if isinstance(key, moto_s3.FakeKey)]
        return [_info(key) for key in sorted(live, key=lambda key: key.name.encode())]

    def head(self, bucket: str, key: str) -> ObjectInfo:
        return _info(self._key(bucket, key))

    def part_sizes(self, bucket: str, key: str) -> tuple[int, ...]:
        """Of the parts that an upload was completed with, in order; empty for an object that was put."""
        upload = self._key(bucket, key).multipart
        return tuple(getattr(upload, "completed_sizes", ()))

    def open(self, bucket: str, key: str) -> IO[bytes]:
        """The object's content as it is now: replacing or deleting the object doesn't disturb the reader."""
        found = self._key(bucket, key)
        with found.lock:
            buffer = found._value_buffer
            if not buffer._rolled:
                buffer.seek(0)
                return io.BytesIO(buffer.read())
            buffer.flush()
            return io.BufferedReader(_Descriptor(os.dup(buffer.fileno())), _CHUNK)

    def download(self, bucket: str, key: str, target: Path) -> None:
        with self.open(bucket, key) as source, target.open("wb") as sink:
            copyfileobj(source, sink, _CHUNK)

    def upload(self, source: Path, bucket: str, key: str) -> ObjectInfo:
        """Put a file. It is mapped, not read: the pages go straight into the object's own file."""
        self._bucket(bucket)
        with source.open("rb") as file:
            etag = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if os.fstat(file.fileno()).st_size == 0:
                return _info(self._backend.put_object(bucket, key, b"", etag=etag))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _info(self._backend.put_object(bucket, key, content, etag=etag))

    def _bucket(self, bucket: str) -> Any:
        try:
            return self._backend.get_bucket(bucket)
        except MissingBucket:
            raise KeyError(f"there is no bucket {bucket}") from None

    def _key(self, bucket: str, key: str) -> Any:
        found = self._bucket(bucket).keys.get(key)
        if not isinstance(found, moto_s3.FakeKey):
            raise KeyError(f"there is no object s3://{bucket}/{key}")
        return found


def _info(key: Any) -> ObjectInfo:
    return ObjectInfo(key.name, key.size, key.etag.strip('"'))


__all__ = ["FileContent", "MotoObjects", "SpooledFile", "join_parts_on_disk", "spool_objects"]
