"""The framework containers' inference server, run by the interpreter of the scripts' environment.

Reads ``model/`` under ``SAGEMAKER_BASE_DIR`` and imports ``SAGEMAKER_PROGRAM`` from ``SLUICE_CODE_DIR``. ``/ping``,
``/execution-parameters`` (404 unless the script has ``execution_parameters_fn``) and ``/invocations``: 415 for a
content type that ``input_fn`` doesn't read, 406 for an Accept that ``output_fn`` doesn't write, 400 for a body that is
not what its type says, 500 with the traceback for whatever the script raises. The script's functions are called one at
a time, as by one worker of the container; ``/ping`` is answered meanwhile.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import waitress

from local_region.containers.script import content
from local_region.containers.script.functions import Functions, Incoming, NoModelFunction, Outgoing

#: real-time endpoints take 6 MiB; batch transforms up to 100 MB
MAX_BODY = 100 << 20
_ANY = ("", "*/*")
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class App:
    """WSGI."""

    def __init__(self, functions: Functions, default_accept: str) -> None:
        self._functions, self._default = functions, default_accept
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status, body, content_type = self._route(environ)
        start_response(
            f"{status} {HTTPStatus(status).phrase}",
            [("Content-Type", content_type), ("Content-Length", str(len(body)))],
        )
        return [body]

    def _route(self, environ: dict[str, Any]) -> tuple[int, bytes, str]:
        path = environ["PATH_INFO"]
        if path == "/ping":
            return 200, b"", content.JSON
        if path == "/execution-parameters":
            proposed = self._functions.execution_parameters()
            if proposed is None:
                return 404, b"", content.JSON
            body = proposed if isinstance(proposed, (str, bytes)) else json.dumps(proposed)
            return 200, body.encode() if isinstance(body, str) else body, content.JSON
        if path != "/invocations":
            return 404, b"", content.JSON
        if environ["REQUEST_METHOD"] != "POST":
            return 405, b"", content.JSON
        return self._invoke(environ)

    def _invoke(self, environ: dict[str, Any]) -> tuple[int, bytes, str]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        content_type = _media_type(environ.get("CONTENT_TYPE", "")) or content.JSON
        accept = _media_type(environ.get("HTTP_ACCEPT", "").split(",", 1)[0])
        if accept in _ANY:
            accept = self._default
        try:
            with self._one_at_a_time:
                answer = self._functions.respond(body, content_type, accept)
        except Incoming as error:
            return 415, _problem(error), content.JSON
        except Outgoing as error:
            return 406, _problem(error), content.JSON
        except content.BadBody as error:
            return 400, _problem(error), content.JSON
        except Exception as error:  # noqa: BLE001 - whatever a script raises is one request's failure, not the server's
            traceback.print_exc()
            sys.stderr.flush()
            return 500, _problem(error), content.JSON
        return 200, answer.body, answer.content_type


def _media_type(header: str) -> str:
    return header.split(";", 1)[0].strip().lower()


def _problem(error: Exception) -> bytes:
    return json.dumps(
        {
            "error": type(error).__name__,
            "error-message": str(error),
            "stack-trace": "".join(traceback.format_exception(error)),
        }
    ).encode()


def load(framework: str, program: str, code: Path | None, model: Path) -> Functions:
    """The script's functions with its model loaded. Whatever the script raises goes through."""
    module: ModuleType | None = None
    if program:
        if code is None:
            raise NoModelFunction(f"there is no code to import {program} from")
        sys.path.insert(0, str(code))
        os.chdir(code)
        name = program.removesuffix(".py").replace("/", ".")
        module = importlib.import_module(name)
    functions = Functions(framework, module)
    functions.load(model)
    return functions


def main() -> int:
    """Serve until SIGTERM. Exit status 1 when the script can't be imported or ``model_fn`` fails."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    code = os.environ.get("SLUICE_CODE_DIR")
    program = os.environ.get("SAGEMAKER_PROGRAM", "")
    try:
        functions = load(os.environ["SLUICE_FRAMEWORK"], program, Path(code) if code else None, base / "model")
    except NoModelFunction as error:
        print(f"Unable to load model: {error}", file=sys.stderr, flush=True)
        return 1
    except Exception:  # noqa: BLE001 - the script's own failure: the log has its traceback
        traceback.print_exc()
        print(f"Unable to load model: {program or 'the default model_fn'} failed", file=sys.stderr, flush=True)
        return 1
    app = App(functions, os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", content.JSON))
    server = waitress.create_server(
        app,
        host="127.0.0.1",
        port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "0")),
        threads=4,
        max_request_body_size=MAX_BODY,
        ident=None,
    )
    port = server.effective_port

    def end(_signal: int, _frame: FrameType | None) -> None:
        os._exit(0)  # requests in flight have been waited for before the region sends this

    signal.signal(signal.SIGTERM, end)
    folder = base / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "port.part").write_text(str(port))
    (folder / "port.part").replace(folder / "port")
    print(f"Model loaded; listening on port {port}", flush=True)
    server.run()
    return 0
