"""Bucket policies on moto's S3: conditions count, and a Deny holds however the object is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.s3.models import FakeBucket

from local_region.front import bucket_policies


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(FakeBucket, "get_permission", FakeBucket.get_permission)  # put back afterwards
    bucket_policies.install()
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="box")
        client.put_object(Bucket="box", Key="open/1", Body=b"1")
        client.put_object(Bucket="box", Key="closed/1", Body=b"1")
        yield client


def policy(s3: Any, **statement: Any) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", **statement}]}
    s3.put_bucket_policy(Bucket="box", Policy=json.dumps(document))


@pytest.mark.parametrize("operator", ["Bool", "BoolIfExists"])
def test_tls_only_lets_the_loopback_in(s3: Any, operator: str) -> None:
    condition = {operator: {"aws:SecureTransport": "false"}}
    policy(s3, Action="s3:*", Resource=["arn:aws:s3:::box", "arn:aws:s3:::box/*"], Condition=condition)
    s3.put_object(Bucket="box", Key="open/1", Body=b"2")
    assert s3.get_object(Bucket="box", Key="open/1")["Body"].read() == b"2"


@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_a_deny_of_reading_holds_where_it_says(s3: Any, operation: str) -> None:
    policy(s3, Action="s3:GetObject", Resource="arn:aws:s3:::box/closed/*")
    assert getattr(s3, operation)(Bucket="box", Key="open/1")
    with pytest.raises(ClientError) as refused:
        getattr(s3, operation)(Bucket="box", Key="closed/1")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    s3.put_object(Bucket="box", Key="closed/1", Body=b"3")


def test_a_deny_of_writing_holds_for_uploads_in_parts(s3: Any) -> None:
    policy(s3, Action="s3:PutObject", Resource="arn:aws:s3:::box/*")
    with pytest.raises(ClientError):
        s3.put_object(Bucket="box", Key="k")
    with pytest.raises(ClientError):
        s3.create_multipart_upload(Bucket="box", Key="k")
    assert s3.get_object(Bucket="box", Key="open/1")["Body"].read() == b"1"


def test_a_condition_on_a_header(s3: Any) -> None:
    """The common "encrypted uploads only"."""
    condition = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    policy(s3, Action="s3:PutObject", Resource="arn:aws:s3:::box/*", Condition=condition)
    with pytest.raises(ClientError):
        s3.put_object(Bucket="box", Key="k", Body=b"1")


def test_an_unconditional_deny_beside_tls_only_still_holds(s3: Any) -> None:
    tls = {"Bool": {"aws:SecureTransport": "false"}}
    statements = [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::box/*", "Condition": tls},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::box/*"},
    ]
    s3.put_bucket_policy(Bucket="box", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    answer = s3.delete_objects(Bucket="box", Delete={"Objects": [{"Key": "open/1"}]})
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert s3.get_object(Bucket="box", Key="open/1")
