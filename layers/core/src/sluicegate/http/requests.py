"""Requests as API Gateway hands them to a function (REST, proxy integration, payload format 1.0)."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from sluicegate.http.answers import Problem


class Request:
    """One proxy event. A field that a hand-made event lacks reads as empty, never as an error of ours."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        if not isinstance(event, Mapping) or not isinstance(event.get("httpMethod"), str):
            raise Problem(400, "This function answers API Gateway proxy events: httpMethod is missing in the event.")
        context = event.get("requestContext") or {}
        self.event = event
        self.method: str = event["httpMethod"].upper()
        self.path: str = event.get("path") or "/"
        #: the path with the stage, as the browser sees it
        self.full_path: str = context.get("path") or self.path
        self.request_id: str = context.get("requestId") or ""
        self.headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
        self.query: Mapping[str, str] = event.get("queryStringParameters") or {}
        epoch = context.get("requestTimeEpoch")
        #: when the request came in, milliseconds since 1970: the event's own time, so a replay answers alike
        self.time_ms: int = int(epoch) if isinstance(epoch, (int, float)) else time.time_ns() // 1_000_000

    @property
    def segments(self) -> list[str]:
        """The resource's path with its parameters filled in, decoded: ``["models", "churn", "versions", "3"]``.

        The resource is used rather than the path, because the path of a custom domain holds its base path too.
        """
        template = self.event.get("resource")
        values = self.event.get("pathParameters") or {}
        if not isinstance(template, str) or not template:
            return [unquote(part) for part in self.path.split("/") if part]
        found: list[str] = []
        for part in template.split("/"):
            if part.startswith("{"):
                value = unquote(str(values.get(part.strip("{}+")) or ""))
                found += [piece for piece in value.split("/") if piece] if part.endswith("+}") else [value]
            elif part:
                found.append(part)
        return found

    @property
    def content_type(self) -> str:
        """The body's content type. curl's -d says "form" of anything, so that counts as not said: JSON."""
        given = self.headers.get("content-type", "")
        return "" if given.split(";")[0].strip().lower() == "application/x-www-form-urlencoded" else given

    def body(self, largest: int) -> bytes:
        """The body's bytes. Problem 413 above ``largest`` bytes, 400 for broken base64."""
        raw = self.event.get("body")
        if raw is None:
            return b""
        if not isinstance(raw, str):
            raise Problem(400, "The event's body is not text: API Gateway hands it over as text or base64.")
        if self.event.get("isBase64Encoded"):
            try:
                data = base64.b64decode(raw, validate=True)
            except (binascii.Error, ValueError) as error:
                raise Problem(400, f"The body is marked as base64 but isn't: {error}.") from error
        else:
            data = raw.encode("utf-8", "surrogatepass")
        if len(data) > largest:
            raise Problem(
                413,
                f"The body has {len(data):,} bytes; at most {largest:,} are accepted. Send fewer records at a time.",
            )
        return data


def request_id_of(event: object) -> str:
    """The request's id for an answer, even when the event is malformed."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    return str(context.get("requestId") or "") if isinstance(context, Mapping) else ""
