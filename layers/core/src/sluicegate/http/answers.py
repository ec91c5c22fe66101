"""Answers of a Lambda function behind API Gateway (REST, proxy integration).

Format: "Output format of a Lambda function for proxy integration", API Gateway Developer Guide.
Problems: RFC 9457.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]

_COMMON = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


#: headers of answers that another site's scripts may read; a browser shows them no others
EXPOSED = ("Retry-After", "Location", "X-Version", "X-Versions", "X-Lane", "X-Served-By", "X-Inference-Id")


def _common() -> dict[str, str]:
    # Which site's scripts may read the answers; the template's preflight answers say the same.
    return {
        "Access-Control-Allow-Origin": os.environ.get("CORS_ALLOW_ORIGIN", "*"),
        "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        **_COMMON,
    }


@dataclass
class Problem(Exception):
    """An answer that says what is wrong and what to do. Raise it from anywhere below a handler.

    ``errors`` lists every mistake in the input: {record (counted from 0, or None), field, message}.
    """

    status: int
    detail: str
    title: str = ""
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "about:blank"

    def __str__(self) -> str:
        return f"{self.status} {self.detail}"

    def to_answer(self, request_id: str) -> Json:
        body: Json = {
            "type": self.kind,
            "title": self.title or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        body["request_id"] = request_id
        return answer(self.status, body, self.headers, content_type="application/problem+json")


def answer(
    status: int, body: object, headers: Mapping[str, str] | None = None, content_type: str = "application/json"
) -> Json:
    """A JSON answer as API Gateway wants it; ASCII, so that a lone surrogate in a name can break nothing on its way."""
    text = json.dumps(body, separators=(",", ":"), allow_nan=False)
    return text_answer(status, text, content_type, headers)


def text_answer(status: int, text: str, content_type: str, headers: Mapping[str, str] | None = None) -> Json:
    return {
        "statusCode": status,
        "headers": {"Content-Type": content_type, **_common(), **(headers or {})},
        "body": text,
        "isBase64Encoded": False,
    }
