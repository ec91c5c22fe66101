"""A small HTTP server that stands in for S3, Secrets Manager and SageMaker's runtime where a whole region is too much.

It speaks their wire formats (the parts that the prediction path uses) and remembers what it was asked.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "the-data-bucket"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ids"
SECRET_TEXT = "a secret of more than sixteen characters"

Reply = tuple[int, dict[str, str], bytes]


def error(status: int, code: str, **members: Any) -> Reply:
    return status, {"x-amzn-errortype": code, "content-type": "application/json"}, json.dumps(members).encode()


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class StubAws:
    """``variants[endpoint][variant]`` scores the body of one request; ``objects`` are S3's by key."""

    objects: dict[str, bytes] = field(default_factory=dict)
    variants: dict[str, dict[str, Callable[[bytes], bytes]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    #: answers given instead of the real ones, first come first served; "close" ends the connection without a word
    script: list[Reply | str] = field(default_factory=list)
    before: Callable[[Seen], None] = lambda seen: None
    #: whether an endpoint answers with the variant it has, whichever is asked for
    deaf_to_targets: bool = False
    secret: str = SECRET_TEXT
    events: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "DATA_BUCKET": BUCKET,
            "INFERENCE_SECRET_ARN": SECRET,
            "NAME_PREFIX": "sluicegate",
        }

    def asked(self, part: str) -> list[Seen]:
        return [seen for seen in self.seen if part in seen.path]

    def reply(self, seen: Seen) -> Reply | str:
        if self.script:
            return self.script.pop(0)
        if seen.headers.get("x-amz-target") == "secretsmanager.GetSecretValue":
            return 200, {}, json.dumps({"ARN": SECRET, "SecretString": self.secret}).encode()
        if seen.headers.get("x-amz-target") == "AWSEvents.PutEvents":
            self.events += json.loads(seen.body)["Entries"]
            return 200, {}, b'{"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}'
        if seen.path.startswith("/endpoints/"):
            return self._invoke(seen)
        return self._object(seen)

    def _invoke(self, seen: Seen) -> Reply:
        endpoint = seen.path.split("/")[2]
        variant = seen.headers["x-amzn-sagemaker-target-variant"]
        if endpoint not in self.variants:
            message = f"Endpoint {endpoint} of account 123456789012 not found."
            return error(400, "ValidationError", Message=message)
        if self.deaf_to_targets:
            variant = next(iter(self.variants[endpoint]))
        score = self.variants[endpoint].get(variant)
        if score is None:
            return error(400, "ValidationError", Message=f"Variant {variant} not found for endpoint {endpoint}.")
        try:
            content = score(seen.body)
        except ArithmeticError as failure:
            return error(
                424, "ModelError", OriginalStatusCode=500, OriginalMessage=str(failure), Message="Received 500"
            )
        return 200, {"content-type": "text/csv", "x-amzn-invoked-production-variant": variant}, content

    def _object(self, seen: Seen) -> Reply:
        content = self.objects.get(seen.path.removeprefix(f"/{BUCKET}/"))
        if content is None:
            return 404, {"content-type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>"
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        if seen.headers.get("if-none-match") == etag:
            return 304, {"etag": etag}, b""
        return 200, {"etag": etag}, content


@contextmanager
def running(stub: StubAws) -> Iterator[StubAws]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            stub.seen.append(seen)
            stub.before(seen)
            reply = stub.reply(seen)
            if isinstance(reply, str):
                self.close_connection = True
                return
            status, headers, content = reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
