"""moto, in process, behind the region's front: which of its applications serves a request, and clear refusals.

moto's server is not a documented API; what is used of it here is held by ``tests/contract/front``.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from local_region.front.dynamo_gate import DynamoGate
from local_region.front.errors import Answer, not_implemented
from local_region.front.moto_model import refuse_malformed
from local_region.front.refusals import refuse_idle
from local_region.front.request import Incoming
from local_region.front.s3_checks import S3Checks
from local_region.ports import AwsError, RegionConfig

if TYPE_CHECKING:
    from local_region.stores.objects import FileContent

log = logging.getLogger(__name__)

#: an object beyond this many bytes lives in a file of the state folder, not in memory
SPOOL_BYTES = 64 * 1024
_READ_LIMIT = 4 * 1024 * 1024
#: an object from this many bytes on is never in memory whole
_LEFT_IN_FILE = 16 * 1024 * 1024
#: what a query may hold, beside a signature, when the body is an object's or a part's content
_WITH_CONTENT = re.compile(r"x-id|x-amz-.*|awsaccesskeyid|signature|expires|uploadid|partnumber", re.IGNORECASE)
#: S3 sub-resources that moto doesn't know and would answer as if they weren't there (a list of objects, say)
_S3_MISSING = {
    "analytics": "BucketAnalyticsConfiguration",
    "intelligent-tiering": "BucketIntelligentTieringConfiguration",
    "metrics": "BucketMetricsConfiguration",
    "metadataTable": "BucketMetadataTableConfiguration",
    "metadataConfiguration": "BucketMetadataConfiguration",
    "requestPayment": "BucketRequestPayment",
    "policyStatus": "GetBucketPolicyStatus",
    "session": "CreateSession",
    "torrent": "GetObjectTorrent",
}


def configure(config: RegionConfig) -> None:
    """Settings that moto reads from the environment, some of them when it is imported."""
    os.environ["MOTO_ACCOUNT_ID"] = config.account_id
    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(SPOOL_BYTES)
    # Buckets answer browsers by their own CORS rules, as S3 does; nothing else answers other origins at all.
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    os.environ.setdefault("AWS_DEFAULT_REGION", config.region_name)


class MotoGate:
    """Finds moto's application for a request and runs it."""

    def __init__(self, account_id: str, region_name: str) -> None:
        from moto.backends import list_of_moto_modules
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from local_region.front import bucket_policies, moto_answers, moto_memory, s3_pages
        from local_region.stores import log_reading, metric_reading

        bucket_policies.install()
        moto_answers.install()
        moto_memory.install()
        s3_pages.install()
        log_reading.install()
        metric_reading.install()
        self._dispatcher = DomainDispatcherApplication(create_backend_app)
        self._create = create_backend_app
        self._names = frozenset(list_of_moto_modules())
        self._apps: dict[str, Any] = {}
        self._backends: dict[tuple[str, str, str], str | None] = {}
        self._lock = threading.Lock()
        self._s3 = S3Checks(account_id)
        self._dynamodb = DynamoGate(account_id, region_name)
        # moto undoes a cancelled transaction by putting back a copy of all tables, and with it what others wrote
        # meanwhile; and it checks a condition and writes in two steps. One request at a time is what makes both right.
        self._one_at_a_time = {"dynamodb": threading.Lock()}

    def answer(self, request: Incoming) -> tuple[int, list[tuple[str, str]], Iterable[bytes]]:
        """moto's answer. ``AwsError`` 501 names what moto doesn't have."""
        backend = self._backend(request)
        service = request.scope.service or backend or "request"
        if backend is None:
            raise not_implemented(service, _described(request))
        if backend == "s3":
            refuse_idle(backend, "", request)
            _refuse_missing(request)
            _keep_content(request)
            turn: AbstractContextManager[Any] = self._s3.writing(request)
        else:
            # this also reads a form's fields while they can still be put back
            refuse_idle(backend, _described(request), request)
            refuse_malformed(backend, _described(request), request)
            turn = self._one_at_a_time.get(backend, nullcontext())
        try:
            with turn:
                if backend == "s3":
                    self._s3.refuse(request)
                    _leave_in_file(request)
                elif backend == "dynamodb":
                    return self._to_dynamodb(request)
                return _call(self._app(backend), service, request)
        except AwsError:
            raise
        except NotImplementedError as error:
            log.info("moto lacks it: %s", error)
            raise not_implemented(service, _described(request)) from error
        except Exception as error:
            # moto fails on some input that AWS would refuse. It would fail again: 501 keeps clients from retrying.
            log.exception("moto failed on %s %s", service, _described(request))
            text = f"moto failed on {service} {_described(request)} ({error!r}); the region's log has the details."
            raise AwsError("InternalFailure", text, 501) from error

    def _to_dynamodb(self, request: Incoming) -> tuple[int, list[tuple[str, str]], Iterable[bytes]]:
        operation = _described(request)
        known = self._dynamodb.before(operation, request)
        if known is not None:
            return known[0], known[1], [known[2]]
        answer = _call(self._app("dynamodb"), "dynamodb", request)
        self._dynamodb.after(answer[0])
        return answer

    def _backend(self, request: Incoming) -> str | None:
        """moto's name of the service, from signature, target or path; None when it has no such service."""
        path = request.path
        target = (request.header("X-Amz-Target") or "").partition(".")[0]
        key = (request.scope.service or "", target, path.split("/", 2)[1])
        special = key[2] if key[2] in {"v20180820", "v2", "latest", "moto-api"} else ""
        key = (key[0], key[1], special)
        if key[0] and key in self._backends:
            return self._backends[key]
        if special == "moto-api":
            return None  # it would let any page reset the region
        try:
            host = self._dispatcher.infer_service_region_host(request.environ, path)
        except KeyError as error:  # DynamoDB without X-Amz-Target
            raise AwsError("MissingAction", f"The request has no {error.args[0]} header.") from error
        # Without a host it is S3, as for a plain GET of an object.
        backend = self._serving(host) if host else "s3"
        if key[0]:
            self._backends[key] = backend
        return backend

    def _serving(self, host: str) -> str | None:
        if host in self._names:
            return host
        url = f"http://{host}"
        return next((name for name, pattern in self._dispatcher.backend_url_patterns if pattern.match(url)), None)

    def _app(self, backend: str) -> Any:
        with self._lock:
            app = self._apps.get(backend)
            if app is None:
                app = self._apps[backend] = self._create(backend)  # type: ignore[arg-type]
                app.teardown_request(_let_go)
            return app


