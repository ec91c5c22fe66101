"""What the reading of an upload came to."""

from __future__ import annotations

import csv

from sluicegate.data.ingest import UploadReading


def rejected(reading: UploadReading) -> list[dict[str, str]]:
    """The report of rows that were not accepted."""
    assert reading.rejects is not None
    with reading.rejects.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def types(reading: UploadReading) -> dict[str, str]:
    return {column.name: column.type for column in reading.schema.columns}
