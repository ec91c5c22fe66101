"""What happens to files that a model predicts as a whole, line by line as it happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.story import Line

OVER = ("done", "failed")


class BatchStory:
    """``observe`` gives what is new since the last look. What was over at the first look is not told."""

    def __init__(self) -> None:
        self._told: dict[str, int] | None = None

    def observe(self, batches: Sequence[Mapping[str, Any]]) -> list[Line]:
        """``batches`` as the API lists them, newest first."""
        if self._told is None:
            self._told = {str(b["batch"]): len(b.get("history") or []) for b in batches if b["status"] in OVER}
        return [line for batch in reversed(batches) for line in self._new(batch, self._told)]

    def _new(self, batch: Mapping[str, Any], told: dict[str, int]) -> Iterator[Line]:
        history = batch.get("history") or []
        for entry in history[told.get(str(batch["batch"]), 0) :]:
            if entry.get("message"):
                mark = {"failed": "bad", "done": "done"}.get(entry["status"], "work")
                yield Line(mark, f"{batch['key']}: {entry['message']}")  # type: ignore[arg-type]
        told[str(batch["batch"])] = len(history)
