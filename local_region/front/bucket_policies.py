"""Bucket policies with their conditions.

moto's S3 reads a policy's statements without their ``Condition``: the usual "deny what is not TLS" would deny all.
The region is reached over the loopback interface, where nobody listens in, so its requests count as secure transport.
"""

from __future__ import annotations

import json
from typing import Any

from local_region.identities.policy import decide

_CONTEXT = {"aws:SecureTransport": "true"}


def install() -> None:
    """Put the region's own evaluation in the place of moto's."""
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    results = {
        "allow": PermissionResult.PERMITTED,
        "deny": PermissionResult.DENIED,
        "none": PermissionResult.NEUTRAL,
    }

    def get_permission(bucket: Any, action: str, resource: str) -> Any:
        if bucket.policy is None:
            return PermissionResult.NEUTRAL
        statements = json.loads(bucket.policy).get("Statement", [])
        found = statements if isinstance(statements, list) else [statements]
        return results[decide(found, action, resource, _CONTEXT)]

    setattr(FakeBucket, "get_permission", get_permission)  # noqa: B010 (a method of moto's class)
