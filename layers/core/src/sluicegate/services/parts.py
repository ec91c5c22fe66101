"""The rows that a run learns from, on disk: its uploads' accepted rows, cut to its window."""

from __future__ import annotations

from pathlib import Path

from sluicegate.domain.errors import UnusableData
from sluicegate.domain.items import RunItem, moment
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Storage, Workspace

_SHARE_OF_DISK = 0.3


def fetch(storage: Storage, workspace: Workspace, run: RunItem, folder: Path) -> list[Path]:
    """A Parquet file for each of the run's uploads, in their order. Raises ``UnusableData`` when the disk is too small,
    or the window can't be told from the data."""
    # DuckDB takes long to import: only where data are prepared
    from sluicegate.data.parts import not_before, without_first

    model, uploads, skipped, parts = run["model"], run["uploads"], run.get("skipped") or {}, []
    found = [storage.head(f"uploads/{model}/{upload}/rows.parquet") for upload in uploads]
    total, limit = sum(part.size for part in found), int(workspace.free_bytes() * _SHARE_OF_DISK)
    if total > limit:
        raise UnusableData(
            "Too much data",
            f"The accepted rows take {total / 2**20:,.0f} MB; the disk takes up to {limit / 2**20:,.0f} MB.",
            "Deploy the stack with a larger EphemeralStorageMb, or set retrain.window in model.yaml.",
        )
    column = parse_settings(run.get("settings") or "").split.column
    for upload, part in zip(uploads, found, strict=True):
        target = folder / f"{upload}.parquet"
        storage.download(part.key, target)
        if upload in skipped:
            target = without_first(target, skipped[upload], workspace.memory_limit_mb)
        if (since := run.get("since")) and column is not None:
            target = not_before(target, column, moment(since), workspace.memory_limit_mb)
        parts.append(target)
    return parts
