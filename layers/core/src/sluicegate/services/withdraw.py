"""What left the bucket leaves the data: an accepted upload whose object was deleted or replaced is withdrawn.

Events come late, twice and in any order, so none is believed: each only makes us look at what lies under its key now.
S3 answers a HEAD with the newest write, and the ledger looks again when another step came between; whichever event is
the last to be heard, the upload that is accepted is the content that lies there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import unquote_plus

from sluicegate.domain import names
from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import ModelItem, UploadItem, WithdrawnItem, stamp
from sluicegate.ports import Change, Registry, Storage
from sluicegate.services.arrivals import Arrived, place
from sluicegate.services.code import CodeFolder
from sluicegate.services.ledger import Ledger, Step, move_upload

log = logging.getLogger(__name__)

_SAID = {
    "deleted": "The object was deleted: later data sets leave its rows out.",
    "replaced": "The object was replaced: later data sets have the new content instead.",
}


class Withdraw:
    """``object_deleted`` may be called again for the same object, any number of times."""

    def __init__(self, ledger: Ledger, storage: Storage) -> None:
        self._ledger = ledger
        self._registry: Registry = ledger.registry
        self._storage = storage

    def object_deleted(self, arrived: Arrived) -> str:
        """What became of it: withdrawn | known (nothing of it is in use) | code | ignored (no data of a model)."""
        where = place(arrived.key)
        if where.kind == "code":
            return CodeFolder(self._ledger, self._storage).changed(where.model, arrived)
        if where.kind != "data":
            return "ignored"
        keys, now = {arrived.key, unquote_plus(arrived.key)}, arrived.at
        found = [item for item in self._registry.uploads(where.model) if item["key"] in keys]
        if not found:
            return "known"  # the event of its creation is still to come, and will find it gone
        cause = f"gone:{names.digest(['gone', found[0]['key'], arrived.sequencer], 12)}"

        def plan(_: ModelItem) -> Step | None:
            changes = self.changes(where.model, (upload["upload"] for upload in found), now)
            if not changes:
                return None
            told = {change.set["withdrawn"]["reason"] for change in changes}
            message = f"{found[0]['key']} was {' or '.join(sorted(told))}."
            return Step(message, {"latest_cause": cause}, changes, state="working")

        done = self._ledger.step(where.model, now, plan)
        self.ask(where.model, cause, now)
        return "known" if done is None else "withdrawn"

    def others(self, model: str, key: str, upload: str) -> list[UploadItem]:
        """The uploads of other content under the same key."""
        return [item for item in self._registry.uploads(model) if item["key"] == key and item["upload"] != upload]

    def changes(self, model: str, uploads: Iterable[str], now: datetime) -> list[Change]:
        """The withdrawal of those of ``uploads`` that are accepted and whose content is not there any more."""
        found = []
        for upload in uploads:
            item = self._registry.upload(model, upload)
            if item["status"] != "accepted" or (reason := self._gone(item)) is None:
                continue
            told = WithdrawnItem(at=stamp(now), reason=reason)
            moved = move_upload(item, "withdrawn", now, _SAID[reason], withdrawn=told)
            if moved is not None:
                found.append(moved)
        return found

    def ask(self, model: str, cause: str, now: datetime) -> None:
        """Look for a run if ``cause`` is the newest to ask for one: also when the delivery before broke off."""
        if self._registry.model(model).get("latest_cause") == cause:
            self._ledger.look_again(model, cause, now)

    def _gone(self, item: UploadItem) -> str | None:
        try:
            there = self._storage.head(item["key"])
        except NotFound:
            return "deleted"
        return None if there.etag == item["etag"] else "replaced"
