"""The real handlers of page, catalog and predictions on a local port, as the API's stage would serve them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.contract.http.samples import LambdaContext, proxy_event

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
STAGE = "/_api/a1b2c3/v1"
KEY = "the-right-key"


def _pattern(resource: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", resource))


@contextmanager
def serving(routes: dict[tuple[str, str], Handler], public: set[str]) -> Iterator[str]:
    """Serves ``routes`` ((method, resource) → handler) under a stage; all but ``public`` resources need the key."""

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, content = self.respond(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def respond(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            split = urlsplit(self.path)
            if not split.path.startswith(STAGE):
                return 404, {}, b"outside the stage"
            path = split.path.removeprefix(STAGE) or "/"
            for (method, resource), handler in routes.items():
                match = _pattern(resource).fullmatch(path)
                if match is None or method != self.command:
                    continue
                if resource not in public and self.headers.get("x-api-key") != KEY:
                    return 403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}'
                event = proxy_event(
                    method,
                    resource,
                    match.groupdict() or None,
                    body=body.decode() if body else None,
                    headers=dict(self.headers.items()),
                    query=dict(parse_qsl(split.query)) or None,
                    full_path="/v1" + split.path.removeprefix(STAGE),
                )
                found = json.loads(json.dumps(handler(event, LambdaContext())))
                return found["statusCode"], found["headers"], found["body"].encode()
            return 403, {}, b'{"message":"Missing Authentication Token"}'

        do_GET = do_POST = do_PUT = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{STAGE}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
