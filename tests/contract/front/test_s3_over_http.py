"""S3 as its clients use it: SDK, browser forms and presigned URLs, raw HTTP."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import re
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, wait_for

MB = 1024 * 1024
SIGNED = "AWS4-HMAC-SHA256 Credential=AK/20261122/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@pytest.fixture
def bucket(region: RunningRegion) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    return name


def caused(region: RunningRegion, after: int, count: int) -> list[dict[str, Any]]:
    """The events after a number, once there are ``count``; more than that shows in the caller's comparison."""
    wait_for(lambda: len(region.events_after(after)) >= count, what=f"{count} events")
    return region.events_after(after)


def test_the_deployments_bucket_is_there_from_the_start(region: RunningRegion) -> None:
    assert "sluicegate-deployments" in [b["Name"] for b in region.client("s3").list_buckets()["Buckets"]]


def test_a_put_causes_one_event_in_the_documented_shape(region: RunningRegion, bucket: str) -> None:
    before = region.last_event()
    put = region.client("s3").put_object(Bucket=bucket, Key="data/a b+ü.csv", Body=b"x,y\n")
    (event,) = caused(region, before, 1)
    assert event["source"] == "aws.s3"
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    detail = event["detail"]
    assert re.fullmatch(r"[0-9A-F]{16,}", detail["object"].pop("sequencer"))
    assert re.fullmatch(r"[0-9A-Za-z-]{16,}", detail.pop("request-id"))
    assert detail == {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {"key": "data/a b+ü.csv", "size": 4, "etag": put["ETag"].strip('"')},
        "requester": region.account_id,
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }


def test_each_way_of_writing_and_deleting_causes_one_event_with_its_reason(region: RunningRegion, bucket: str) -> None:
    s3 = region.client("s3")
    before = region.last_event()
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    s3.copy_object(Bucket=bucket, Key="two", CopySource={"Bucket": bucket, "Key": "one"})
    parts = TransferConfig(multipart_threshold=5 * MB, multipart_chunksize=5 * MB)
    s3.upload_fileobj(io.BytesIO(b"m" * (11 * MB)), bucket, "three", Config=parts)
    s3.delete_object(Bucket=bucket, Key="one")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "two"}, {"Key": "three"}]})
    events = caused(region, before, 6)
    assert [(event["detail"]["reason"], event["detail"]["object"]["key"]) for event in events] == [
        ("PutObject", "one"),
        ("CopyObject", "two"),
        ("CompleteMultipartUpload", "three"),
        ("DeleteObject", "one"),
        ("DeleteObject", "two"),
        ("DeleteObject", "three"),
    ]
    assert events[2]["detail"]["object"]["size"] == 11 * MB
    assert all(event["detail"]["deletion-type"] == "Permanently Deleted" for event in events[3:])
    sequence = [event["detail"]["object"]["sequencer"] for event in events]
    assert sequence == sorted(set(sequence))


def test_a_versioned_bucket_tells_versions_and_delete_markers(region: RunningRegion, bucket: str) -> None:
    s3 = region.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    before = region.last_event()
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    created, marked, gone = caused(region, before, 3)
    assert created["detail"]["object"]["version-id"] == version
    assert (marked["detail"]["deletion-type"], marked["detail"]["object"]["version-id"]) == (
        "Delete Marker Created",
        marker,
    )
    assert (gone["detail"]["deletion-type"], gone["detail"]["object"]["version-id"]) == ("Permanently Deleted", version)


def test_a_bucket_without_eventbridge_is_silent(region: RunningRegion) -> None:
    s3, name = region.client("s3"), f"quiet-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    before = region.last_event()
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    s3.delete_object(Bucket=name, Key="k")
    assert region.events_after(before) == []


def test_a_failed_write_causes_no_event(region: RunningRegion, bucket: str) -> None:
    before = region.last_event()
    with pytest.raises(ClientError, match="NoSuchKey"):
        region.client("s3").copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "absent"})
    assert region.events_after(before) == []


