"""A request's members as botocore's model has them, read by moto's parsers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.utils import parse_timestamp
from werkzeug.datastructures import MultiDict

from local_region.front.request import Incoming
from local_region.ports import AwsError, Json


def members(
    operation: Any,
    protocol: str,
    request: Incoming,
    values: MultiDict[str, str],
    body: bytes,
    labels: Mapping[str, str] | None = None,
) -> Json:
    """``operation`` is moto's model of it; ``labels`` are the members that stand in the path. ``AwsError``
    SerializationException when the request can't be read."""
    from moto.core.parse import PROTOCOL_PARSERS

    parser = PROTOCOL_PARSERS[protocol](operation, timestamp_parser=_timestamp)
    try:
        params: Json = parser.parse(
            {
                "method": request.method,
                "values": values,
                "headers": request.header_view,
                "body": body,
                "url_path": request.path,
                "url_params": dict(labels or {}),
            }
        )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        # moto's parsers assume well-typed input; which member is ill-typed they don't tell
        detail = f"The request is not one that {operation.name} can read: {error}"
        raise AwsError("SerializationException", detail) from error
    return params


def _timestamp(value: Any) -> datetime:
    parsed: datetime = parse_timestamp(value)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
