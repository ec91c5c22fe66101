"""What should serve: the one write by which a decision for a version becomes the model's wish.

``services.rollout`` sees to it that the endpoint follows. Whoever decided (the gate, SageMaker's registry, a person
through the API), the write is the same, so the newest decision wins whatever order they come in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluicegate.domain.items import ErrorItem, ModelItem, VersionItem
from sluicegate.ports import Change, RegistryReader
from sluicegate.services.ledger import move_run, move_version


def wish(
    registry: RegistryReader, item: ModelItem, version: VersionItem, decided: str, now: datetime, message: str
) -> tuple[dict[str, Any], list[Change]]:
    """The model's new attributes, and the moves of versions and runs, that make ``version`` the one that should serve.

    ``decided`` is when that was decided. What was wished for before, and not told to the endpoint yet, is overtaken.
    """
    number = version["version"]
    changes: list[Change] = []
    fields: dict[str, Any] = {"desired_version": number, "desired_at": decided}
    if version["status"] in ("pending_approval", "retired", "failed"):
        changes += moves(move_version(version, "approved", now, message, released=None))
    if version["status"] == "pending_approval":
        changes += moves(move_run(registry.run(item["model"], version["run"]), "deploying", now, message))
    wanted = item.get("desired_version")
    if wanted is not None and wanted not in (number, item.get("live_version"), item.get("deploying_version")):
        older = registry.version(item["model"], wanted)
        if older["status"] == "approved":
            changes += overtaken(registry, older, number, now)
            fields |= let_go(item, older)
    return fields, changes


def let_go(item: ModelItem, version: VersionItem) -> dict[str, Any]:
    """The model's attributes when ``version`` is overtaken: its run holds up no other, and ``services.rollout`` sees to
    it that the next one is looked for."""
    held = {"active_run": None} if item.get("active_run") == version["run"] else {}
    return held | {"settling": True}


def overtaken(registry: RegistryReader, version: VersionItem, newer: int, now: datetime) -> list[Change]:
    """The end of an approved version that never got to the endpoint."""
    detail = f"Version {newer} was chosen later, before this one was deployed."
    error = ErrorItem(title="Overtaken", detail=detail, remedy="Nothing to do.")
    run = registry.run(version["model"], version["run"])
    return moves(move_version(version, "retired", now, detail)) + moves(
        move_run(run, "failed", now, detail, error=error, claim=None)
    )


def moves(change: Change | None) -> list[Change]:
    return [change] if change is not None else []
