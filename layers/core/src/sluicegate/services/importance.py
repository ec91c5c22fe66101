"""What a version goes by, for its report: how much it loses without each column, and what the model itself says.

``{"permutation": …, "reported": …}``: see ``domain.permutation`` and ``domain.importance``; ``{"absent": why}`` in the
place of what there is not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.blocks import PADDING
from sluicegate.domain.dataset import Wires
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import RunItem
from sluicegate.domain.local_models import NoLocalModel, wires
from sluicegate.domain.recordio import frames
from sluicegate.domain.schema import Problem
from sluicegate.ports import Storage
from sluicegate.services import artifacts
from sluicegate.services.local_copy import Copy

if TYPE_CHECKING:
    from sluicegate.domain.importance import Features
    from sluicegate.domain.permutation import Floats, Rows

log = logging.getLogger(__name__)

Json = dict[str, Any]

#: of the rows held out, what is read: rows are sampled from as many of the first as this holds
READ = 64 * 1024 * 1024
_NO_TARGET = "there is no target, so nothing gets worse when a column is shuffled"
#: algorithms whose files say nothing, and why
_SILENT = {
    "knn": "a model of knn keeps rows, and learns no weights of columns",
    "factorization-machines": "a model of factorization-machines weighs columns in pairs, none by itself",
}


@dataclass(frozen=True)
class Trained:
    """A run's model: its artifact's key, and the same as functions evaluate it."""

    run: RunItem
    document: Mapping[str, Any]
    algorithm: Algorithm
    artifact: str
    copy: Copy


@dataclass(frozen=True)
class _HeldOut:
    """Rows (n, width) out of the first ``of`` that are held out, with their labels (n,)."""

    rows: Rows
    labels: Floats
    of: int


def describe(
    storage: Storage, model: Trained, problem: Problem, metric: str, labels: Floats | None, folder: Path
) -> Json:
    """``labels`` are those of the rows held out, None without a target. ``folder`` is for what must be downloaded."""
    if labels is None:
        said = f"{model.algorithm.name} ranks no columns"
        return {"permutation": {"absent": _NO_TARGET}, "reported": {"absent": said}}
    from sluicegate.domain.importance import Features

    features = Features.of(Encoder.from_json(model.document["encoder"]))
    held: _HeldOut | str
    try:
        held = _sampled(storage, model, labels)
    except (NotFound, ValueError) as error:
        held = str(error)
    reported = _reported(storage, model, features, held, folder)
    first = [row["column"] for row in reported.get("columns", ())]
    return {"permutation": _permutation(model, problem, metric, features, held, first), "reported": reported}


def _permutation(
    model: Trained, problem: Problem, metric: str, features: Features, held: _HeldOut | str, first: list[str]
) -> Json:
    from sluicegate.domain import permutation
    from sluicegate.domain.local_models.in_bulk import InBulk

    try:
        if isinstance(held, str) or model.copy.document is None:
            raise permutation.NotShuffled(held)
        bulk = InBulk(model.copy.document)
        columns = {name: places[places < bulk.width] for name, places in features.groups.items() if name != PADDING}
        seed = model.run["run"]
        found = permutation.importance(problem, metric, held.labels, held.rows, bulk, columns, seed=seed, first=first)
        return {**found, "of": held.of}
    except (permutation.NotShuffled, NoLocalModel) as error:
        log.info("no permutation importance of %s: %s", model.artifact, error)
        return {"absent": str(error)}


def _sampled(storage: Storage, model: Trained, labels: Floats) -> _HeldOut:
    """``ValueError`` says why there are none."""
    import numpy as np

    from sluicegate.domain.permutation import sample

    if model.copy.document is None:
        raise NoLocalModel(model.copy.item["absent"])
    wire, width = Wires.from_json(model.document.get("wire")).infer, int(model.copy.document["width"])
    content, whole = _first(storage, f"datasets/{model.run['model']}/{model.run['dataset_version']}/holdout/")
    if not whole and wire != "recordio":
        content = content[: content.rfind(b"\n") + 1]
    records = list(frames(content)) if wire == "recordio" else content.splitlines()
    if not records or len(records) > len(labels) or (whole and len(records) < len(labels)):
        raise ValueError(f"there are {len(records):,} rows held out, and {len(labels):,} labels")
    chosen = sample(len(records), width, model.run["run"])
    read = wires.reader(wire, width)
    rows = np.empty((len(chosen), width), np.float32)
    for row, place in enumerate(chosen):  # one by one: as Python objects all would take eight times as much
        rows[row] = read(records[place])
    return _HeldOut(rows, labels[chosen], len(records))


def _first(storage: Storage, prefix: str) -> tuple[bytes, bool]:
    """The beginning of the first file under ``prefix``, and whether that is all there is."""
    keys = sorted(found.key for found in storage.list(prefix))
    if not keys:
        raise NotFound(f"{prefix}*")
    content = storage.read(keys[0], READ)
    return content, len(keys) == 1 and len(content) <= READ


def _reported(storage: Storage, model: Trained, features: Features, held: _HeldOut | str, folder: Path) -> Json:
    from sluicegate.domain import importance
    from sluicegate.domain.local_models import in_bulk

    name, local = model.algorithm.name, model.copy.document
    try:
        if name in _SILENT:
            raise importance.NoImportance(_SILENT[name])
        if local is not None and local["kind"] == "linear" and not isinstance(held, str):
            return importance.of_weights(in_bulk.weights(local), held.rows, features)
        if name == "linear-learner":
            raise importance.NoImportance(str(held))
        files = artifacts.files(storage, model.artifact, folder)
        if name == "xgboost":
            return importance.of_models(files.values(), features)
        if importance.FILE not in files:
            raise importance.NoImportance(f"its artifact holds no {importance.FILE}")
        return importance.of_file(files[importance.FILE], features, encoded=model.algorithm.infer_format != "raw")
    except (importance.NoImportance, artifacts.NotRead, NotFound) as error:
        log.info("%s doesn't say what it goes by: %s", model.artifact, error)
        return {"absent": str(error)}
