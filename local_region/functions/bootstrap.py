"""What runs in a function's process: AWS's ``awslambdaric`` against the region's Runtime API.

Nothing of ``awslambdaric`` is imported at module level: its C client and its log settings read the environment when
they are imported, and the zygote that imports this module has not got the function's environment yet.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from local_region.functions.imports import guard

#: written to standard output before an answer is posted, so the region knows that all of the call's output was read
END_MARK = "\x1esluice-end "
_OWN = {"awslambdaric", "runtime_client", "local_region", "simplejson"}


class MissingModules:
    """Last on ``sys.meta_path``: explains why a module of a layer can't be imported here."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self._reasons = reasons

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name in self._reasons:
            raise ModuleNotFoundError(self._reasons[name], name=name)
        return None


def forget(names: Sequence[str]) -> None:
    """Drop modules that the zygote imported from elsewhere, so that the function's own are imported."""
    wanted = set(names) - _OWN
    for module in [m for m in sys.modules if m.split(".", 1)[0] in wanted]:
        del sys.modules[module]
    importlib.invalidate_caches()


def main(argv: Sequence[str]) -> int:
    """``argv``: handler, JSON of ``{"missing": {module: reason}, "replace": [module], "allowed": [module], "own":
    [folder]}`` (``model.import_options``). Runs until it is ended."""
    handler, options = argv[0], json.loads(argv[1])
    time.tzset()
    # What is imported lies in the region's own state folder; its next worker needn't compile it again, whatever this
    # machine's environment says of the rest of it (PYTHONDONTWRITEBYTECODE is common in containers).
    sys.dont_write_bytecode = False
    forget(options["replace"])
    sys.meta_path.append(MissingModules(options["missing"]))
    # Afresh, should the zygote have imported it: without the function's environment it knows no endpoint.
    for module in [m for m in sys.modules if m.split(".", 1)[0] in {"awslambdaric", "runtime_client"}]:
        del sys.modules[module]
    guard(options["allowed"], [*options["own"], os.environ["TMPDIR"]])
    runtime = importlib.import_module("awslambdaric.bootstrap")
    base: Any = importlib.import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient

    def mark(request_id: str) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, f"{END_MARK}{request_id}\n".encode())

    class Client(base):  # type: ignore[misc]
        def post_invocation_result(self, invoke_id: str, *args: Any, **named: Any) -> None:
            mark(invoke_id)
            super().post_invocation_result(invoke_id, *args, **named)

        def post_invocation_error(self, invoke_id: str, *args: Any, **named: Any) -> None:
            mark(invoke_id)
            super().post_invocation_error(invoke_id, *args, **named)

    try:
        runtime.run(handler, Client(os.environ["AWS_LAMBDA_RUNTIME_API"]))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
