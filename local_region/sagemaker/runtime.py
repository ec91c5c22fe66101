"""``sagemaker-runtime``: InvokeEndpoint, as an operation and as WSGI without parsing by a model.

Errors: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html#API_runtime_InvokeEndpoint_Errors
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker.capturing import Exchange
from local_region.sagemaker.endpoints import Endpoints
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.service import endpoints_of
from local_region.sagemaker.variants import Variant
from local_region.sagemaker.wire import ModelTimeout, Reply, Unreachable

log = logging.getLogger(__name__)
_PATH = re.compile(r"/endpoints/([^/]+)/invocations")
MAX_BODY = 6_291_456
#: serverless endpoints take 4 MB
MAX_BODY_SERVERLESS = 4 << 20
MODEL_SECONDS = 60.0
_REFUSED = {
    "X-Amzn-SageMaker-Target-Model": "TargetModel (multi-model endpoints)",
    "X-Amzn-SageMaker-Target-Container-Hostname": "TargetContainerHostname (multi-container endpoints)",
    "X-Amzn-SageMaker-Enable-Explanations": "EnableExplanations",
    "X-Amzn-SageMaker-Inference-Component": "InferenceComponentName",
    "X-Amzn-SageMaker-Session-Id": "SessionId (stateful sessions)",
}


@dataclass(frozen=True)
class Invocation:
    """One request, from either way in."""

    endpoint: str
    body: bytes
    content_type: str = ""
    accept: str = ""
    target_variant: str = ""
    inference_id: str = ""
    custom_attributes: str = ""


class SageMakerRuntimeService:
    """``ports.AwsService``, and ``invoke_raw`` for the front's fast path."""

    service = "sagemaker-runtime"

    def __init__(self, region: Region) -> None:
        self._region = region

    def start(self) -> None:
        """Nothing to start: the endpoints are SageMakerService's."""

    def stop(self) -> None:
        """Nothing to stop."""

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return {"InvokeEndpoint": self._operation}

    def _operation(self, request: AwsRequest) -> Json:
        params = request.params
        headers = {name.lower(): text for name, text in _REFUSED.items()}
        for name, text in headers.items():
            if request.headers.get(name):
                raise AwsError("ValidationError", f"The local region does not support {text}.")
        invocation = Invocation(
            params["EndpointName"],
            params.get("Body") or b"",
            params.get("ContentType", ""),
            params.get("Accept", ""),
            params.get("TargetVariant", ""),
            params.get("InferenceId", ""),
            params.get("CustomAttributes", ""),
        )
        reply, variant = self.invoke(invocation)
        answer: Json = {"Body": reply.body, "ContentType": reply.content_type, "InvokedProductionVariant": variant}
        if invocation.custom_attributes:
            answer["CustomAttributes"] = invocation.custom_attributes
        return answer

    def invoke_raw(self, environ: Json, start_response: Any) -> Sequence[bytes]:
        """``POST /endpoints/{name}/invocations``."""
        request_id = str(uuid.uuid4())
        try:
            invocation = _from_environ(environ)
            reply, variant = self.invoke(invocation)
        except AwsError as error:
            return _send_error(error, request_id, start_response)
        headers = [
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            ("x-Amzn-Invoked-Production-Variant", variant),
            ("x-amzn-RequestId", request_id),
        ]
        if invocation.custom_attributes:
            headers.append(("X-Amzn-SageMaker-Custom-Attributes", invocation.custom_attributes))
        start_response("200 OK", headers)
        return [reply.body]

    def invoke(self, invocation: Invocation) -> tuple[Reply, str]:
        """The model's answer and the variant's name, or ``AwsError`` in the runtime's form."""
        started = time.perf_counter()
        fleet = self._enter(invocation.endpoint)
        try:
            variant = _variant(fleet, invocation)
            _check_size(variant, invocation.body)
            kept = fleet.capture is not None and fleet.capture.wants()
            if fleet.mirrors():
                self._mirror(fleet, invocation, kept)
            reply = self._ask(fleet, variant, invocation, started)
            if kept:
                self._capture(fleet, variant, invocation, reply)
            return reply, variant.name
        finally:
            fleet.leave()

    def _mirror(self, fleet: Fleet, invocation: Invocation, kept: bool) -> None:
        """A copy for the shadow variant, in flight like any request, with nobody who waits for it."""
        endpoints, shadow = endpoints_of(self._region), fleet.shadow
        if endpoints is None or shadow is None or not fleet.enter():
            return

        def run() -> None:
            try:
                reply = self._ask(fleet, shadow, invocation, time.perf_counter())
                if kept:
                    self._capture(fleet, shadow, invocation, reply)
            except AwsError as error:  # its metrics have counted it
                log.debug("endpoint %s, shadow variant %s: %s", invocation.endpoint, shadow.name, error)
            finally:
                fleet.leave()

        endpoints.mirror.put(run, fleet.leave)

    def _capture(self, fleet: Fleet, variant: Variant, invocation: Invocation, reply: Reply) -> None:
        endpoints = endpoints_of(self._region)
        if endpoints is None or fleet.capture is None:
            return
        exchange = Exchange(
            invocation.endpoint,
            variant.name,
            invocation.content_type,
            invocation.body,
            reply.content_type,
            reply.body,
            invocation.inference_id,
            invocation.custom_attributes,
        )
        endpoints.captures.put(fleet.capture, exchange)

    def _enter(self, name: str) -> Fleet:
        endpoints: Endpoints | None = endpoints_of(self._region)
        traffic = endpoints.traffic_of(name) if endpoints is not None else None
        fleet = traffic.enter() if traffic is not None else None
        if fleet is not None:
            return fleet
        raise AwsError("ValidationError", f"Endpoint {name} of account {self._region.config.account_id} not found.")

    def _ask(self, fleet: Fleet, variant: Variant, invocation: Invocation, started: float) -> Reply:
        sent = time.perf_counter()
        try:
            reply = self._post(variant, invocation)
        except ModelTimeout:
            self._count(fleet, variant, invocation, started, sent, 500)
            raise self._model_error(
                invocation, 0, "Your invocation timed out while waiting for a response from container primary. "
                "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
            ) from None  # fmt: skip
        except Unreachable as error:
            self._count(fleet, variant, invocation, started, sent, 500)
            log.warning("endpoint %s, variant %s: %s", invocation.endpoint, variant.name, error)
            raise self._model_error(
                invocation, 500, "Received server error (500) from primary: the serving process ended."
            ) from error
        self._count(fleet, variant, invocation, started, sent, reply.status)
        if reply.status >= 300:
            message = reply.body.decode("utf-8", "replace")
            side = "server" if reply.status >= 500 else "client"
            raise self._model_error(
                invocation,
                reply.status,
                f'Received {side} error ({reply.status}) from primary with message "{message}".',
                message,
            )
        return reply

    def _post(self, variant: Variant, invocation: Invocation) -> Reply:
        """Once more if the process was not there (being restarted), so that it can't have answered."""
        with variant.borrowed() as server:
            for last in (False, True):
                client = server.client
                try:
                    if client is None:
                        raise Unreachable("it is not started", sent=False)
                    return client.request(
                        "POST",
                        "/invocations",
                        invocation.body,
                        invocation.content_type,
                        invocation.accept,
                        MODEL_SECONDS,
                    )
                except Unreachable as error:
                    if last or error.sent or not server.restart_if_dead():
                        raise
        raise AssertionError("unreachable")

    def _model_error(self, invocation: Invocation, status: int, message: str, original: str = "") -> AwsError:
        config = self._region.config
        group = f"/aws/sagemaker/Endpoints/{invocation.endpoint}"
        link = (
            f"See https://{config.region_name}.console.aws.amazon.com/cloudwatch/home?region={config.region_name}"
            f"#logEventViewer:group={group} in account {config.account_id} for more information."
        )
        members = {
            "OriginalStatusCode": status,
            "OriginalMessage": original or message,
            "LogStreamArn": f"arn:{config.partition}:logs:{config.region_name}:{config.account_id}:log-group:{group}",
        }
        return AwsError("ModelError", f"{message} {link}", 424, members)

    def _count(
        self, fleet: Fleet, variant: Variant, invocation: Invocation, started: float, sent: float, status: int
    ) -> None:
        """``AWS/SageMaker`` metrics, of the endpoint's variant and of the variant as that config has it (so that an
        alarm can watch a new fleet alone); latencies in microseconds."""
        now = time.perf_counter()
        put = self._region.metrics.put
        both = {"EndpointName": invocation.endpoint, "VariantName": variant.name}
        for dimensions in (both, {**both, "EndpointConfigName": fleet.config.name}):
            put("AWS/SageMaker", "Invocations", 1, "Count", dimensions)
            put("AWS/SageMaker", "Invocation4XXErrors", float(400 <= status < 500), "Count", dimensions)
            put("AWS/SageMaker", "Invocation5XXErrors", float(status >= 500), "Count", dimensions)
            put("AWS/SageMaker", "ModelLatency", (now - sent) * 1e6, "Microseconds", dimensions)
            put("AWS/SageMaker", "OverheadLatency", (sent - started) * 1e6, "Microseconds", dimensions)


