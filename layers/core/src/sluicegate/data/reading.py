"""What comes of reading an upload, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from sluicegate.data.inference import default_target
from sluicegate.data.profile import profile_columns
from sluicegate.data.rejects import Rejects
from sluicegate.data.sampled import listed
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import ColumnType, Schema
from sluicegate.domain.settings import ModelSettings


@dataclass(frozen=True)
class UploadReading:
    """What came of an upload. ``parquet`` has the accepted rows in file order; ``rejects`` is None when all were good.

    ``schema`` is ``known`` with this file's further columns: hand it on as ``known`` for the next upload.
    """

    accepted_rows: int
    rejected_rows: int
    schema: Schema
    parquet: Path
    rejects: Path | None
    report: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """The upload as it was found: its key, and what the report says of its form (size, encoding, delimiter)."""

    key: str
    form: dict[str, Any]


def finish(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    columns: Sequence[tuple[str, ColumnType]],
    parquet: Path,
    accepted: int,
    rejects: Rejects,
    rejects_path: Path,
    settings: ModelSettings,
    known: Schema | None,
    notes: list[str],
) -> UploadReading:
    """The reading with its report, from the rows that were written. Raises ``UnreadableUpload`` if there are none."""
    names = [name for name, _ in columns]
    if accepted == 0:
        raise nothing_usable(source.key, rejects)
    notes = [*notes, *_come_and_gone(columns, settings, known)]
    profile = profile_columns(connection, parquet, columns)
    report = {
        "key": source.key,
        **source.form,
        "accepted": accepted,
        "rejected": rejects.rows,
        "reasons": dict(rejects.reasons.most_common()),
        "rejected_by_column": dict(rejects.columns.most_common(20)),
        "examples": rejects.examples,
        "columns": [column.to_json() for column in profile],
        "notes": notes,
    }
    schema = Schema(
        columns=tuple(column.as_column() for column in profile),
        target=default_target(settings, names, known.target if known else None),
        id_column=settings.id_column,
    )
    return UploadReading(
        accepted_rows=accepted,
        rejected_rows=rejects.rows,
        schema=known.merged(schema) if known else schema,
        parquet=parquet,
        rejects=rejects_path if rejects.rows else None,
        report=report,
        notes=notes,
    )


def _come_and_gone(
    columns: Sequence[tuple[str, ColumnType]], settings: ModelSettings, known: Schema | None
) -> list[str]:
    names = [name for name, _ in columns]
    notes = []
    if known is not None:
        missing = [name for name in known.names if name not in names]
        if missing:
            notes.append(f"Columns of earlier uploads that this file lacks count as missing: {listed(missing)}.")
        new = [name for name in names if name not in known.names]
        if new:
            notes.append(f"New columns: {listed(new)}. Rows of earlier uploads count as missing there.")
        for name, kind in columns:
            before = known.column(name)
            if before is not None and before.type != kind and settings.features.declared(name) is None:
                notes.append(f"Column {name} is a {kind} here and a {before.type} in earlier uploads.")
    for wanted, what in ((settings.target, "target"), (settings.id_column, "id_column")):
        if wanted is not None and wanted not in names:
            notes.append(f"The file has no column {wanted!r}, which model.yaml names as {what}.")
    return notes


def joined_notes(names: Iterable[str], settings: ModelSettings) -> list[str]:
    """Of the columns that hold lists of texts."""
    notes = []
    for name in names:
        note = f"Column {name} holds lists of texts; each is read as one text, its parts joined by spaces."
        if settings.features.declared(name) != "text":
            note += f" To learn from each word, set features.types: {{{name}: text}} in model.yaml."
        notes.append(note)
    return notes


def nothing_usable(key: str, rejects: Rejects) -> UnreadableUpload:
    if not rejects.rows:
        return UnreadableUpload("No rows", f"{key} has no rows of data.", "Upload a file with rows.")
    first = rejects.examples[0]
    remedy = (
        "Correct the file (the same number of fields on every line, values of the columns' types) and upload it again."
    )
    if "is not a date such as" in first["reason"]:
        remedy = (
            "Declare how the file writes its dates (features.dates in model.yaml), or correct it; then upload it again."
        )
    reasons = ", ".join(f"{count:,} × {kind}" for kind, count in rejects.reasons.most_common(3))
    return UnreadableUpload(
        "No usable rows",
        f"All {rejects.rows:,} rows of {key} were rejected ({reasons}). The first, line {first['line']}: "
        f"{first['reason']}.",
        remedy,
    )
