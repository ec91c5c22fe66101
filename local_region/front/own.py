"""The AWS services that the region implements itself: parse, check, authorize, handle, serialize."""

from __future__ import annotations

import logging
import threading

from moto.core.serialize import get_serializer_class
from werkzeug.datastructures import MultiDict

from local_region.front.errors import Answer, not_implemented, render
from local_region.front.members import members
from local_region.front.models import ServiceDescription
from local_region.front.recent import RecentCalls
from local_region.front.request import Incoming
from local_region.front.validation import violations
from local_region.ports import AwsError, AwsRequest, AwsService, Identities, Json, Principal

log = logging.getLogger(__name__)

#: what AWS answers when a member breaks the model
_VALIDATION_CODE = {"cloudformation": "ValidationError", "apigateway": "BadRequestException"}
#: the code under which AWS answers when it can't read a request at all
#: the largest request body that one of these services takes (Lambda's zip upload is 50 MB, base64)
MAX_BODY = 96 * 1024 * 1024


class OwnService:
    """One ``AwsService`` behind HTTP. Its botocore model is loaded with the first request."""

    def __init__(self, service: AwsService, identities: Identities, calls: RecentCalls | None = None) -> None:
        self.name = service.service
        self._calls = calls
        self._service = service
        self._identities = identities
        self._description: ServiceDescription | None = None
        self._lock = threading.Lock()

    @property
    def description(self) -> ServiceDescription:
        with self._lock:
            if self._description is None:
                self._description = ServiceDescription(self.name, set(self._service.operations()))
            return self._description

    def operation_of(self, request: Incoming) -> tuple[str, dict[str, str]]:
        """The operation's name, also of one that we don't have, and the labels of its path."""
        protocol = self.description.protocol
        if protocol == "json":
            name = (request.header("X-Amz-Target") or "").rpartition(".")[2]
        elif protocol in {"query", "ec2"}:
            name = request.form(MAX_BODY).get("Action", "")
        else:
            found = self.description.match(request.method, request.raw_path, request.query)
            if found is not None:
                return found
            name = f"{request.method} {request.raw_path}"
        return name or "request without an operation", {}

    def has(self, operation: str) -> bool:
        return operation in self._service.operations()

    def answer(self, request: Incoming, operation: str, labels: dict[str, str], principal: Principal) -> Answer:
        """The HTTP answer of ``operation``, errors included."""
        protocol = self.description.protocol
        params: Json = {}
        failure: AwsError | None = None
        try:
            if not self.has(operation):
                raise not_implemented(self.name, operation)
            params = self._parse(request, operation, labels)
            self._check(operation, params)
            check = getattr(self._identities, "check", None)
            if check is not None:
                check(principal, self.name, operation, params)
            aws_request = AwsRequest(self.name, operation, params, principal, request.headers)
            result = self._service.operations()[operation](aws_request)
            return self._serialize(operation, result, request.request_id)
        except AwsError as error:
            failure = error
            return render(error, protocol, request.request_id)
        finally:
            if self._calls is not None:
                self._calls.note(self.name, operation, params, principal, failure)

    def _parse(self, request: Incoming, operation: str, labels: dict[str, str]) -> Json:
        protocol = self.description.protocol
        values: MultiDict[str, str] = MultiDict(request.query_pairs)
        body = b""
        if protocol in {"query", "ec2"}:
            values = request.form(MAX_BODY)
        else:
            body = request.body(MAX_BODY)
        return members(self.description.operation(operation), protocol, request, values, body, labels)

    def _check(self, operation: str, params: Json) -> None:
        message = violations(params, self.description.operation(operation).input_shape)
        if message is not None:
            raise AwsError(_VALIDATION_CODE.get(self.name, "ValidationException"), message)

    def _serialize(self, operation: str, result: Json, request_id: str) -> Answer:
        description = self.description
        serializer = get_serializer_class(self.name, description.protocol)(description.operation(operation))
        response = serializer.serialize(result or {})
        body = response["body"]
        headers = [(name, str(value)) for name, value in response["headers"].items()]
        if not any(name.lower() == "x-amzn-requestid" for name, _ in headers):
            headers.append(("x-amzn-RequestId", request_id))
        content = body.encode() if isinstance(body, str) else bytes(body)
        status = int(response["status_code"])
        output = description.operation(operation).output_shape
        for name, member in (output.members if output is not None else {}).items():
            # Lambda's Invoke says in its answer which success it is: 200, 202 or 204.
            if member.serialization.get("location") == "statusCode" and result.get(name) is not None:
                status = int(result[name])
        return status, headers, content
