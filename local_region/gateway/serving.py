"""One request to a stage: route, throttle, key, integration, answer. This is on the prediction path: keep it lean."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

from local_region.gateway.definition import GatewayResponse, Method
from local_region.gateway.model import RestApi, Stage
from local_region.gateway.proxy import Headers, MalformedAnswer, Place, Request, Response, event_of, response_of
from local_region.gateway.registry import Registry
from local_region.ports import AwsError, Json, Region

_LOG = logging.getLogger(__name__)
#: AWS's limit for a request's body, bytes
MAXIMUM_BODY = 10 * 1024 * 1024
_WORKERS = 256

#: response type → status, message, x-amzn-ErrorType
_ERRORS = {
    "MISSING_AUTHENTICATION_TOKEN": (403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    "INVALID_API_KEY": (403, "Forbidden", "ForbiddenException"),
    "ACCESS_DENIED": (403, "Forbidden", "ForbiddenException"),
    "THROTTLED": (429, "Too Many Requests", "TooManyRequestsException"),
    "QUOTA_EXCEEDED": (429, "Limit Exceeded", "LimitExceededException"),
    "REQUEST_TOO_LARGE": (413, "Request Too Long", "RequestTooLargeException"),
    "API_CONFIGURATION_ERROR": (500, "Internal server error", "InternalServerErrorException"),
    "INTEGRATION_FAILURE": (502, "Internal server error", "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": (504, "Endpoint request timed out", "InternalServerErrorException"),
}


class Refused(Exception):
    """API Gateway answers by itself, with the named gateway response."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Serving:
    """The HTTP side of the gateway."""

    def __init__(self, region: Region, registry: Registry) -> None:
        self._region, self._registry = region, registry
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="gateway")
        self._access: SimpleQueue[tuple[str, str, str] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._writer is not None:
            self._access.put(None)
            self._writer.join(timeout=2)

    def answer(self, environ: Json) -> Response:
        """The response to a WSGI request under ``/_api/{api_id}/{stage}/`` (or at ``{api_id}.execute-api.…``)."""
        began = time.perf_counter()
        api_id, stage_name, path = _target(environ)
        request = self._request(environ, path or "/", bare=not path)
        api = self._registry.apis.get(api_id)
        stage = api.stages.get(stage_name) if api else None
        if api is None or stage is None:
            return self._finish(_refusal("ACCESS_DENIED", {}, request), request)
        integration = [0.0]
        try:
            method, place = self._admit(api, stage, request)
            if len(request.body) > MAXIMUM_BODY:
                raise Refused("REQUEST_TOO_LARGE")
            response = self._integrate(method, place, request, integration)
        except Refused as refused:
            place = None
            response = _refusal(refused.kind, {**stage.deployed.definition.responses, **api.responses}, request)
        self._measure(api, stage, response.status, (time.perf_counter() - began) * 1000, integration[0])
        if "AccessLogSetting" in stage.properties:
            self._log(api, stage, request, response, place, (time.perf_counter() - began) * 1000)
        return self._finish(response, request)

    # -- admission ----------------------------------------------------------------------------------------------

    def _admit(self, api: RestApi, stage: Stage, request: Request) -> tuple[Method, Place]:
        found = stage.deployed.routes.match(request.verb, request.path)
        if found is None:
            raise Refused("MISSING_AUTHENTICATION_TOKEN")
        method, parameters = found
        bucket = stage.throttle(method.path, request.verb)
        if bucket is not None and not bucket.take():
            raise Refused("THROTTLED")
        key_id = self._key(api, stage, request) if method.key_required else None
        return method, Place(
            self._region.config.account_id,
            api.id,
            stage.name,
            stage.deployed.id,
            method.path,
            method.resource_id,
            stage.variables,
            parameters,
            stage.deployed.definition.binary_types,
            key_id,
            request.header("x-api-key") if key_id else None,
        )

    def _key(self, api: RestApi, stage: Stage, request: Request) -> str:
        """The id of the request's key, when it opens this stage and hasn't used up what its plan allows."""
        found = self._registry.admission(request.header("x-api-key"), api.id, stage.name)
        if found is None:
            raise Refused("INVALID_API_KEY")
        key, plan = found
        bucket, quota = plan.bucket(key.id), plan.quota(key.id)
        if bucket is not None and not bucket.take():
            raise Refused("THROTTLED")
        if quota is not None and not quota.take(request.at):
            raise Refused("QUOTA_EXCEEDED")
        return key.id

    # -- integration --------------------------------------------------------------------------------------------

    def _integrate(self, method: Method, place: Place, request: Request, took: list[float]) -> Response:
        integration = method.integration
        if integration.kind == "MOCK":
            headers = [("Content-Type", integration.content_type), *integration.headers.items()]
            return Response(integration.status, headers, integration.body)
        self._permitted(integration.function, place, request)
        payload = json.dumps(event_of(request, place), separators=(",", ":")).encode()
        began = time.perf_counter()
        call = self._pool.submit(self._region.functions.invoke, integration.function, payload)
        try:
            result = call.result(timeout=integration.timeout)
        except Late as error:
            _LOG.warning("%s %s: no answer in %g s", request.verb, request.path, integration.timeout)
            raise Refused("INTEGRATION_TIMEOUT") from error
        except AwsError as error:
            _LOG.warning("%s %s: %s", request.verb, request.path, error)
            too_large = error.code == "RequestTooLargeException"
            raise Refused("REQUEST_TOO_LARGE" if too_large else "API_CONFIGURATION_ERROR") from error
        finally:
            took[0] = (time.perf_counter() - began) * 1000
        if result.function_error:
            _LOG.warning("%s %s: the function failed: %s", request.verb, request.path, result.payload[:500])
            raise Refused("INTEGRATION_FAILURE")
        try:
            return response_of(result.payload, request.header("accept"), place.binary_types)
        except MalformedAnswer as error:
            name = integration.function.rsplit(":", 1)[-1]
            _LOG.warning("Malformed Lambda proxy response of %s to %s %s: %s", name, request.verb, request.path, error)
            raise Refused("INTEGRATION_FAILURE") from error

    def _permitted(self, function: str, place: Place, request: Request) -> None:
        """Without a permission in the function's policy AWS answers 500 and says why in the execution log only."""
        config = self._region.config
        where = f"{place.api_id}/{place.stage}/{request.verb}{place.resource}"
        source = f"arn:{config.partition}:execute-api:{config.region_name}:{config.account_id}:{where}"
        try:
            allowed = self._region.functions.permits(function, "apigateway.amazonaws.com", source)
        except AwsError as error:
            _LOG.warning("%s %s: %s", request.verb, request.path, error)
            raise Refused("API_CONFIGURATION_ERROR") from error
        if not allowed:
            _LOG.warning(
                "Invalid permissions on Lambda function %s: its policy doesn't let %s call it", function, source
            )
            raise Refused("API_CONFIGURATION_ERROR")

    # -- around it ----------------------------------------------------------------------------------------------

    def _request(self, environ: Json, path: str, *, bare: bool) -> Request:
        now = self._region.clock.now()
        forwarded = environ.get("HTTP_X_AMZN_TRACE_ID")
        return Request(
            environ["REQUEST_METHOD"],
            path,
            environ.get("QUERY_STRING", ""),
            _incoming_headers(environ),
            _read(environ),
            environ.get("REMOTE_ADDR", "127.0.0.1"),
            environ.get("HTTP_HOST", "localhost"),
            environ.get("wsgi.url_scheme", "http"),
            str(uuid.uuid4()),
            secrets.token_urlsafe(11)[:14] + "=",
            forwarded or f"Root=1-{int(now.timestamp()):08x}-{secrets.token_hex(12)}",
            now,
            bare,
        )

    @staticmethod
    def _finish(response: Response, request: Request) -> Response:
        headers = [
            *response.headers,
            ("x-amzn-RequestId", request.request_id),
            ("x-amz-apigw-id", request.extended_id),
            ("X-Amzn-Trace-Id", request.trace_id),
        ]
        if response.status == HTTPStatus.NO_CONTENT:
            return Response(response.status, headers, b"")
        headers.append(("Content-Length", str(len(response.body))))
        return Response(response.status, headers, b"" if request.verb == "HEAD" else response.body)

    def _measure(self, api: RestApi, stage: Stage, status: int, total: float, integration: float) -> None:
        where = {"ApiName": api.name, "Stage": stage.name}
        put = self._region.metrics.put
        put("AWS/ApiGateway", "Count", 1, "Count", where)
        put("AWS/ApiGateway", "4XXError", float(400 <= status < 500), "Count", where)
        put("AWS/ApiGateway", "5XXError", float(status >= 500), "Count", where)
        put("AWS/ApiGateway", "Latency", total, "Milliseconds", where)
        if integration:
            put("AWS/ApiGateway", "IntegrationLatency", integration, "Milliseconds", where)

    def _log(
        self, api: RestApi, stage: Stage, request: Request, response: Response, place: Place | None, took: float
    ) -> None:
        setting = stage.properties["AccessLogSetting"]
        group = str(setting.get("DestinationArn", "")).split(":log-group:")[-1].removesuffix(":*")
        values: Json = {
            "requestId": request.request_id,
            "extendedRequestId": request.extended_id,
            "requestTime": request.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(request.at.timestamp() * 1000),
            "httpMethod": request.verb,
            "path": f"/{stage.name}{'' if request.bare else request.path}",
            "resourcePath": place.resource if place else "-",
            "status": response.status,
            "responseLength": len(response.body),
            "responseLatency": round(took),
            "protocol": "HTTP/1.1",
            "stage": stage.name,
            "apiId": api.id,
            "accountId": self._region.config.account_id,
            "identity.sourceIp": request.source_ip,
            "identity.userAgent": request.header("user-agent") or "-",
            "identity.apiKeyId": (place.key_id if place else None) or "-",
        }
        line = str(setting.get("Format", "$context.requestId"))
        for name in sorted(values, key=len, reverse=True):
            line = line.replace(f"$context.{name}", str(values[name]))
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="gateway-access-log", daemon=True)
            self._writer.start()
        self._access.put((group, f"{api.id}/{stage.name}", line))

    def _write(self) -> None:
        while (item := self._access.get()) is not None:
            group, stream, line = item
            try:
                self._region.logs.write(group, stream, [line])
            except (OSError, AwsError, KeyError) as error:
                _LOG.warning("access log %s: %s", group, error)


