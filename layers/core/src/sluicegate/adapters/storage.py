"""The data bucket in S3. Large objects stream between S3 and disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sluicegate.adapters.aws import translated
from sluicegate.domain.errors import NotFound
from sluicegate.ports import StoredObject

_CHUNK = 1024 * 1024
_TYPES = {".csv": "text/csv", ".json": "application/json", ".parquet": "application/vnd.apache.parquet"}


class S3Storage:
    """``ports.Storage`` over ``bucket``; ``s3`` is boto3's client."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def head(self, key: str) -> StoredObject:
        with translated():
            found = self._s3.head_object(Bucket=self._bucket, Key=key)
        return StoredObject(key, int(found["ContentLength"]), str(found["ETag"]).strip('"'))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with translated():
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    yield StoredObject(found["Key"], int(found["Size"]), str(found["ETag"]).strip('"'))

    def download(self, key: str, target: Path, etag: str | None = None) -> None:
        """To ``target``. With ``etag``, ``NotFound`` when the key holds other content by now."""
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        with translated():
            try:
                body = self._s3.get_object(Bucket=self._bucket, Key=key, **condition)["Body"]
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 412:
                    raise NotFound(f"{key} has other content by now") from error
                raise
            with target.open("wb") as file:
                for chunk in body.iter_chunks(_CHUNK):
                    file.write(chunk)

    def upload(self, source: Path, key: str) -> None:
        """In parts when it is large."""
        with translated():
            self._s3.upload_file(str(source), self._bucket, key, ExtraArgs={"ContentType": _content_type(key)})

    def read(self, key: str, limit: int) -> bytes:
        with translated():
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
            content: bytes = body.read(limit + 1)
        return content

    def link(self, key: str, seconds: int) -> str:
        """An address that gives the object to whoever has it, for ``seconds``."""
        with translated():
            found: str = self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=seconds
            )
        return found

    def write(self, key: str, content: bytes, content_type: str) -> None:
        with translated():
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)


def _content_type(key: str) -> str:
    return _TYPES.get(Path(key).suffix, "application/octet-stream")
