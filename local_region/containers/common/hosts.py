"""The hosts of a training job that has several, and how they find and tell one another what they have.

On SageMaker ``algo-1`` is a name that resolves. Hosts that share a machine meet in a folder instead
(``SAGEMAKER_RENDEZVOUS_DIR``): a host leaves files there under its name, whole or not at all, and waits for others'.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_region.containers.common.errors import AlgorithmError
from local_region.containers.common.training import read_json

#: longer than any download's end may differ between hosts: a job that hangs would cost until MaxRuntimeInSeconds
WAIT_SECONDS = 600.0
_LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Cluster:
    """``hosts`` in the job's order; ``current`` is this process's; ``folder`` is theirs together."""

    hosts: tuple[str, ...]
    current: str
    folder: Path

    @property
    def several(self) -> bool:
        return len(self.hosts) > 1

    @property
    def leads(self) -> bool:
        """Is this the host that speaks for all (the first)?"""
        return self.current == self.hosts[0]

    def leave(self, what: str, write: Callable[[Path], object]) -> None:
        """This host's ``what``: ``write`` gets the path of a file, which the others see once it is whole."""
        part = self.folder / f".{what}.{self.current}"
        write(part)
        part.replace(self.folder / f"{what}.{self.current}")

    def found(self, what: str, host: str, seconds: float = WAIT_SECONDS) -> Path:
        """``host``'s ``what``, waited for. ``AlgorithmError`` when it doesn't come."""
        path = self.folder / f"{what}.{host}"
        deadline = time.monotonic() + seconds
        while not path.exists():
            if time.monotonic() > deadline:
                raise AlgorithmError(f"Host {host} has sent no {what} within {seconds:g} seconds.")
            time.sleep(_LOOK_SECONDS)
        return path


def cluster(base: Path, environ: Mapping[str, str] = os.environ) -> Cluster:
    """As ``input/config/resourceconfig.json`` says."""
    path = base / "input/config/resourceconfig.json"
    content = read_json(path) if path.exists() else {}
    hosts = tuple(content.get("hosts", ["algo-1"]))
    if len(hosts) > 1 and "SAGEMAKER_RENDEZVOUS_DIR" not in environ:
        raise AlgorithmError("Several hosts, but no SAGEMAKER_RENDEZVOUS_DIR in which they could meet.")
    return Cluster(hosts, content.get("current_host", hosts[0]), Path(environ.get("SAGEMAKER_RENDEZVOUS_DIR", base)))
