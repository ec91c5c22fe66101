"""A run's data set: there already, prepared by this function, or by a processing job when it is too much for one."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from sluicegate.domain.errors import OutOfRoom
from sluicegate.domain.items import RunItem
from sluicegate.domain.settings import ModelSettings
from sluicegate.ports import Storage, Workspace
from sluicegate.services import datasets
from sluicegate.services.ledger import Ledger
from sluicegate.services.prepare import Order, order_of, prepare
from sluicegate.services.processing import Processing

log = logging.getLogger(__name__)
#: of the free disk: the rows themselves, what they are encoded to, and what DuckDB spills
_SHARE_OF_DISK = 0.3


class Preparation:
    """``limit``: the bytes that a function prepares at most; 0: what its disk takes, which holds in any case."""

    def __init__(
        self, ledger: Ledger, storage: Storage, workspace: Workspace, processing: Processing, limit: int = 0
    ) -> None:
        self._registry = ledger.registry
        self._storage = storage
        self._workspace = workspace
        self._processing = processing
        self._limit = limit

    def document(self, run: RunItem, settings: ModelSettings, now: datetime) -> dict[str, Any] | None:
        """What the data set says of itself (dataset.json); None when a processing job prepares it: that job's end goes
        on. Raises ``UserError`` and ``Refused``."""
        model, dataset = run["model"], run["dataset_version"]
        champion = datasets.champion_of(self._registry, run)
        known = datasets.read(self._storage, model, dataset)
        if known is not None and datasets.serves(known, champion):
            return known
        parts = [self._storage.head(datasets.rows_key(model, upload)) for upload in run["uploads"]]
        target = (self._registry.model(model).get("columns") or {}).get("target")
        order = order_of(run, parts, target)
        most = int(self._workspace.free_bytes() * _SHARE_OF_DISK)
        if order.size <= min(most, self._limit or most):
            try:
                with self._workspace.folder() as folder:
                    return self._here(run, order, champion, folder)
            except OutOfRoom as error:
                log.info("more than its size let expect: %s", error)  # many categories, say, each a column
        self._processing.start(run, settings, order, champion, now)
        return None

    def _here(self, run: RunItem, order: Order, champion: datasets.Champion | None, folder: Path) -> dict[str, Any]:
        model, dataset, rows = run["model"], run["dataset_version"], {}
        serving = None
        if champion is not None and champion.dataset != dataset:
            serving = datasets.of_champion(self._storage, model, champion)
        for upload in order.sizes:
            rows[upload] = folder / f"{upload}.parquet"
            self._storage.download(datasets.rows_key(model, upload), rows[upload])
        prepared = prepare(order, rows, serving, folder / "dataset", self._workspace.memory_limit_mb)
        for part, files in prepared.files.items():
            for file in files:
                self._storage.upload(file, f"datasets/{model}/{dataset}/{part}/{file.name}")
        # written last: where it is, the data set is whole
        return datasets.write(self._storage, model, dataset, prepared.document, champion)