def _refuse_missing(request: Incoming) -> None:
    for name, operation in _S3_MISSING.items():
        if name in request.query:
            raise not_implemented("s3", f"{operation} ({request.method} ?{name})")


def _keep_content(request: Incoming) -> None:
    """An object put with curl's or urllib's default type would be taken apart as a form; it is content like any."""
    kind = request.header("Content-Type") or ""
    if request.method == "PUT" and kind.startswith("application/x-www-form-urlencoded"):
        request.environ["CONTENT_TYPE"] = "binary/octet-stream"


class _Body:
    """A request's body as Flask reads it: in one go."""

    def __init__(self, content: FileContent) -> None:
        self._content = content

    def read(self, _size: int = -1) -> FileContent:
        return self._content


def _leave_in_file(request: Incoming) -> None:
    """A large object's content goes from the server's file into the object's. moto would read it into memory, all
    of it. Not where moto looks into it: framed in chunks, or with a checksum still to compute."""
    file: Any = request.environ.get("wsgi.input")
    size = request.content_length
    if request.method != "PUT" or size < _LEFT_IN_FILE or not hasattr(file, "fileno"):
        return
    framed = (request.header("X-Amz-Content-Sha256") or "").startswith("STREAMING-")
    algorithm = request.header("X-Amz-Sdk-Checksum-Algorithm")
    unsummed = bool(algorithm) and not request.header(f"X-Amz-Checksum-{algorithm}")
    if framed or unsummed or not all(_WITH_CONTENT.fullmatch(name) for name in request.query):
        return
    from local_region.stores.objects import FileContent  # it imports moto, which must find its settings

    request.environ["wsgi.input"] = _Body(FileContent(file, size))
    request.environ["wsgi.input_terminated"] = True  # Flask then takes the body as it is


def _described(request: Incoming) -> str:
    """The operation as far as the request says: its target, its action, or method and path."""
    target = request.header("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    action = request.form(_READ_LIMIT).get("Action") if request.method == "POST" else request.query.get("Action")
    if action:
        return action
    return f"{request.method} {request.raw_path}"


def _let_go(_error: BaseException | None) -> None:
    """Flask's request refers to itself: its body, however large, would stay in memory until the garbage collector
    came round to it. Called when a request is done."""
    from flask import request

    kept: dict[str, Any] = request._get_current_object().__dict__  # type: ignore[attr-defined]
    kept.pop("_cached_data", None)
    kept.pop("data", None)


def _call(app: Any, service: str, request: Incoming) -> tuple[int, list[tuple[str, str]], Iterable[bytes]]:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _info: Any = None) -> Any:
        started[:] = [int(status.split(" ", 1)[0]), headers]
        return None

    chunks = app(request.environ, start_response)
    status, headers = started
    if service != "s3" and status in {404, 405}:
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        content = b"".join(chunks)
        # Flask's own page or an empty answer: no operation of moto's was reached
        if not content or (kind.startswith("text/html") and b"<title>" in content[:200]):
            raise not_implemented(service, _described(request))
        return status, headers, [content]
    return status, headers, chunks


__all__ = ["SPOOL_BYTES", "Answer", "MotoGate", "configure"]
