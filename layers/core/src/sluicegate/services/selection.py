"""Which rows a data set is made of: those of all accepted uploads, or of the newest by ``retrain.window``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.items import MORE_ROWS, ModelItem, UploadItem, stamp
from sluicegate.domain.settings import ModelSettings
from sluicegate.ports import RegistryReader


@dataclass(frozen=True)
class Selection:
    """``skipped``: of an upload, how many of its first rows are left out. ``since``: when the rows that count begin, by
    the column that the split is by. ``window``: what a run says of it."""

    uploads: tuple[UploadItem, ...]
    skipped: dict[str, int] = field(default_factory=dict)
    window: dict[str, Any] | None = None
    since: str | None = None

    @property
    def identity(self) -> list[str]:
        """What tells this data from other data: a window that moved names other uploads, or other rows of one."""
        names = (upload["upload"] for upload in self.uploads)
        found = [f"{name}+{self.skipped[name]}" if name in self.skipped else name for name in names]
        return found if self.since is None else [*found, f"since {self.since}"]

    @property
    def told(self) -> str:
        count = len(self.uploads)
        said = f"{count:,} upload{'s' if count != 1 else ''}"
        if self.window is None:
            return said
        measure = f"{self.window['days']:,} days" if "days" in self.window else f"{self.window['rows']:,} rows"
        if self.since is not None:
            return f"{said}, rows from {self.since[:10]} on"
        left_out = self.window["uploads_left_out"]
        return f"{said} of the last {measure} ({left_out:,} older left out)"


def select(accepted: Sequence[UploadItem], settings: ModelSettings, now: datetime) -> Selection:
    """What of ``accepted`` lies in the window.

    By days: the uploads that came within so many times 24 hours before ``now``; or, where the split is by time, the
    rows of all uploads by that column, from the beginning of the first day (so a day's looks see the same data). By
    rows: the uploads that came last, and of the one at the window's edge its last rows.
    """
    window = settings.retrain.window
    if window is None:
        return Selection(tuple(accepted))
    newest = sorted(accepted, key=lambda upload: (upload["received_at"], upload["upload"]), reverse=True)
    chosen, skipped = newest, dict[str, int]()
    if window.days is not None and settings.split.column is not None:
        first = (now - timedelta(days=window.days)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        by_column = {"days": window.days, "since": stamp(first), "uploads_left_out": 0, "rows_left_out": None}
        return Selection(tuple(newest), window=by_column, since=stamp(first))
    if window.days is not None:
        since = stamp(now - timedelta(days=window.days))
        chosen = [upload for upload in newest if upload["received_at"] >= since]
    elif window.rows is not None:
        chosen, left = [], window.rows
        for upload in newest:
            if left <= 0:
                break
            chosen.append(upload)
            rows = upload.get("accepted_rows", 0)
            if rows > left:
                skipped[upload["upload"]] = rows - left
            left -= rows
    left_out = [upload for upload in newest if upload not in chosen]
    told = {
        **(settings.retrain.said_window() or {}),
        "uploads_left_out": len(left_out),
        "rows_left_out": sum(upload.get("accepted_rows", 0) for upload in left_out) + sum(skipped.values()),
    }
    return Selection(tuple(chosen), skipped, told)


def waits_for(
    registry: RegistryReader,
    item: ModelItem,
    uploads: Sequence[UploadItem],
    selection: Selection,
    settings: ModelSettings,
    cause: str,
) -> tuple[str, str] | None:
    """What a run waits for (a word, and a sentence for people), or None when it may start. ``uploads``: all of the
    model's.

    A person who saves model.yaml, and the schedule, ask for a run whatever ``min_new_rows`` and ``on`` say of new data.
    """
    retrain = settings.retrain
    if not selection.uploads:
        days = retrain.window.days if retrain.window else None
        return "empty", f"Waits for data: none came in the last {days:,} days." if days else "Waits for data."
    if cause.startswith("settings:") or item.get("retry") or item.get("asked"):
        return None
    last = item.get("last_run")
    # feedback and drift come with predictions, and those with a version that serves, which needs data like any
    by_data = retrain.by_data or ((retrain.by_feedback or retrain.by_drift) and item.get("live_version") is None)
    if not by_data and not retrain.by_feedback:
        what = [f"its schedule: {item.get('scheduled_for') or retrain.schedule}"] if retrain.schedule else []
        what += ["drift"] if retrain.by_drift else []
        return "scheduled", f"Waits for {' or for '.join(what)}."
    if by_data and retrain.min_new_rows <= 1:
        return None
    used = set(registry.run(item["model"], last).get("uploads", [])) if last else set()
    fresh = [upload for upload in selection.uploads if upload["upload"] not in used]
    if not by_data:
        fresh = [upload for upload in fresh if names.is_feedback(item["model"], upload["key"])]
        if not fresh:
            return "feedback", "Waits for feedback."
    elif any(_deleted(upload) for upload in uploads if upload["upload"] in used):
        return None  # what somebody took away is not to be learned from, however few rows came
    new = sum(upload.get("accepted_rows", 0) for upload in fresh)
    if new >= retrain.min_new_rows:
        return None
    if not new:
        return "nothing", f"Waits until {retrain.min_new_rows:,} new rows are there."
    return "few", f"{MORE_ROWS}{new:,} new ones are there, {retrain.min_new_rows:,} start a run."


def _deleted(upload: UploadItem) -> bool:
    withdrawn = upload.get("withdrawn")
    return upload["status"] == "withdrawn" and withdrawn is not None and withdrawn["reason"] == "deleted"
