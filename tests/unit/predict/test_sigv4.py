"""Our signatures against botocore's own signer."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.adapters import sigv4
from sluicegate.adapters.sigv4 import Keys, MissingCredentials, keys_of_environment, signed

plain = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-", min_size=1, max_size=20)


def oracle(
    method: Any,
    host: Any,
    path: Any,
    headers: Any,
    body: Any,
    keys: Any,
    region: Any,
    service: Any,
    now: Any,
    monkeypatch: Any,
) -> Any:
    import botocore.auth

    moment = datetime.fromtimestamp(now, UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: moment.replace(tzinfo=None))
    request = AWSRequest(method=method, url=f"https://{host}{path}", data=body, headers=dict(headers))
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
    kind(credentials, service, region).add_auth(request)
    return request.headers["Authorization"]


@given(
    service=st.sampled_from(["sagemaker", "s3", "secretsmanager"]),
    names=st.lists(plain, min_size=1, max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "x-amzn-sagemaker-target-variant", "accept", "x-amz-target"]), plain
    ),
    body=st.binary(max_size=100),
    token=st.one_of(st.just(""), plain),
    now=st.integers(0, 4_000_000_000),
)
def test_signatures_are_those_of_botocore(
    service: Any, names: Any, headers: Any, body: Any, token: Any, now: Any
) -> None:
    keys = Keys("AKIDEXAMPLE", "secret/with+signs", token)
    host, path = "service.eu-central-1.amazonaws.com", "/" + "/".join(names)
    ours = signed("POST", host, path, headers, body, keys=keys, region="eu-central-1", service=service, now=now)
    with pytest.MonkeyPatch.context() as patch:
        theirs = oracle("POST", host, path, headers, body, keys, "eu-central-1", service, now, patch)
    assert ours["authorization"] == theirs


def test_a_day_later_the_key_is_another() -> None:
    keys = Keys("A", "B")
    today, tomorrow = (
        signed("GET", "h", "/", {}, b"", keys=keys, region="r", service="s3", now=now)["authorization"]
        for now in (0, 86_400)
    )
    assert today.rsplit("=", 1)[1] != tomorrow.rsplit("=", 1)[1]


def test_the_clock_is_used_by_default() -> None:
    headers = signed("GET", "h", "/", {}, b"", keys=Keys("A", "B"), region="r", service="s3")
    stamp = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(stamp.timestamp() - time.time()) < 60


def test_credentials_come_from_the_environment_and_the_secret_is_not_shown() -> None:
    keys = keys_of_environment(
        {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_SESSION_TOKEN": "t"}
    )
    assert keys == Keys("AKID", "hidden", "t")
    assert "hidden" not in repr(keys)
    with pytest.raises(MissingCredentials, match="AWS_SECRET_ACCESS_KEY is not set"):
        keys_of_environment({"AWS_ACCESS_KEY_ID": "AKID"})
    assert sigv4.ALGORITHM == "AWS4-HMAC-SHA256"