def test_browsers_use_presigned_urls_and_forms(region: RunningRegion, bucket: str) -> None:
    s3 = region.client("s3")
    before = region.last_event()
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "put"}, ExpiresIn=60)
    request = urllib.request.Request(url, data=b"by browser", method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "put"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"by browser"

    form = s3.generate_presigned_post(bucket, "form/${filename}", ExpiresIn=60)
    body, kind = _multipart(form["fields"], "data.csv", b"a,b\n1,2\n")
    request = urllib.request.Request(form["url"], data=body, headers={"Content-Type": kind}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status in {200, 201, 204}
    assert s3.get_object(Bucket=bucket, Key="form/data.csv")["Body"].read() == b"a,b\n1,2\n"
    reasons = [event["detail"]["reason"] for event in caused(region, before, 2)]
    assert reasons == ["PutObject", "POST Object"]


def _multipart(fields: dict[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = b"".join(parts) + head + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize("size", [0, 1, 100_000, 9 * MB])
def test_content_of_any_size_comes_back_as_it_was(region: RunningRegion, bucket: str, size: int) -> None:
    s3, content = region.client("s3"), bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    s3.put_object(Bucket=bucket, Key="k", Body=content, ChecksumAlgorithm="SHA256")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == content
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == size


def test_ranges(region: RunningRegion, bucket: str) -> None:
    s3 = region.client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789" * 20_000)
    part = s3.get_object(Bucket=bucket, Key="k", Range="bytes=100005-100009")
    assert (part["Body"].read(), part["ContentRange"]) == (b"56789", "bytes 100005-100009/200000")


def test_large_objects_are_fetched_in_parts_and_whole(region: RunningRegion, bucket: str, tmp_path: Path) -> None:
    s3, content = region.client("s3"), os.urandom(17 * MB)
    s3.upload_fileobj(io.BytesIO(content), bucket, "big")
    s3.download_file(bucket, "big", str(tmp_path / "big"))
    assert (tmp_path / "big").read_bytes() == content
    whole = s3.get_object(Bucket=bucket, Key="big", IfMatch=s3.head_object(Bucket=bucket, Key="big")["ETag"])
    assert (whole["ResponseMetadata"]["HTTPStatusCode"], whole["Body"].read()) == (200, content)
    assert s3.get_object(Bucket=bucket, Key="big", Range="bytes=-5")["Body"].read() == content[-5:]
    with pytest.raises(ClientError, match=r"InvalidRange|416"):
        s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={17 * MB}-")
    with pytest.raises(ClientError, match=r"412|PreconditionFailed"):
        s3.get_object(Bucket=bucket, Key="big", IfMatch='"another"')
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "big"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == content


def memory_peak(region: RunningRegion) -> int:
    """Bytes; Linux only."""
    lines = Path(f"/proc/{region.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
def test_a_large_put_is_not_held_in_memory(region: RunningRegion, bucket: str) -> None:
    s3, content = region.client("s3"), os.urandom(120 * MB)
    before = memory_peak(region)
    put = s3.put_object(Bucket=bucket, Key="large", Body=content, Metadata={"kept": "yes"})
    assert memory_peak(region) - before < 80 * MB
    assert put["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="large")
    assert (got["Body"].read() == content, got["Metadata"]) == (True, {"kept": "yes"})


@pytest.mark.parametrize("way", ["presigned", "summed later", "part"])
def test_large_content_by_other_ways(region: RunningRegion, bucket: str, way: str) -> None:
    s3, content = region.client("s3"), os.urandom(17 * MB)
    if way == "presigned":
        url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": way})
        urllib.request.urlopen(urllib.request.Request(url, content, {"Content-Type": "text/csv"}, method="PUT")).close()
        assert s3.head_object(Bucket=bucket, Key=way)["ContentType"] == "text/csv"
    elif way == "summed later":
        headers = {"Authorization": SIGNED, "X-Amz-Sdk-Checksum-Algorithm": "SHA256"}
        request = urllib.request.Request(f"{region.endpoint}/{bucket}/summed%20later", content, headers, method="PUT")
        with urllib.request.urlopen(request) as answer:
            expected = base64.b64encode(hashlib.sha256(content).digest()).decode()
            assert answer.headers["x-amz-checksum-sha256"] == expected
    else:
        upload = s3.create_multipart_upload(Bucket=bucket, Key=way)["UploadId"]
        named = {"Bucket": bucket, "Key": way, "UploadId": upload}
        etag = s3.upload_part(**named, PartNumber=1, Body=content)["ETag"]
        s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert s3.get_object(Bucket=bucket, Key=way)["Body"].read() == content


def test_a_very_large_upload_is_joined_in_order_and_checked(region: RunningRegion, bucket: str) -> None:
    s3, parts = region.client("s3"), [os.urandom(12 * MB) for _ in range(3)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="huge")["UploadId"]
    etags = [
        s3.upload_part(Bucket=bucket, Key="huge", UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number, part in enumerate(parts, 1)
    ]
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    wrong = [*listed[:2], {"PartNumber": 3, "ETag": etags[0]}]
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(Bucket=bucket, Key="huge", UploadId=upload, MultipartUpload={"Parts": wrong})
    done = s3.complete_multipart_upload(Bucket=bucket, Key="huge", UploadId=upload, MultipartUpload={"Parts": listed})
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert s3.get_object(Bucket=bucket, Key="huge")["Body"].read() == b"".join(parts)


def test_aws_chunked_bodies_are_taken_apart(region: RunningRegion, bucket: str) -> None:
    host = urlsplit(region.endpoint).netloc
    body = b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request(
        "PUT",
        f"/{bucket}/chunked",
        body=body,
        headers={
            "Content-Encoding": "aws-chunked",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": "5",
            "Authorization": SIGNED,
        },
    )
    assert connection.getresponse().status == 200
    connection.close()
    assert region.client("s3").get_object(Bucket=bucket, Key="chunked")["Body"].read() == b"hello"


def test_the_bucket_may_be_part_of_the_host_name(region: RunningRegion, bucket: str) -> None:
    host = urlsplit(region.endpoint).netloc
    port, signed = host.rpartition(":")[2], {"Authorization": SIGNED}
    before = region.last_event()
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request(
        "PUT", "/deep/key%20x", body=b"virtual", headers={"Host": f"{bucket}.localhost:{port}", **signed}
    )
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    connection.request("GET", "/deep/key%20x", headers={"Host": f"{bucket}.s3.localhost:{port}", **signed})
    assert connection.getresponse().read() == b"virtual"
    connection.close()
    (event,) = caused(region, before, 1)
    assert event["detail"]["object"]["key"] == "deep/key x"


def test_metadata_keeps_its_spelling(region: RunningRegion, bucket: str) -> None:
    s3, metadata = region.client("s3"), {"plain": "1", "with_underscore": "2", "with-hyphen": "3"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == metadata


def test_cross_origin_requests_follow_the_buckets_own_rules(region: RunningRegion, bucket: str) -> None:
    host = urlsplit(region.endpoint).netloc
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}

    def preflight(path: str) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("OPTIONS", path, headers=headers)
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.getheader("Access-Control-Allow-Origin")

    assert preflight(f"/{bucket}/k")[1] is None
    region.client("s3").put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={"CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://page.example"]}]},
    )
    assert preflight(f"/{bucket}/k") == (200, "https://page.example")
    assert preflight("/_local/health")[1] is None


def test_an_unsupported_sub_resource_is_refused_by_name(region: RunningRegion, bucket: str) -> None:
    s3 = region.client("s3", config=Config())
    with pytest.raises(ClientError, match="BucketAnalyticsConfiguration") as caught:
        s3.get_bucket_analytics_configuration(Bucket=bucket, Id="1")
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
