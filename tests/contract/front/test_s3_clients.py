"""What S3's clients rely on beyond storing and reading: conditions, pages, parts, refusals in S3's words."""

from __future__ import annotations

import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion

MB = 1024 * 1024
KEYS = ("a/1", "a/2", "a/b/3", "c d/x", "e", "f+g/ü", "z&<")
NONE = '"00000000000000000000000000000000"'


@pytest.fixture(scope="module")
def s3(region: RunningRegion) -> Any:
    return region.client("s3", config=Config(parameter_validation=False, retries={"max_attempts": 0}))


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    name = f"clients-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=key, Body=b"0123456789")
    return name


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]["Code"]


REFUSED: dict[str, tuple[Callable[[Any, str], Any], tuple[int, str]]] = {
    "a name that no bucket may have": (lambda c, _: c.create_bucket(Bucket="Bad_Name"), (400, "InvalidBucketName")),
    "a name like an address": (lambda c, _: c.create_bucket(Bucket="192.168.5.4"), (400, "InvalidBucketName")),
    "a long key": (lambda c, b: c.put_object(Bucket=b, Key="k" * 1025), (400, "KeyTooLongError")),
    "much metadata": (
        lambda c, b: c.put_object(Bucket=b, Key="m", Metadata={"a": "x" * 2048}),
        (400, "MetadataTooLarge"),
    ),
    "If-None-Match with an ETag": (
        lambda c, b: c.put_object(Bucket=b, Key="e", IfNoneMatch=NONE),
        (501, "NotImplemented"),
    ),
    "a copy of what has changed": (
        lambda c, b: c.copy_object(Bucket=b, Key="n", CopySource=f"{b}/e", CopySourceIfMatch=NONE),
        (412, "PreconditionFailed"),
    ),
    "a copy of what is older": (
        lambda c, b: c.copy_object(
            Bucket=b, Key="n", CopySource=f"{b}/e", CopySourceIfModifiedSince=datetime.now(UTC) + timedelta(days=1)
        ),
        (412, "PreconditionFailed"),
    ),
    "a copy onto what is there": (
        lambda c, b: c.copy_object(Bucket=b, Key="a/1", CopySource=f"{b}/e", IfNoneMatch="*"),
        (412, "PreconditionFailed"),
    ),
    "a copy from no bucket": (
        lambda c, b: c.copy_object(Bucket=b, Key="n", CopySource="no-such-bucket-here/e"),
        (404, "NoSuchBucket"),
    ),
    "a page by no token": (
        lambda c, b: c.list_objects_v2(Bucket=b, ContinuationToken="none"),
        (400, "InvalidArgument"),
    ),
    "an unknown encoding": (lambda c, b: c.list_objects_v2(Bucket=b, EncodingType="x"), (400, "InvalidArgument")),
    "a negative page": (lambda c, b: c.list_objects_v2(Bucket=b, MaxKeys=-1), (400, "InvalidArgument")),
    "too many deletions": (
        lambda c, b: c.delete_objects(Bucket=b, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]}),
        (400, "MalformedXML"),
    ),
    "a part of no upload": (
        lambda c, b: c.upload_part(Bucket=b, Key="p", UploadId="none", PartNumber=1),
        (404, "NoSuchUpload"),
    ),
    "part 0": (
        lambda c, b: c.upload_part(Bucket=b, Key="p", UploadId="none", PartNumber=0),
        (400, "InvalidArgument"),
    ),
    "another body than the digest says": (
        lambda c, b: c.put_object(Bucket=b, Key="never", Body=b"x", ChecksumSHA256="A" * 43 + "="),
        (400, "BadDigest"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(s3: Any, bucket: str, case: str) -> None:
    call, expected = REFUSED[case]
    assert refused(lambda: call(s3, bucket)) == expected


def test_what_was_refused_is_not_there(s3: Any, bucket: str) -> None:
    for key in ("n", "never", "p", "m"):
        assert refused(lambda key=key: s3.head_object(Bucket=bucket, Key=key)) == (404, "404")  # type: ignore[misc]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_pages_count_common_prefixes_and_keep_every_name(s3: Any, bucket: str, operation: str) -> None:
    pages = s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
    found = [
        [entry["Key"] for entry in page.get("Contents", [])] + [one["Prefix"] for one in page.get("CommonPrefixes", [])]
        for page in pages
    ]
    assert found == [["a/", "c d/"], ["e", "f+g/"], ["z&<"]]


def test_a_page_has_a_thousand_keys_at_most(s3: Any, bucket: str) -> None:
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000


def test_a_quiet_deletion_says_nothing(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="gone")
    said = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "gone"}], "Quiet": True})
    assert "Deleted" not in said
    assert refused(lambda: s3.head_object(Bucket=bucket, Key="gone")) == (404, "404")


