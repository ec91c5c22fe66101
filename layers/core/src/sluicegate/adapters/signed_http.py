"""Signed requests to AWS over kept-alive connections, without boto3: what the prediction path speaks.

It honours what boto3 honours: ``AWS_ENDPOINT_URL_<SERVICE>``, ``AWS_ENDPOINT_URL``,
``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS``, ``AWS_REGION``, session tokens, timeouts and bounded retries. Only what may
safely be sent twice goes through here (reads, InvokeEndpoint, which changes nothing, and events that mean one thing
however often they come).
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from sluicegate.adapters.sigv4 import Keys, keys_of_environment, signed
from sluicegate.domain import errors
from sluicegate.domain.errors import Transient

CONNECT_SECONDS = 2.0
#: AWS closes idle connections after some time, and a Lambda sandbox may sleep for minutes: don't trust an old one.
IDLE_SECONDS = 20.0
ATTEMPTS = 3
_RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def error_code(self) -> str:
        """The service's own name of the error (JSON protocols), or ""."""
        code = self.headers.get("x-amzn-errortype", "")
        if not code:
            code = str(self.error_members.get("__type") or self.error_members.get("code") or "")
        return code.split(":")[0].rsplit("#")[-1]

    @property
    def error_members(self) -> Mapping[str, object]:
        """The error's JSON body, or {}."""
        try:
            members = json.loads(self.body)
        except ValueError:
            return {}
        return members if isinstance(members, dict) else {}

    @property
    def error_message(self) -> str:
        members = self.error_members
        text = members.get("Message") or members.get("message") or self.body.decode("utf-8", "replace")
        return str(text)


class Refused(errors.Refused):
    """The service understood the request and answered it with an error that another try won't change."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.error_code}: {answer.error_message[:300]}")
        self.answer = answer


class TimedOut(Transient):
    """No answer in time. Not tried again: the time is used up."""


@dataclass(frozen=True)
class Service:
    """A service: its host without an endpoint setting, and its names in settings and signatures."""

    setting: str  # in AWS_ENDPOINT_URL_<setting>
    signing_name: str
    host: str  # with {region}


SAGEMAKER_RUNTIME = Service("SAGEMAKER_RUNTIME", "sagemaker", "runtime.sagemaker.{region}.amazonaws.com")
S3 = Service("S3", "s3", "s3.{region}.amazonaws.com")
EVENTBRIDGE = Service("EVENTBRIDGE", "events", "events.{region}.amazonaws.com")
SECRETS_MANAGER = Service("SECRETS_MANAGER", "secretsmanager", "secretsmanager.{region}.amazonaws.com")


def configured_endpoint(service: Service, environ: Mapping[str, str]) -> str | None:
    """The endpoint URL that the environment sets for a service, or None."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get(f"AWS_ENDPOINT_URL_{service.setting}") or environ.get("AWS_ENDPOINT_URL") or None


def region_of_environment(environ: Mapping[str, str]) -> str:
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def aws_host(service: Service, region: str) -> str:
    return service.host.format(region=region) + (".cn" if region.startswith("cn-") else "")


@dataclass
class Origin:
    """One scheme, host and port, and its idle connections. Safe to share between threads."""

    url: str
    _idle: list[tuple[float, http.client.HTTPConnection]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http(s) endpoint: {self.url!r}")
        self.tls = parts.scheme == "https"
        self.hostname = parts.hostname
        self.port = parts.port
        self.host = parts.netloc.rsplit("@")[-1]
        self.base = parts.path.rstrip("/")

    def take(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        oldest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if since >= oldest:
                    return connection, True
                connection.close()
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        return kind(self.hostname, self.port, timeout=CONNECT_SECONDS), False

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append((time.monotonic(), connection))

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Answer | OSError | http.client.HTTPException:
        """One request. A failure on the way is returned, so that the caller decides on another try.

        A connection that was kept and turns out to be closed is replaced at once, without counting as a try.
        """
        while True:
            connection, used = self.take()
            try:
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(max(0.05, deadline - time.monotonic()))
                connection.request(method, path, body, dict(headers))
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if used and isinstance(error, (ConnectionError, http.client.BadStatusLine)):
                    continue
                return error
            if response.will_close:
                connection.close()
            else:
                self.give_back(connection)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


class SignedHttp:
    """Sends signed requests; knows regions, endpoints, credentials and retries. Make one a process."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        *,
        keys: Callable[[], Keys] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environ = environ
        self._keys = keys or (lambda: keys_of_environment(environ))
        self._pause = pause
        self._origins: dict[str, Origin] = {}
        self.region = region_of_environment(environ)

    def send(
        self,
        service: Service,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        bucket: str = "",
        timeout: float = 10.0,
    ) -> Answer:
        """The answer, if its status is below 400 (304 included).

        ``path`` is percent-encoded; ``bucket`` (S3 only) is put where the endpoint wants it. ``timeout`` bounds all
        tries together, in seconds. Raises `Refused` for an error that stays, `TimedOut`, and `Transient` when
        throttling, a broken connection or a failing service outlasts the tries.
        """
        deadline = time.monotonic() + timeout
        origin, full_path = self._address(service, path, bucket)
        trouble = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                wait = min(0.05 * 4 ** (attempt - 1) * (0.5 + random.random()), deadline - time.monotonic())  # noqa: S311 jitter
                if wait <= 0:
                    break
                self._pause(wait)
            signed_headers = signed(
                method,
                origin.host,
                full_path,
                headers or {},
                body,
                keys=self._keys(),
                region=self.region,
                service=service.signing_name,
            )
            answer = origin.exchange(method, full_path, signed_headers, body, deadline)
            if isinstance(answer, TimeoutError) and time.monotonic() >= deadline:
                raise TimedOut(f"{service.signing_name} did not answer in {timeout:.1f} s")
            if not isinstance(answer, Answer):
                trouble = f"{type(answer).__name__}: {answer}"
            elif answer.status < 400:
                return answer
            elif answer.status in _RETRIED_STATUS or answer.error_code in _THROTTLED:
                trouble = f"{answer.status} {answer.error_code}: {answer.error_message[:200]}"
            else:
                raise Refused(answer)
        raise Transient(f"{service.signing_name} {method}: {trouble or 'no time left'}")

    def _address(self, service: Service, path: str, bucket: str) -> tuple[Origin, str]:
        url = configured_endpoint(service, self._environ)
        if bucket and (url or "." in bucket):  # a dot in the bucket breaks the certificate of virtual hosting
            path = f"/{bucket}{path}"
            bucket = ""
        if not url:
            url = f"https://{bucket + '.' if bucket else ''}{aws_host(service, self.region)}"
        origin = self._origins.get(url)
        if origin is None:
            origin = self._origins.setdefault(url, Origin(url))
        return origin, origin.base + path
