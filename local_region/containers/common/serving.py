"""What every inference server here answers, apart from HTTP and from its model."""

from __future__ import annotations

import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from local_region.containers.common.content import parse_header
from local_region.containers.common.errors import NotAcceptable, UnknownType, UserError
from local_region.containers.common.http import Answer, Request, Server
from local_region.containers.common.training import base_dir

#: as the built-ins: 6 MiB unless ``MAX_CONTENT_LENGTH`` says otherwise
MAX_CONTENT_LENGTH = 6_291_456


class Scoring(ABC):
    """``/ping``, ``/execution-parameters`` and ``/invocations``; a subclass answers the last."""

    #: without an Accept, or with ``*/*``
    default_accept = "application/json"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.batch = bool(environ.get("SAGEMAKER_BATCH"))
        self._default = environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", self.default_accept)
        self.max_body = int(environ.get("MAX_CONTENT_LENGTH", MAX_CONTENT_LENGTH))

    @abstractmethod
    def invoke(self, body: bytes, content_type: str, accept: str) -> Answer:
        """Raises ``UserError`` (400), ``UnknownType`` (415) or ``NotAcceptable`` (406)."""

    def __call__(self, request: Request) -> Answer:
        if request.path == b"/invocations":
            if request.method != b"POST":
                return Answer(405, b"Method Not Allowed")
            return self._guarded(request)
        if request.path == b"/ping":
            return Answer(200)
        if request.path == b"/execution-parameters":
            return Answer(200, self._parameters(), b"application/json")
        return Answer(404, b"Not Found")

    def _parameters(self) -> bytes:
        return json.dumps(
            {
                "MaxConcurrentTransforms": os.cpu_count() or 1,
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": self.max_body >> 20,
            }
        ).encode()

    def _guarded(self, request: Request) -> Answer:
        if not request.body:
            return Answer(204)
        content_type = request.headers.get(b"content-type", b"").decode("latin-1")
        try:
            return self.invoke(request.body, content_type, request.headers.get(b"accept", b"").decode("latin-1"))
        except UnknownType as error:
            return Answer(415, str(error).encode())
        except UserError as error:
            return Answer(400, f"Unable to evaluate payload provided: {error}".encode())
        except NotAcceptable as error:
            return Answer(406, str(error).encode())
        except Exception as error:  # noqa: BLE001  one request must not end the server; the log says what happened
            print(f"Internal failure: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return Answer(500, f"Internal failure: {type(error).__name__}: {error}".encode())

    def accepted(self, header: str, known: tuple[str, ...]) -> str:
        """The answer's type. ``NotAcceptable`` unless it is one of ``known``."""
        accept = parse_header(header)[0] if header else ""
        if accept in ("", "*/*"):
            return self._default
        if accept not in known:
            raise NotAcceptable(
                f"Accept type {accept} is not supported. Please use supported accept types: {', '.join(known)}."
            )
        return accept


def run(load: Callable[[Path, Mapping[str, str]], Scoring]) -> int:
    """Serve ``load(<model folder>, <environment>)`` until SIGTERM; 1 when the model can't be loaded.

    Listens on a loopback port (``SAGEMAKER_BIND_TO_PORT``, or one that is free) and writes it to ``serve/port`` once it
    answers.
    """
    base = base_dir()
    try:
        scoring = load(base / "model", dict(os.environ))
    except UserError as error:
        print(f"Unable to load model: {error}", file=sys.stderr, flush=True)
        return 1
    server = Server(scoring, scoring.max_body, port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "0")))

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, end)
    folder = base / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "port.part").write_text(str(server.port))
    (folder / "port.part").replace(folder / "port")
    print(f"Model loaded; listening on port {server.port}", flush=True)
    server.serve()
    return 0
