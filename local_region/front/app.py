"""Every request's way: host check, control, API stages, the endpoint fast path, own services, moto."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from local_region.front.control import Control
from local_region.front.downloads import Downloads
from local_region.front.errors import Answer, not_implemented, render
from local_region.front.hosts import execute_api, is_allowed, virtual_bucket
from local_region.front.moto_gate import MotoGate
from local_region.front.operations import Operations, protocol_of
from local_region.front.own import OwnService
from local_region.front.recent import RecentEvents
from local_region.front.refusals import refuse_other_region
from local_region.front.request import Incoming
from local_region.front.s3_events import ObjectEvents
from local_region.ports import AwsError, Identities, Json

log = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

_INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations")
#: signing name → the own service behind it; "sagemaker" also signs for its runtime and its metrics
_BY_SCOPE = {
    "lambda": "lambda",
    "cloudformation": "cloudformation",
    "apigateway": "apigateway",
    "events": "events",
    "iam": "iam",
    "application-autoscaling": "application-autoscaling",
}
_BY_TARGET = {"SageMaker": "sagemaker", "AWSEvents": "events", "AnyScaleFrontendService": "application-autoscaling"}
_BY_PATH = (
    (re.compile(r"/(2014-11-13|2015-03-31|2016-08-19|2017-03-31|2017-10-31|2018-10-31|2019-09-\d\d|202\d-\d\d-\d\d)/"
                r"(functions|layers|event-source-mappings|tags|account-settings|code-signing-configs)\b.*"), "lambda"),
    (re.compile(r"/(restapis|usageplans|apikeys|domainnames|vpclinks|account)\b.*"), "apigateway"),
)  # fmt: skip
#: services that never reach moto, also where we lack an operation
_OURS_ALONE = frozenset(
    {"lambda", "cloudformation", "apigateway", "sagemaker", "sagemaker-runtime", "application-autoscaling"}
)


class Front:
    """The region's WSGI application."""

    def __init__(
        self,
        bound_host: str,
        region_name: str,
        control: Control,
        services: Mapping[str, OwnService],
        invoke_endpoint: Wsgi,
        gateway: Wsgi,
        moto: MotoGate,
        downloads: Downloads,
        identities: Identities,
        object_events: ObjectEvents,
        recent: RecentEvents,
        before_metrics: Callable[[], None],
    ) -> None:
        self._bound_host = bound_host
        self._region_name = region_name
        self._control = control
        self._services = services
        self._invoke_endpoint = invoke_endpoint
        self._gateway = gateway
        self._moto = moto
        self._downloads = downloads
        self._identities = identities
        self._object_events = object_events
        self._recent = recent
        self._operations = Operations()
        self._before_metrics = before_metrics

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        started = time.perf_counter()
        request = Incoming(environ)
        status = 0

        def started_response(line: str, headers: list[tuple[str, str]], info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, headers, info) if info else start_response(line, headers)

        try:
            return self._route(request, environ, started_response)
        except AwsError as error:
            return _send(render(error, protocol_of(request), request.request_id, request.path), started_response)
        except Exception:
            # The server's last resort: whatever a part didn't foresee is the region's fault, and is in its log.
            log.exception("%s %s failed", request.method, request.raw_path)
            failure = AwsError("InternalFailure", "The local region failed; its log (region.log) says why.", 500)
            return _send(render(failure, protocol_of(request), request.request_id, request.path), started_response)
        finally:
            if log.isEnabledFor(logging.DEBUG):
                took = (time.perf_counter() - started) * 1000
                label = request.label or request.scope.service or "-"
                log.debug("%s %s %s %d %.1f ms", request.method, request.raw_path, label, status, took)

    def _route(self, request: Incoming, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = request.header("Host")
        if not is_allowed(host, self._bound_host):
            text = f"The local region answers loopback names only (localhost, *.localhost, 127.0.0.1), not {host!r}.\n"
            return _send((403, [("Content-Type", "text/plain; charset=utf-8")], text.encode()), start_response)
        path = request.path
        if path.startswith("/_local/"):
            request.label = "control"
            return _send(self._control.answer(request), start_response)
        if path.startswith("/_api/") or execute_api(host):
            request.label = "api"
            return self._gateway(environ, start_response)
        bucket = virtual_bucket(host)
        if bucket is not None:
            _to_path_style(environ, bucket)
            request = Incoming(environ)
        elif request.method == "POST" and _INVOCATION.fullmatch(path):
            return self._invoke(request, environ, start_response)
        return _send(self._aws(request), start_response)

    def _invoke(self, request: Incoming, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request.label = "sagemaker-runtime.InvokeEndpoint"
        principal = self._identities.principal_of(request.scope.access_key_id)
        if principal.role_arn is not None:
            found = _INVOCATION.fullmatch(request.path)
            name = found[1] if found else ""
            self._identities.check(principal, "sagemaker-runtime", "InvokeEndpoint", {"EndpointName": name})
        return self._invoke_endpoint(environ, start_response)

    def _aws(self, request: Incoming) -> Any:
        refuse_other_region(request, self._region_name)
        principal = self._identities.principal_of(request.scope.access_key_id)
        name = _own_service(request)
        service = self._services.get(name) if name else None
        if service is not None:
            operation, labels = service.operation_of(request)
            if service.name in _OURS_ALONE or service.has(operation):
                request.label = f"{service.name}.{operation}"
                if operation == "PutEvents":
                    self._note_events(request)
                return service.answer(request, operation, labels, principal)
        elif name in _OURS_ALONE:
            raise not_implemented(str(name), f"{request.method} {request.raw_path}")
        known: tuple[str, str, Json] | None = None
        if principal.role_arn is not None:
            known = self._operations.find(request)
            self._identities.check(principal, *known)
        if request.scope.service == "monitoring":
            self._before_metrics()
        streamed = self._downloads.answer(request)
        if streamed is not None:
            return streamed
        with self._object_events.request(request.request_id, request.environ.get("REMOTE_ADDR", "127.0.0.1")):
            answer = self._moto.answer(request)
        if known is not None and answer[0] == 404 and known[:2] in _READS_OBJECT:
            self._identities.check_absence(principal, str(known[2].get("Bucket")))
        return answer

    def _note_events(self, request: Incoming) -> None:
        for entry in self._operations.json_body(request).get("Entries", []):
            if isinstance(entry, dict):
                source, kind = str(entry.get("Source")), str(entry.get("DetailType"))
                self._recent.note(source, kind, entry.get("Detail"), entry.get("Resources") or [])


def _own_service(request: Incoming) -> str | None:
    """The name of the own service that a request is for, or None when it is moto's."""
    signed = request.scope.service
    if signed == "sagemaker":
        if request.path.startswith("/endpoints/"):
            return "sagemaker-runtime"
        return "sagemaker"
    if signed in _BY_SCOPE:
        return _BY_SCOPE[signed]
    if signed is not None:
        return None
    target = (request.header("X-Amz-Target") or "").partition(".")[0]
    if target in _BY_TARGET:
        return _BY_TARGET[target]
    for pattern, name in _BY_PATH:
        if pattern.fullmatch(request.path):
            return name
    return None


def _to_path_style(environ: dict[str, Any], bucket: str) -> None:
    """``bucket.localhost/key`` becomes ``localhost/bucket/key``."""
    port = environ["HTTP_HOST"].rpartition(":")[2]
    environ["HTTP_HOST"] = f"localhost:{port}" if port.isdigit() else "localhost"
    environ["PATH_INFO"] = f"/{bucket}{environ.get('PATH_INFO', '/')}"
    environ["RAW_URI"] = environ["REQUEST_URI"] = f"/{bucket}{environ.get('RAW_URI', '/')}"


_READS_OBJECT = frozenset({("s3", "GetObject"), ("s3", "HeadObject")})
_BODILESS = frozenset({204, 304})


def _send(answer: Answer | tuple[int, list[tuple[str, str]], Iterable[bytes]], start_response: Any) -> Iterable[bytes]:
    status, headers, body = answer
    chunks: Iterable[bytes] = [body] if isinstance(body, bytes) else body
    if isinstance(body, bytes) and status not in _BODILESS:
        headers = [item for item in headers if item[0].lower() != "content-length"]
        headers.append(("Content-Length", str(len(body))))
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Status"
    start_response(f"{status} {phrase}", headers)
    return chunks
