"""Bucket policies with their conditions.

moto's S3 reads a policy's statements without their ``Condition``: the usual "deny what is not TLS" would deny all.
The region is reached over the loopback interface, where nobody listens in, so its requests count as secure transport.

moto asks with the HTTP method's name (``s3:HeadObject``, ``s3:PostObject``), which no policy uses: here they become the
permissions that S3 asks for. Principals are not told apart: a Deny for one of them denies all, never too few.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from flask import has_request_context, request

from local_region.identities.policy import Statement, decide

_CONTEXT = {"aws:SecureTransport": "true"}
#: S3's permission for what moto names by the method. A POST to an object begins or ends an upload in parts.
_PERMISSIONS = {"s3:HeadObject": "s3:GetObject", "s3:PostObject": "s3:PutObject"}


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
        return results[decide(_statements(bucket.policy), _PERMISSIONS.get(action, action), resource, _context())]

    setattr(FakeBucket, "get_permission", get_permission)  # noqa: B010 (a method of moto's class)


@lru_cache(maxsize=64)
def _statements(policy: bytes | str) -> tuple[Statement, ...]:
    found = json.loads(policy).get("Statement", [])
    return tuple(found if isinstance(found, list) else [found])


def _context() -> dict[str, str]:
    """What conditions may ask of the request under way: ``s3:x-amz-*`` are its headers of that name."""
    if not has_request_context():
        return _CONTEXT
    headers = {f"s3:{name.lower()}": value for name, value in request.headers if name.lower().startswith("x-amz-")}
    return {**_CONTEXT, "aws:SourceIp": request.remote_addr or "127.0.0.1", **headers}
