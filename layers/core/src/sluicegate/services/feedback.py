"""Feedback on predictions: judged, counted once, and logged for the bucket.

Counting comes first, then the log's line. When the function ends between the two, the caller has no answer and sends
the feedback again: it is found counted with the same words, and its line is written then. Whoever joins feedback with
predictions takes each id once, so a line too many does no harm (``services.collect``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluicegate.domain.errors import NotFound, SluicegateError
from sluicegate.domain.experiment.tally import Bucket, Tally
from sluicegate.domain.feedback import Accepted, Refused, Rules, judged
from sluicegate.domain.items import stamp
from sluicegate.domain.log_lines import FEEDBACK, line, packed
from sluicegate.ports import Counted, Fact, Place, Storage, Tallies
from sluicegate.services.tallies import hour_of

_LARGEST_ROUTING = 64 * 1024 * 1024


class NeverLive(SluicegateError):
    """No version of the model ever went live: nothing can be said of its predictions."""


@dataclass
class Feedback:
    """The use case. ``key`` gives the secret that authenticates inference ids; ``keep`` takes a line of the log."""

    storage: Storage
    tallies: Tallies
    key: Callable[[], bytes]
    keep: Callable[[str], None]

    def take(self, model: str, items: Sequence[object], now_ms: int, request_id: str) -> list[Accepted | Refused]:
        """What became of each item, in order. Raises `NeverLive` and ``Transient``."""
        rules = self._rules(model)
        outcomes: list[Accepted | Refused] = []
        for item in items:
            try:
                outcomes.append(judged(item, rules, model, self.key(), now_ms))
            except Refused as refused:
                outcomes.append(refused)
        accepted = [one for one in outcomes if isinstance(one, Accepted)]
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        counted = self.tallies.add(model, [_fact(one) for one in accepted], now) if accepted else []
        said = [one for one, how in zip(accepted, counted, strict=True) if how != "contradicted"]
        if said:
            head = {"model": model, "at": now_ms, "request": request_id, "part": 0}
            rows = {"items": list({one.once: _row(one, now) for one in said}.values())}
            self.keep(line(FEEDBACK, head, packed(rows) or ""))
        ways = iter(counted)
        return [_told(one, next(ways)) if isinstance(one, Accepted) else one for one in outcomes]

    def _rules(self, model: str) -> Rules:
        try:
            document = json.loads(self.storage.read(f"routing/{model}.json", _LARGEST_ROUTING))
        except NotFound as error:
            raise NeverLive(model) from error
        return Rules.of_routing(document)


def _fact(one: Accepted) -> Fact:
    read = one.read
    if one.outcome is None or read.cause is None:
        return Fact(one.once, {}, one.said)
    buckets = {} if read.bucket is None else {read.bucket: Bucket(outcomes=1, total=one.outcome)}
    tally = Tally(outcomes=1, total=one.outcome, squares=one.outcome * one.outcome, buckets=buckets)
    return Fact(one.once, {Place(read.cause, read.slot, hour_of(read.time_ms)): tally}, one.said)


def _row(one: Accepted, now: datetime) -> dict[str, Any]:
    read = one.read
    return {
        "inference_id": one.inference_id,
        one.kind: one.value,
        "at": stamp(now),
        "predicted_at": stamp(datetime.fromtimestamp(read.time_ms / 1000, UTC)),
        "version": read.version,
        "slot": read.slot,
        "cause": read.cause,
    }


def _told(one: Accepted, how: Counted) -> Accepted | Refused:
    if how == "counted":
        return one
    other = "" if how == "repeated" else ", and said something else"
    return Refused("doubled", f"this prediction has its {one.kind} already{other}; each counts once", status=409)
