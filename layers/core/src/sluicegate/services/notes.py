"""What an upload's item says of it in a few lines; the report has it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.domain.items import UploadItem
from sluicegate.ports import StoredObject
from sluicegate.services.ledger import shortened

_SHOWN_REJECTS = 3
#: a note for each of two thousand columns is for the report, not for an item of at most 400 KB
_NOTES = 40
_LONGEST_NOTE = 1_000


def twice(found: StoredObject, uploads: Sequence[UploadItem]) -> list[str]:
    """A word on the same content under another key: it may be meant, so both count, but most often it is a slip."""
    same = [item for item in uploads if item["etag"] == found.etag and item["key"] != found.key]
    keys = [item["key"] for item in same if item["status"] == "accepted"]
    return [f"It has the same content as {keys[0]}: its rows count twice."] if keys else []


def noted(notes: Sequence[str]) -> list[str]:
    shown = [shortened(note, _LONGEST_NOTE) for note in notes[:_NOTES]]
    further = len(notes) - len(shown)
    return [*shown, f"and {further:,} more notes, see the report"] if further > 0 else shown


def shown(report: Mapping[str, Any]) -> list[str]:
    """The first rejected rows in a line each: most mistakes repeat, and few people open the report."""
    examples = report.get("examples") or []
    lines = [f"line {example['line']}: {example['reason']}" for example in examples[:_SHOWN_REJECTS]]
    further = int(report.get("rejected") or 0) - len(lines)
    return [*lines, f"and {further:,} more, see the report"] if lines and further > 0 else lines
