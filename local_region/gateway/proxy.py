"""Lambda proxy integration: the event that a function gets, and what its answer becomes.

Source: Amazon API Gateway developer guide, "Lambda proxy integrations in API Gateway" (payload format 1.0).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from local_region.ports import Json

Headers = list[tuple[str, str]]

#: headers that API Gateway keeps for itself and hands on under another name
_REMAPPED = frozenset({"authorization", "connection", "content-md5", "date", "server", "www-authenticate"})
_DROPPED = frozenset({"content-length", "transfer-encoding", "keep-alive", "te", "trailer", "upgrade"})


class MalformedAnswer(Exception):
    """A function's answer isn't a proxy response; the text says what is wrong with it."""


@dataclass(frozen=True)
class Request:
    """One HTTP request to a stage. ``path`` is undecoded and without the stage; of the stage's own address it is
    ``/``, and ``bare`` tells that it was sent without that slash."""

    verb: str
    path: str
    query: str
    headers: Headers
    body: bytes
    source_ip: str
    host: str
    scheme: str
    request_id: str
    extended_id: str
    trace_id: str
    at: datetime
    bare: bool = False

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Place:
    """Where in an API the request landed."""

    account_id: str
    api_id: str
    stage: str
    deployment_id: str
    resource: str
    resource_id: str
    variables: Mapping[str, str] | None
    parameters: Mapping[str, str]
    binary_types: Sequence[str]
    key_id: str | None = None
    key_value: str | None = None


@dataclass(frozen=True)
class Response:
    status: int
    headers: Headers
    body: bytes


def media_matches(content_type: str | None, accepted: Sequence[str]) -> bool:
    """Whether a media type is among the binary ones (``*/*`` and ``image/*`` are patterns)."""
    if not accepted:
        return False
    kind = (content_type or "").split(",")[0].split(";")[0].strip().lower()
    if "*/*" in accepted:
        return True
    return bool(kind) and (kind in accepted or f"{kind.split('/')[0]}/*" in accepted)


def event_of(request: Request, place: Place) -> Json:
    """The proxy event, format 1.0."""
    sent = [*request.headers, *_forwarded(request)]
    many: dict[str, list[str]] = {}
    for name, value in sent:
        many.setdefault(name, []).append(value)
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    binary = bool(request.body) and media_matches(request.header("content-type"), place.binary_types)
    body: str | None = None
    if request.body:
        body = base64.b64encode(request.body).decode() if binary else request.body.decode("utf-8", "replace")
    return {
        "resource": place.resource,
        "path": request.path or "/",
        "httpMethod": request.verb,
        "headers": {name: values[-1] for name, values in many.items()} or None,
        "multiValueHeaders": many or None,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(place.parameters) or None,
        "stageVariables": dict(place.variables) if place.variables else None,
        "requestContext": _context(request, place),
        "body": body,
        "isBase64Encoded": binary,
    }


def _forwarded(request: Request) -> Headers:
    port = request.host.rpartition(":")[2] if ":" in request.host else ("443" if request.scheme == "https" else "80")
    return [
        ("X-Amzn-Trace-Id", request.trace_id),
        ("X-Forwarded-For", request.source_ip),
        ("X-Forwarded-Port", port),
        ("X-Forwarded-Proto", request.scheme),
    ]


def _context(request: Request, place: Place) -> Json:
    identity: Json = {
        "cognitoIdentityPoolId": None,
        "accountId": None,
        "cognitoIdentityId": None,
        "caller": None,
        "sourceIp": request.source_ip,
        "principalOrgId": None,
        "accessKey": None,
        "cognitoAuthenticationType": None,
        "cognitoAuthenticationProvider": None,
        "userArn": None,
        "userAgent": request.header("user-agent"),
        "user": None,
    }
    if place.key_id is not None:
        identity |= {"apiKey": place.key_value, "apiKeyId": place.key_id}
    return {
        "resourceId": place.resource_id,
        "resourcePath": place.resource,
        "httpMethod": request.verb,
        "extendedRequestId": request.extended_id,
        "requestTime": request.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "path": f"/{place.stage}{'' if request.bare else request.path}",
        "accountId": place.account_id,
        "protocol": "HTTP/1.1",
        "stage": place.stage,
        "domainPrefix": place.api_id,
        "requestTimeEpoch": int(request.at.timestamp() * 1000),
        "requestId": request.request_id,
        "identity": identity,
        "domainName": request.host,
        "deploymentId": place.deployment_id,
        "apiId": place.api_id,
    }


def response_of(payload: bytes, accept: str | None, binary_types: Sequence[str]) -> Response:
    """What a function's answer becomes. ``MalformedAnswer`` when API Gateway would answer 502."""
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise MalformedAnswer("it is not JSON") from error
    if not isinstance(answer, dict):
        raise MalformedAnswer("it is not a JSON object with statusCode, headers and body")
    body = _body(answer, accept, binary_types)
    headers = _headers(answer)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return Response(_status(answer), headers, body)


def _status(answer: Json) -> int:
    try:
        status = int(answer["statusCode"])
    except KeyError as error:
        raise MalformedAnswer("it has no statusCode") from error
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"statusCode {answer['statusCode']!r} is not a whole number") from error
    if not 100 <= status <= 599:
        raise MalformedAnswer(f"statusCode {status} is not an HTTP status")
    return status


def _body(answer: Json, accept: str | None, binary_types: Sequence[str]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer(f"body is {type(body).__name__}, not text")
    if answer.get("isBase64Encoded") and media_matches(accept, binary_types):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise MalformedAnswer("body is not base64 though isBase64Encoded says so") from error
    return body.encode()


def _headers(answer: Json) -> Headers:
    many: Any = answer.get("multiValueHeaders") or {}
    single: Any = answer.get("headers") or {}
    if not isinstance(many, dict) or not isinstance(single, dict):
        raise MalformedAnswer("headers and multiValueHeaders must be objects")
    headers: Headers = []
    for name, values in many.items():
        if not isinstance(values, list):
            raise MalformedAnswer(f"multiValueHeaders.{name} is not a list")
        headers += [(name, _header_value(name, value)) for value in values]
    named = {name.lower() for name in many}
    # A header in both maps: the list wins, the single value is added when it isn't in it.
    for name, value in single.items():
        text = _header_value(name, value)
        if name.lower() not in named or (name, text) not in headers:
            headers.append((name, text))
    return [(_outgoing(name), value) for name, value in headers if name.lower() not in _DROPPED]


def _outgoing(name: str) -> str:
    return f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name


def _header_value(name: str, value: Any) -> str:
    if isinstance(value, dict | list) or value is None:
        raise MalformedAnswer(f"header {name} is {value!r}, not text")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\n" in text or "\r" in text:
        raise MalformedAnswer(f"header {name} has a line break")
    return text