def _variant(fleet: Fleet, invocation: Invocation) -> Variant:
    if invocation.target_variant:
        variant = fleet.variants.get(invocation.target_variant)
        if variant is None:
            raise AwsError(
                "ValidationError",
                f"Variant {invocation.target_variant} not found for Request to endpoint {invocation.endpoint}.",
            )
        return variant
    chosen = fleet.choose()
    if chosen is None:
        raise AwsError("ValidationError", f"No production variant of {invocation.endpoint} has a weight above 0.")
    return chosen


def _check_size(variant: Variant, body: bytes) -> None:
    limit = MAX_BODY_SERVERLESS if "ServerlessConfig" in variant.config else MAX_BODY
    if len(body) > limit:
        raise AwsError("ValidationError", f"Request size {len(body)} exceeds the limit of {limit} bytes.", 413)


def _from_environ(environ: Json) -> Invocation:
    found = _PATH.fullmatch(environ["PATH_INFO"])
    if found is None:
        raise AwsError("ValidationError", f"{environ['PATH_INFO']} is no endpoint's invocations.")
    for header, text in _REFUSED.items():
        if environ.get("HTTP_" + header.upper().replace("-", "_")):
            raise AwsError("ValidationError", f"The local region does not support {text}.")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MAX_BODY:
        raise AwsError("ValidationError", f"Request size {length} exceeds the limit of {MAX_BODY} bytes.", 413)
    stream = environ["wsgi.input"]
    if length or environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
        body = stream.read(length) if length else b""
    else:
        body = stream.read(MAX_BODY + 1)
    inference_id = environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "")
    if len(inference_id) > 64:
        raise AwsError("ValidationError", "InferenceId has at most 64 characters.")
    return Invocation(
        unquote(found[1]),
        body,
        environ.get("CONTENT_TYPE", ""),
        environ.get("HTTP_ACCEPT", ""),
        environ.get("HTTP_X_AMZN_SAGEMAKER_TARGET_VARIANT", ""),
        inference_id,
        environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES", ""),
    )


def _send_error(error: AwsError, request_id: str, start_response: Any) -> Sequence[bytes]:
    body = json.dumps({"Message": error.message, "message": error.message, **error.members}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("x-amzn-ErrorType", error.code),
        ("x-amzn-RequestId", request_id),
    ]
    start_response(f"{error.status} {HTTPStatus(error.status).phrase}", headers)
    return [body]