def _target(environ: Json) -> tuple[str, str, str]:
    """API id, stage and undecoded rest of the path (empty when there isn't even a slash)."""
    raw = str(
        environ.get("REQUEST_URI")
        or environ.get("RAW_URI")
        or quote(environ.get("PATH_INFO", "/"), safe="/%:@+,;=~!$&'()*")
    )
    if "://" in raw[:8]:
        raw = "/" + raw.split("/", 3)[-1] if raw.count("/") > 2 else "/"
    path = raw.split("?", 1)[0]
    if path.startswith("/_api/"):
        api_id, _, rest = path[len("/_api/") :].partition("/")
    else:
        api_id, rest = str(environ.get("HTTP_HOST", "")).split(".", 1)[0], path.lstrip("/")
    stage, slash, rest = rest.partition("/")
    return api_id, stage, slash + rest


def _incoming_headers(environ: Json) -> Headers:
    headers = [
        (_dashed(key[5:]), value)
        for key, value in environ.items()
        if key.startswith("HTTP_") and key != "HTTP_CONNECTION"
    ]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers.append((_dashed(name), environ[name]))
    return headers


_NAMES: dict[str, str] = {}


def _dashed(key: str) -> str:
    """``USER_AGENT`` → ``User-Agent``. Names repeat, so they are remembered (a bounded number: clients choose them)."""
    name = _NAMES.get(key)
    if name is None:
        name = key.replace("_", "-").title()
        if len(_NAMES) < 500:
            _NAMES[key] = name
    return name


def _read(environ: Json) -> bytes:
    """The body; of one that is too long just enough to know it."""
    stream: Any = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        return bytes(stream.read(min(int(length), MAXIMUM_BODY + 1)))
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read(MAXIMUM_BODY + 1))
    return b""


def _refusal(kind: str, responses: dict[str, GatewayResponse], request: Request) -> Response:
    status, message, error_type = _ERRORS[kind]
    family = responses.get("DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX")
    chosen = responses.get(kind) or family or GatewayResponse(None, {}, {})
    template = next(iter(chosen.templates.values()), '{"message":$context.error.messageString}')
    text = (
        template.replace("$context.error.messageString", json.dumps(message))
        .replace("$context.error.message", message)
        .replace("$context.error.responseType", kind)
        .replace("$context.requestId", request.request_id)
    )
    kind_of_body = next(iter(chosen.templates), "application/json")
    headers = [("Content-Type", kind_of_body), ("x-amzn-ErrorType", error_type), *chosen.headers.items()]
    return Response(chosen.status or status, headers, text.encode())
