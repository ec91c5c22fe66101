"""The event as it travels, and what PutEvents accepts. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from local_region.ports import Json

#: bytes in one PutEvents request
MAX_ENTRIES_SIZE = 1_048_576


def envelope(
    source: str,
    detail_type: str,
    detail: Json,
    resources: Sequence[str],
    moment: datetime,
    account_id: str,
    region_name: str,
    event_id: str,
) -> Json:
    return {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": account_id,
        "time": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region_name,
        "resources": list(resources),
        "detail": detail,
    }


def entry_size(entry: Json) -> int:
    """Bytes of a PutEvents entry as EventBridge counts them: Time is 14, the texts their UTF-8 length."""
    size = 14 if entry.get("Time") is not None else 0
    for name in ("Source", "DetailType", "Detail"):
        size += len(str(entry.get(name) or "").encode())
    return size + sum(len(resource.encode()) for resource in entry.get("Resources") or [])


def entry_problem(entry: Json) -> tuple[str, str] | None:
    """Code and message when the entry is refused."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        return "MalformedDetail", "Detail is malformed."
    if not isinstance(detail, dict):
        return "MalformedDetail", "Detail is malformed."
    return None
