"""S3 data sources: prefixes and manifests to objects, objects to a channel's folder."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from local_region.ports import ObjectStore


class DataError(Exception):
    """The customer's data can't be had; becomes ``ClientError: …`` in a job's FailureReason."""


@dataclass(frozen=True)
class Item:
    """An object and its path relative to the source's prefix."""

    bucket: str
    key: str
    relative: str
    size: int


def split_uri(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` → bucket, key."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "https") or not bucket:
        raise DataError(f"{uri} is not an S3 URI (s3://bucket/prefix)")
    return bucket, key


def join_uri(uri: str, *parts: str) -> str:
    return "/".join([uri.rstrip("/"), *parts])


def relative_to(prefix: str, key: str) -> str:
    """A key's path below a prefix: below its last ``/`` if the prefix ends within a name."""
    if key == prefix:
        return PurePosixPath(key).name
    folder = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    if key.startswith(folder):
        return key[len(folder) :]
    return key[prefix.rfind("/") + 1 :]


def objects_of(store: ObjectStore, source: Mapping[str, Any]) -> list[Item]:
    """The objects of an ``S3DataSource``. ``DataError`` if there are none."""
    uri, kind = source["S3Uri"], source["S3DataType"]
    items = _manifest(store, uri) if kind == "ManifestFile" else _prefix(store, uri)
    if not items:
        raise DataError(f"Data download failed:S3 key: {uri} matched no files on s3")
    return items


def _prefix(store: ObjectStore, uri: str) -> list[Item]:
    bucket, prefix = split_uri(uri)
    try:
        found = store.list(bucket, prefix)
    except KeyError:
        raise DataError(f"Data download failed:NoSuchBucket (404): The bucket {bucket} does not exist") from None
    return [
        Item(bucket, each.key, relative_to(prefix, each.key), each.size) for each in found if not each.key.endswith("/")
    ]


def _manifest(store: ObjectStore, uri: str) -> list[Item]:
    bucket, key = split_uri(uri)
    try:
        with store.open(bucket, key) as stream:
            content = json.load(stream)
    except KeyError:
        raise DataError(f"Data download failed:NoSuchKey (404): the manifest {uri} does not exist") from None
    except ValueError as error:
        raise DataError(f"The manifest {uri} is not JSON: {error}") from None
    if not (isinstance(content, list) and content and isinstance(content[0], dict) and "prefix" in content[0]):
        raise DataError(f'The manifest {uri} must be a list that starts with {{"prefix": "s3://…"}}')
    data_bucket, prefix = split_uri(str(content[0]["prefix"]))
    items = []
    for name in content[1:]:
        try:
            info = store.head(data_bucket, prefix + str(name))
        except KeyError:
            raise DataError(
                f"Data download failed:NoSuchKey (404): s3://{data_bucket}/{prefix}{name} (of the manifest) is missing"
            ) from None
        items.append(Item(data_bucket, info.key, str(name), info.size))
    return items


def download(store: ObjectStore, item: Item, folder: Path, gzipped: bool) -> None:
    """To ``folder/<relative path>``, streamed; unpacked (and ``.gz`` cut off) if ``gzipped``."""
    path = PurePosixPath(item.relative)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"The key {item.key} can't be a file name of a channel")
    target = folder.joinpath(*path.parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not gzipped:
            store.download(item.bucket, item.key, target)
            return
        plain_target = target.with_name(target.name.removesuffix(".gz"))
        with store.open(item.bucket, item.key) as packed, gzip.open(packed) as plain, plain_target.open("wb") as sink:
            shutil.copyfileobj(plain, sink, 1 << 20)
    except KeyError:
        raise DataError(f"Data download failed:NoSuchKey (404): s3://{item.bucket}/{item.key} does not exist") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise DataError(f"The key {item.key} is both a file and a folder of the channel") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"s3://{item.bucket}/{item.key} is not gzip, which CompressionType says: {error}") from None
