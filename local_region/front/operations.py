"""Which operation a request to one of moto's services asks for, with its parameters, as the permission check needs
them. Bodies of S3 objects are not read for it."""

from __future__ import annotations

import json

from local_region.front.errors import not_implemented
from local_region.front.request import Incoming
from local_region.ports import Json

#: signing names that differ from botocore's service names
_BOTOCORE_NAMES = {"monitoring": "cloudwatch", "states": "stepfunctions", "email": "ses", "ses": "sesv2"}
_FORM_LIMIT = 8 * 1024 * 1024
_S3_BODIES = frozenset({"DeleteObjects"})


def service_of(request: Incoming) -> str:
    """botocore's name of the service; "s3" when nothing says otherwise, as AWS's own endpoints would."""
    scope = request.scope.service
    if scope is None:
        return "s3"
    if scope == "dynamodb" and (request.header("X-Amz-Target") or "").startswith("DynamoDBStreams"):
        return "dynamodbstreams"
    return _BOTOCORE_NAMES.get(scope, scope)


def protocol_of(request: Incoming) -> str:
    """The form in which this request's sender expects an error (see ``errors.render``)."""
    kind = request.header("Content-Type") or ""
    if request.header("X-Amz-Target") or kind.startswith("application/x-amz-json"):
        return "json"
    if kind.startswith("application/x-www-form-urlencoded"):
        return "ec2" if request.scope.service == "ec2" else "query"
    if request.scope.service in {None, "s3"}:
        return "s3"
    if request.scope.service == "route53":
        return "rest-xml"
    return "rest-json"


class Operations:
    """Finds operations by target, by action, or by botocore's REST bindings through moto's router."""

    def find(self, request: Incoming) -> tuple[str, str, Json]:
        """(service, operation, params) in botocore's names. ``AwsError`` 501 when no operation is like it."""
        service = service_of(request)
        target = request.header("X-Amz-Target")
        if target:
            return service, target.rpartition(".")[2], self.json_body(request)
        if "/operation/" in request.path:  # smithy's RPC protocol, which newer CloudWatch clients speak
            return service, request.path.rpartition("/")[2], {}
        if (request.header("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
            return service, *self._query(service, request)
        return service, *self._rest(service, request)

    def json_body(self, request: Incoming) -> Json:
        try:
            value = json.loads(request.body(_FORM_LIMIT) or b"{}")
        except ValueError:
            return {}  # the service itself will say what is wrong with it
        return value if isinstance(value, dict) else {}

    def _query(self, service: str, request: Incoming) -> tuple[str, Json]:
        from moto.core.parse import PROTOCOL_PARSERS
        from moto.core.utils import get_service_model

        form = request.form(_FORM_LIMIT)
        action = form.get("Action", "")
        model = get_service_model(service)
        if action not in model.operation_names:
            raise not_implemented(service, action or "request without an Action")
        parser = PROTOCOL_PARSERS["ec2" if service == "ec2" else "query"](model.operation_model(action))
        params: Json = parser.parse(
            {
                "method": "POST",
                "values": form,
                "headers": request.header_view,
                "body": b"",
                "url_path": request.path,
                "url_params": {},
            }
        )
        return action, params

    def _rest(self, service: str, request: Incoming) -> tuple[str, Json]:
        from moto.core.request import Request
        from moto.core.routing import get_service_router
        from werkzeug.exceptions import NotFound

        view = Request(request.environ)
        try:
            operation, labels = get_service_router(service).match(view)
        except NotFound:
            raise not_implemented(service, f"{request.method} {request.raw_path}") from None
        params: Json = dict(labels)
        shape = operation.input_shape
        for name, member in (shape.members if shape is not None else {}).items():
            place, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
            if place == "querystring" and wire_name in request.query:
                params[name] = request.query[wire_name]
            elif place == "header" and request.header(wire_name) is not None:
                params[name] = request.header(wire_name)
        if service == "s3" and operation.name in _S3_BODIES:
            params["Delete"] = {"Objects": _deleted_keys(request.body(_FORM_LIMIT))}
        return str(operation.name), params


def _deleted_keys(body: bytes) -> list[dict[str, str]]:
    """The keys of a DeleteObjects request."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat neither fetches entities nor expands them beyond its bound
    except ElementTree.ParseError:
        return []
    keys = [node.text or "" for node in root.iter() if node.tag.rpartition("}")[2] == "Key"]
    return [{"Key": key} for key in keys]
