"""Bucket policies as moto evaluates them, less the statements that don't apply here.

moto reads a statement without its Condition, so the usual "deny what isn't TLS" would deny everything. Requests to the
region stay on the loopback interface and count as secure transport: a statement for insecure ones doesn't apply to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SECURE = "aws:securetransport"


def install() -> None:
    """Make moto's buckets evaluate their policies through ``applying``."""
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self: Any, action: str, resource: str) -> Any:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        document = applying(json.loads(self.policy))
        if not document["Statement"]:
            return PermissionResult.NEUTRAL
        return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


def applying(policy: Mapping[str, Any]) -> dict[str, Any]:
    """``policy`` without the statements that are for insecure transport only. Pure."""
    found = policy.get("Statement") or []
    statements = found if isinstance(found, list) else [found]
    return {**policy, "Statement": [item for item in statements if not _only_insecure(item.get("Condition") or {})]}


def _only_insecure(condition: Mapping[str, Mapping[str, Any]]) -> bool:
    for operator, keys in condition.items():
        for key, value in keys.items():
            values = [str(one).lower() for one in (value if isinstance(value, list) else [value])]
            if operator.lower().startswith("bool") and key.lower() == _SECURE and values == ["false"]:
                return True
    return False
