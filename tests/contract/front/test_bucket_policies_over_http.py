"""Bucket policies on the region: small objects come from moto, large ones are streamed past it."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion


@pytest.mark.parametrize("size", [10, 500_000])
def test_denials_hold_and_tls_only_does_not_shut_the_loopback_out(region: RunningRegion, size: int) -> None:
    s3, bucket = region.client("s3"), f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    for key in ("open", "closed"):
        s3.put_object(Bucket=bucket, Key=key, Body=bytes(size))
    everything = f"arn:aws:s3:::{bucket}/*"
    tls = {"Bool": {"aws:SecureTransport": "false"}}
    unencrypted = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}
    deny = {"Effect": "Deny", "Principal": "*"}
    statements = [
        {**deny, "Action": "s3:*", "Resource": everything, "Condition": tls},
        {**deny, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/closed"},
        {**deny, "Action": "s3:PutObject", "Resource": everything, "Condition": unencrypted},
    ]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert len(s3.get_object(Bucket=bucket, Key="open")["Body"].read()) == size
    with pytest.raises(ClientError):
        s3.get_object(Bucket=bucket, Key="closed")
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="open", Body=bytes(size))
    s3.put_object(Bucket=bucket, Key="open", Body=bytes(size), ServerSideEncryption="AES256")
