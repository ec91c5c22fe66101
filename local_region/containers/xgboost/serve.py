"""The built-in's inference server. ``main`` is a process's entry point.

Loads every model file of ``model/`` under ``SAGEMAKER_BASE_DIR``, listens on a loopback port
(``SAGEMAKER_BIND_TO_PORT``, or one that is free) and writes the port to ``serve/port`` once it answers. ``/ping``,
``/execution-parameters`` and ``/invocations`` as the built-in; two answers are more helpful than its own: rows that
can't be parsed are 400 (there 415), and CSV with too few columns is 400 (there those are taken as missing values).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from local_region.containers.xgboost import selectable
from local_region.containers.xgboost.content import kind_of
from local_region.containers.xgboost.errors import UserError
from local_region.containers.xgboost.http import Answer, Request, Server
from local_region.containers.xgboost.model import Model, load
from local_region.containers.xgboost.payload import NotAcceptable, choose_accept, encode, parse_csv, parse_libsvm

#: as the built-in: 6 MiB unless ``MAX_CONTENT_LENGTH`` says otherwise
MAX_CONTENT_LENGTH = 6_291_456
_TYPES = {"text/csv": b"text/csv; charset=utf-8"}


class Scoring:
    """What the server answers, apart from HTTP."""

    def __init__(self, model: Model, environ: dict[str, str]) -> None:
        self._model = model
        self._batch = bool(environ.get("SAGEMAKER_BATCH"))
        self._default = environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv")
        self._selected = selectable.keys(environ.get("SAGEMAKER_INFERENCE_OUTPUT"))
        self.max_body = int(environ.get("MAX_CONTENT_LENGTH", MAX_CONTENT_LENGTH))

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
        try:
            return self._invoke(request)
        except UserError as error:
            return Answer(400, f"Unable to evaluate payload provided: {error}".encode())
        except NotAcceptable as error:
            return Answer(406, str(error).encode())
        except Exception as error:  # noqa: BLE001  one request must not end the server; the log says what happened
            print(f"Internal failure: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return Answer(500, f"Internal failure: {type(error).__name__}: {error}".encode())

    def _invoke(self, request: Request) -> Answer:
        if not request.body:
            return Answer(204)
        content_type = request.headers.get(b"content-type", b"").decode("latin-1")
        try:
            kind = kind_of(content_type)
        except UserError as error:
            return Answer(415, str(error).encode())
        rows = parse_csv(request.body) if kind == "csv" else parse_libsvm(request.body)
        predictions = self._model.predict(rows)
        accept = choose_accept(request.headers.get(b"accept", b"").decode("latin-1"), self._default)
        if self._selected:
            body = selectable.encode(predictions, self._selected, self._model, accept, self._batch)
        else:
            body = encode(predictions, accept, self._batch)
        return Answer(200, body, _TYPES.get(accept) or accept.encode())


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM. Exit status 1 when the model can't be loaded."""
    del argv  # the container contract's "serve" has no arguments
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    ensemble = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") == "true"
    try:
        scoring = Scoring(load(base / "model", ensemble), dict(os.environ))
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
