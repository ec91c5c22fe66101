"""From a swagger (OpenAPI 2 or 3) body with API Gateway's extensions to routes; what isn't supported is named.

Source: Amazon API Gateway developer guide, "OpenAPI extensions for API Gateway".
"""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from local_region.ports import Json

METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_RESPONSES = "x-amazon-apigateway-gateway-responses"
_BINARY = "x-amazon-apigateway-binary-media-types"
_KEY_SOURCE = "x-amazon-apigateway-api-key-source"
_FUNCTION = re.compile(r"/functions/(arn:[^/]+)/invocations$")
_EXTENSIONS = frozenset({_RESPONSES, _BINARY, _KEY_SOURCE, "x-amazon-apigateway-importexport-version"})
_STATUS = re.compile(r'"?statusCode"?\s*:\s*"?(\d{3})')


@dataclass(frozen=True)
class Integration:
    """``function`` is set for AWS_PROXY; ``status``, ``headers`` and ``body`` for MOCK."""

    kind: Literal["AWS_PROXY", "MOCK"]
    function: str = ""
    timeout: float = 29.0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True)
class Method:
    """One method of one resource. ``verb`` is in capitals, or ANY."""

    path: str
    verb: str
    integration: Integration
    key_required: bool
    resource_id: str = ""


@dataclass(frozen=True)
class GatewayResponse:
    status: int | None
    headers: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True)
class Definition:
    methods: tuple[Method, ...]
    responses: Mapping[str, GatewayResponse]
    binary_types: tuple[str, ...]
    title: str


def _called(body: Json) -> Iterator[tuple[str, str, Any]]:
    for path, item in (body.get("paths") or {}).items():
        for verb, operation in (item or {}).items() if isinstance(item, dict) else ():
            yield path, verb, operation


def problems(body: Json) -> Iterator[str]:
    """A sentence for everything in ``body`` that the region doesn't serve. Values may still be unknown."""
    for name in sorted(key for key in body if key.startswith("x-amazon-apigateway-")):
        if name not in _EXTENSIONS:
            yield f"the extension {name} of the API's body is not supported by the local region."
    if body.get(_KEY_SOURCE) not in (None, "HEADER"):
        yield "an API key source other than HEADER is not supported by the local region."
    yield from _security_problems(body)
    for path, verb, operation in _called(body):
        place = f"{verb.upper() if verb != ANY else 'ANY'} {path}"
        if verb == "parameters":
            continue
        if verb not in METHODS and verb != ANY:
            yield f"{verb} of path {path} is not supported by the local region."
            continue
        yield from _method_problems(place, operation if isinstance(operation, dict) else {}, _schemes(body))


def _schemes(body: Json) -> Json:
    schemes: Json = body.get("securityDefinitions") or (body.get("components") or {}).get("securitySchemes") or {}
    return schemes


def _security_problems(body: Json) -> Iterator[str]:
    for name, scheme in _schemes(body).items():
        if not isinstance(scheme, dict) or not _is_key(scheme):
            kind = scheme.get("x-amazon-apigateway-authtype") if isinstance(scheme, dict) else None
            yield f"the authorizer {name} ({kind or 'not an API key'}) is not supported by the local region; it checks API keys."


def _is_key(scheme: Json) -> bool:
    named = str(scheme.get("name", "")).lower() == "x-api-key"
    return scheme.get("type") == "apiKey" and named and "x-amazon-apigateway-authtype" not in scheme


def _method_problems(place: str, operation: Json, schemes: Json) -> Iterator[str]:
    for requirement in operation.get("security") or []:
        for name in requirement:
            if name not in schemes and name != "NONE":
                yield f"{place}: the security scheme {name} is not declared."
    if "x-amazon-apigateway-request-validator" in operation:
        yield f"{place}: request validators are not supported by the local region."
    if "x-amazon-apigateway-auth" in operation and operation["x-amazon-apigateway-auth"].get("type") != "NONE":
        yield f"{place}: x-amazon-apigateway-auth is not supported by the local region."
    integration = operation.get(_INTEGRATION)
    if not isinstance(integration, dict):
        yield f"{place}: no {_INTEGRATION} given."
        return
    kind = str(integration.get("type", "")).upper()
    if kind not in ("AWS_PROXY", "MOCK"):
        yield f"{place}: the integration type {kind or '(none)'} is not supported by the local region; it has AWS_PROXY and MOCK."
    uri = integration.get("uri")
    if kind == "AWS_PROXY" and isinstance(uri, str) and not _FUNCTION.search(uri):
        yield f"{place}: the integration {uri} is not a Lambda function."


def compile_body(body: Json, properties: Json) -> Definition:
    """Routes, gateway responses and binary types of a resolved body. ``ValueError`` lists what isn't supported."""
    found = list(problems(body))
    if found:
        raise ValueError(" ".join(found))
    schemes = _schemes(body)
    everywhere = body.get("security") or []
    methods = []
    for path, verb, operation in _called(body):
        if verb == "parameters":
            continue
        security = operation.get("security", everywhere) or []
        key = any(name in schemes for requirement in security for name in requirement)
        name = "ANY" if verb == ANY else verb.upper()
        methods.append(Method(path, name, _integration(operation), key))
    binary = [*(body.get(_BINARY) or []), *(properties.get("BinaryMediaTypes") or [])]
    return Definition(
        tuple(methods),
        {name: gateway_response(spec) for name, spec in (body.get(_RESPONSES) or {}).items()},
        tuple(dict.fromkeys(str(kind).replace("~1", "/").lower() for kind in binary)),
        str((body.get("info") or {}).get("title", "")),
    )


def gateway_response(spec: Json) -> GatewayResponse:
    """A gateway response as swagger (responseParameters …) or as a resource (ResponseParameters …) declares it."""
    low = {key[:1].lower() + key[1:]: value for key, value in spec.items()}
    prefix = "gatewayresponse.header."
    headers = {
        name[len(prefix) :]: literal(value)
        for name, value in (low.get("responseParameters") or {}).items()
        if name.startswith(prefix)
    }
    status = low.get("statusCode")
    return GatewayResponse(int(str(status)) if status else None, headers, low.get("responseTemplates") or {})


def literal(value: Any) -> str:
    """A mapping's literal without its quotes: ``'*'`` → ``*``."""
    text = str(value)
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == "'" else text


def _integration(operation: Json) -> Integration:
    given = operation[_INTEGRATION]
    timeout = min(29.0, float(given.get("timeoutInMillis", 29_000)) / 1000)
    if str(given["type"]).upper() == "AWS_PROXY":
        match = _FUNCTION.search(str(given["uri"]))
        assert match is not None  # problems() has looked
        return Integration("AWS_PROXY", match[1], timeout)
    return _mock(given)


def _mock(given: Json) -> Integration:
    """The request template's statusCode chooses the response; without a match it is the default one."""
    template = next(iter((given.get("requestTemplates") or {}).values()), '{"statusCode": 200}')
    chosen = _STATUS.search(str(template))
    status = chosen[1] if chosen else "200"
    responses = given.get("responses") or {}
    answer = responses.get(status) or responses.get("default") or {}
    prefix = "method.response.header."
    headers = {
        name[len(prefix) :]: literal(value)
        for name, value in (answer.get("responseParameters") or {}).items()
        if name.startswith(prefix)
    }
    templates = answer.get("responseTemplates") or {}
    kind, text = next(iter(templates.items()), ("application/json", ""))
    return Integration(
        "MOCK",
        status=int(str(answer.get("statusCode", status))),
        headers=headers,
        body=str(text).encode(),
        content_type=kind,
    )
