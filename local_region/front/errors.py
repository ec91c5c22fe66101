"""Errors in the form of each AWS protocol, so that boto3 shows code and message."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from local_region.ports import AwsError

Answer = tuple[int, list[tuple[str, str]], bytes]

JSON_PROTOCOLS = frozenset({"json", "rest-json"})
#: namespaces that AWS SDKs other than boto3 look for in query errors
_QUERY_FAULT = {True: "Receiver", False: "Sender"}


def not_implemented(service: str, operation: str) -> AwsError:
    """What is answered for an operation that the region doesn't have. 501 is final: no client tries it again."""
    return AwsError("NotImplemented", f"The local region does not implement {service} {operation}.", 501)


def render(error: AwsError, protocol: str, request_id: str, resource: str = "") -> Answer:
    """``error`` as an HTTP answer. ``protocol`` is botocore's name, or "s3". ``resource`` is S3's (the path)."""
    if protocol in JSON_PROTOCOLS:
        body: dict[str, Any] = {"__type": error.code, "message": error.message, **error.members}
        if protocol == "rest-json":
            body = {"Message": error.message, "message": error.message, "code": error.code, **error.members}
        headers = [
            ("Content-Type", "application/x-amz-json-1.1" if protocol == "json" else "application/json"),
            ("x-amzn-ErrorType", error.code),
            ("x-amzn-query-error", f"{error.code};{_QUERY_FAULT[error.status >= 500]}"),
            ("x-amzn-RequestId", request_id),
        ]
        return error.status, headers, json.dumps(body, default=str).encode()
    if protocol == "s3":
        more = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.members.items())
        text = (
            f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>{more}"
            f"<Resource>{escape(resource)}</Resource><RequestId>{request_id}</RequestId>"
            f"<HostId>local</HostId></Error>"
        )
        return _xml(error.status, text, "x-amz-request-id", request_id)
    if protocol == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
            f"</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
        return _xml(error.status, text, "x-amzn-RequestId", request_id)
    text = (
        f"<ErrorResponse><Error><Type>{_QUERY_FAULT[error.status >= 500]}</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return _xml(error.status, text, "x-amzn-RequestId", request_id)


def _xml(status: int, text: str, id_header: str, request_id: str) -> Answer:
    body = ('<?xml version="1.0" encoding="UTF-8"?>\n' + text).encode()
    return status, [("Content-Type", "application/xml"), (id_header, request_id)], body
