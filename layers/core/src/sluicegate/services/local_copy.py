"""A version's model in the form that functions evaluate: ``artifacts/<model>/<job>/local.json``.

Made when the version is registered, and compared with what its own container predicted for the first rows held out: a
model whose answers differ is not offered. What can't be made is noted on the version; it waits for its endpoint then.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sluicegate.domain import names
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.dataset import Wires
from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import LocalItem, RunItem
from sluicegate.domain.local_models import LARGEST_DOCUMENT, NoLocalModel, compiled
from sluicegate.domain.recordio import frames
from sluicegate.domain.schema import Problem
from sluicegate.ports import Storage, Workspace
from sluicegate.services import artifacts

if TYPE_CHECKING:
    from sluicegate.domain.local_models import LocalModel

log = logging.getLogger(__name__)

#: how many of the rows held out are compared, and how much of their file is read for it
_ROWS = 200
_READ = 1024 * 1024
#: beyond it, answers differ (relative to the answer, at least to 1)
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Copy:
    """What the version's item says of it, and the document itself (see ``domain.local_models``), if there is one."""

    item: LocalItem
    document: Mapping[str, Any] | None = None


class LocalCopy:
    def __init__(self, storage: Storage, workspace: Workspace) -> None:
        self._storage = storage
        self._workspace = workspace

    def make(self, run: RunItem, job: str, document: Mapping[str, Any], algorithm: Algorithm) -> Copy:
        """Of what ``job`` trained; again is the same. ``document`` is that of the run's data set."""
        try:
            content, local = self._read(names.artifact(run["model"], job), algorithm)
            self._compare(compiled(local), run, document, algorithm)
        except (NoLocalModel, artifacts.NotRead, NotFound) as error:
            log.info("functions can't evaluate %s: %s", job, error)
            return Copy(LocalItem(absent=str(error)[:500]))
        key = names.local_model(run["model"], job)
        self._storage.write(key, content, "application/json")
        return Copy(LocalItem(key=key, bytes=len(content)), local)

    def _read(self, artifact: str, algorithm: Algorithm) -> tuple[bytes, dict[str, Any]]:
        if algorithm.name not in ("xgboost", "linear-learner"):
            raise NoLocalModel(f"a model of {algorithm.name} is evaluated by its container alone")
        with self._workspace.folder() as folder:
            files = artifacts.files(self._storage, artifact, folder)
        if algorithm.name == "xgboost":
            from sluicegate.domain.local_models import xgboost_files

            document = xgboost_files.document(files.values())
        else:
            from sluicegate.domain.local_models import linear_files

            document = linear_files.document(next(iter(files.values()), b""))
        content = json.dumps(document, separators=(",", ":")).encode()
        if len(content) > LARGEST_DOCUMENT:
            raise NoLocalModel(f"the model is too large: {len(content) >> 20} MB, at most {LARGEST_DOCUMENT >> 20}")
        return content, json.loads(content)

    def _compare(self, model: LocalModel, run: RunItem, document: Mapping[str, Any], algorithm: Algorithm) -> None:
        """With the container's own predictions for rows held out. Raises `NoLocalModel`."""
        wire = Wires.from_json(document.get("wire")).infer
        data = self._first(f"datasets/{run['model']}/{run['dataset_version']}/holdout/")
        answers = _lines(self._first(f"evaluations/{run['model']}/{run['run']}/challenger/"))
        problem = Problem.from_json(document["problem"])
        try:
            records = list(islice(frames(data), _ROWS)) if wire == "recordio" else _lines(data)
            expected = list(algorithm.rows((line.decode() for line in answers), problem))
            count = min(len(records), len(expected))
            found = model.scores(records[:count], wire)
        except ValueError as error:
            raise NoLocalModel(f"the rows held out can't be compared: {error}") from error
        if not count:
            raise NoLocalModel("there are no rows held out to compare it with")
        for number, (ours, theirs) in enumerate(zip(found, expected[:count], strict=True), 1):
            if not _same(ours, theirs):
                raise NoLocalModel(
                    f"its answer to row {number} held out is {ours[:3]}, that of the container {theirs[:3]}"
                )

    def _first(self, prefix: str) -> bytes:
        """The beginning of the first file under ``prefix``."""
        keys = sorted(found.key for found in self._storage.list(prefix))
        if not keys:
            raise NotFound(f"{prefix}*")
        return self._storage.read(keys[0], _READ)


def _lines(data: bytes) -> list[bytes]:
    """The first whole lines, without those that are empty."""
    whole = data if len(data) <= _READ else data[: data.rfind(b"\n") + 1]
    return [line for line in islice(whole.splitlines(keepends=True), _ROWS) if line.strip()]


def _same(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    return len(ours) == len(theirs) and all(
        our == their or math.isclose(our, their, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for our, their in zip(ours, theirs, strict=True)
    )
