"""A training process's outermost frame: folders of the container contract, and ``output/failure``."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_region.containers.common.errors import AlgorithmError, UserError


def base_dir() -> Path:
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def run(train: Callable[[Path], None]) -> int:
    """Train as the folder says. Exit status: 0, 1 for a failure of the algorithm, 2 for the customer's."""
    base = base_dir()
    try:
        train(base)
    except UserError as error:
        return _fail(base, 2, f"ClientError: {error}")
    except AlgorithmError as error:
        return _fail(base, 1, f"AlgorithmError: {error}")
    except MemoryError:
        return _fail(base, 2, "ClientError: Please use an instance type with more memory, or less data.")
    except Exception:  # noqa: BLE001  whatever failed belongs in output/failure, where the platform looks for it
        return _fail(base, 1, "AlgorithmError: framework error: \n" + traceback.format_exc())
    return 0


def _fail(base: Path, status: int, reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)
    folder = base / "output"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failure").write_text(reason)
    return status
