"""A data set from the rows of its uploads, on disk. The function and the processing job both prepare it here.

What is prepared is an ``Order``: everything that the data set depends on but the rows and the champion's document, so
that the same order over the same rows makes the same files, wherever that is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sluicegate.domain.dataset import read_dataset_json
from sluicegate.domain.items import RunItem, moment
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import StoredObject


@dataclass(frozen=True)
class Order:
    """``sizes``: the bytes of each upload's accepted rows, in the data set's order. ``skipped``: how many of an
    upload's first rows lie outside the window. ``since``: rows before it lie outside, by split.column.
    ``known_target``: what the first upload said of the target."""

    dataset: str
    settings: str
    sizes: Mapping[str, int]
    skipped: Mapping[str, int]
    since: str | None
    known_target: str | None

    @property
    def size(self) -> int:
        return sum(self.sizes.values())

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def order_of(run: RunItem, parts: Sequence[StoredObject], known_target: str | None) -> Order:
    """``parts`` are the accepted rows of the run's uploads, in their order."""
    sizes = {upload: part.size for upload, part in zip(run["uploads"], parts, strict=True)}
    return Order(
        run["dataset_version"],
        run.get("settings") or "",
        sizes,
        run.get("skipped") or {},
        run.get("since"),
        known_target,
    )


def read_order(text: str) -> Order:
    """What ``to_json`` wrote. ``TypeError`` when it is none, or another version's."""
    return Order(**json.loads(text))


class Prepared(NamedTuple):
    """``files``: the data set's folders and what is in them. ``document``: what dataset.json says, but for which
    champion the data set serves (``services.datasets.write``)."""

    files: Mapping[str, Sequence[Path]]
    document: dict[str, Any]


def prepare(
    order: Order,
    rows: Mapping[str, Path],
    champion: Mapping[str, Any] | None,
    workdir: Path,
    memory_limit_mb: int,
) -> Prepared:
    """``rows``: each upload's accepted rows; what is cut to the window is replaced. ``champion``: the document of the
    live version's data set, when that is another one. Raises ``UnusableData``."""
    # DuckDB takes long to import: only where data are prepared
    from sluicegate.data.build import build_dataset, dataset_json
    from sluicegate.data.parts import not_before, without_first

    settings = parse_settings(order.settings)
    parts = []
    for upload in order.sizes:
        part = rows[upload]
        if upload in order.skipped:
            part = without_first(part, order.skipped[upload], memory_limit_mb)
        if order.since and settings.split.column is not None:
            part = not_before(
                part,
                settings.split.column,
                moment(order.since),
                memory_limit_mb,
                settings.features.dates.get(settings.split.column),
            )
        parts.append(part)
    build = build_dataset(
        parts,
        settings=settings,
        champion=read_dataset_json(champion) if champion is not None else None,
        workdir=workdir,
        memory_limit_mb=memory_limit_mb,
        known_target=order.known_target,
    )
    return Prepared(build.files, dict(dataset_json(build, list(order.sizes), order.dataset)))