def test_of_many_who_write_only_if_nobody_has_one_wins(s3: Any, bucket: str) -> None:
    def write(number: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, first in enumerate(pool.map(write, range(24))) if first]
    assert [b"%d" % number for number in won] == [s3.get_object(Bucket=bucket, Key="lock")["Body"].read()]


def test_parts_go_together_in_order_and_come_back_one_by_one(s3: Any, bucket: str) -> None:
    upload = {"Bucket": bucket, "Key": "ü/parts", "UploadId": ""}
    upload["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="ü/parts")["UploadId"]
    contents = [b"a" * 5 * MB, b"b" * 5 * MB, b"c"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=content)["ETag"]}
        for number, content in enumerate(contents, 1)
    ]

    def complete(parts: list[dict[str, Any]], **conditions: str) -> Any:
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **conditions)

    assert refused(lambda: complete(parts[::-1])) == (400, "InvalidPartOrder")
    assert refused(lambda: complete(parts, IfMatch=NONE)) == (404, "NoSuchKey")
    s3.put_object(Bucket=bucket, Key="ü/parts", Body=b"meanwhile")
    assert refused(lambda: complete(parts, IfNoneMatch="*")) == (412, "PreconditionFailed")
    assert refused(lambda: complete(parts, IfMatch=NONE)) == (412, "PreconditionFailed")
    etag = complete(parts)["ETag"]
    assert complete(parts)["ETag"] == etag  # the answer was lost: the same again
    for number, content in enumerate(contents, 1):
        one = s3.get_object(Bucket=bucket, Key="ü/parts", PartNumber=number)
        assert (one["Body"].read() == content, one["PartsCount"], one["ResponseMetadata"]["HTTPStatusCode"]) == (
            True,
            3,
            206,
        )
        assert s3.head_object(Bucket=bucket, Key="ü/parts", PartNumber=number)["ContentLength"] == len(content)
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="ü/parts", PartNumber=4)) == (416, "InvalidPartNumber")
    source = {"Bucket": bucket, "Key": "ü/parts"}
    upload["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="ü/parts")["UploadId"]
    beyond = f"bytes=0-{10 * MB + 1}"
    copied = {**upload, "PartNumber": 1, "CopySource": source}
    assert refused(lambda: s3.upload_part_copy(**copied, CopySourceRange=beyond)) == (400, "InvalidArgument")
    assert refused(lambda: s3.upload_part_copy(**copied, CopySourceIfMatch=NONE)) == (412, "PreconditionFailed")
    s3.abort_multipart_upload(**upload)


def test_versions_are_not_given_up(s3: Any) -> None:
    name = f"versions-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    for status in ("Suspended", "Enabled"):  # nothing is lost by the first: there are no versions yet
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    suspended = {"Bucket": name, "VersioningConfiguration": {"Status": "Suspended"}}
    assert refused(lambda: s3.put_bucket_versioning(**suspended)) == (501, "NotImplemented")


def test_uploads_under_way_are_listed_by_pages(s3: Any, bucket: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    keys = ["u/a", "u/a", "u/b", "u/c+d/1", "u/c+d/2"]
    ids = [s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys]
    pages = list(
        s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, Prefix="u/", PaginationConfig={"PageSize": 2}
        )
    )
    found = [(one["Key"], one["UploadId"]) for page in pages for one in page["Uploads"]]
    assert found == list(zip(keys, ids, strict=True))
    assert [len(page["Uploads"]) for page in pages] == [2, 2, 1]
    assert all(one["Initiated"] > before for page in pages for one in page["Uploads"])
    rolled = s3.list_multipart_uploads(Bucket=bucket, Prefix="u/", Delimiter="/")
    assert ([one["Key"] for one in rolled["Uploads"]], rolled["CommonPrefixes"]) == (keys[:3], [{"Prefix": "u/c+d/"}])
    for key, upload in zip(keys, ids, strict=True):
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_signed_address_ends(region: RunningRegion, bucket: str, version: str) -> None:
    client = region.client("s3", config=Config(signature_version=version))
    urls = [
        client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "e"}, ExpiresIn=seconds)
        for seconds in (60, -60 if version == "s3" else 60)
    ]
    with urllib.request.urlopen(urls[0], timeout=10) as answer:
        assert answer.read() == b"0123456789"
    ended = urls[1] if version == "s3" else urls[1].replace("X-Amz-Date=202", "X-Amz-Date=201")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(ended, timeout=10)
    assert caught.value.code == 403
    assert b"Request has expired" in caught.value.read()
