"""A bucket's "deny what isn't TLS" doesn't deny what stays on the loopback interface; all else is kept."""

from __future__ import annotations

from local_region.stores.bucket_policies import applying


def test_only_statements_for_insecure_transport_are_left_out() -> None:
    insecure = {"Effect": "Deny", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    other = {"Effect": "Deny", "Action": "s3:PutObject", "Condition": {"StringNotEquals": {"a": "b"}}}
    plain = {"Effect": "Deny", "Action": "s3:DeleteBucket"}
    assert applying({"Version": "x", "Statement": [insecure, other, plain]})["Statement"] == [other, plain]
    assert applying({"Statement": insecure}) == {"Statement": []}
    assert applying({"Statement": plain}) == {"Statement": [plain]}
