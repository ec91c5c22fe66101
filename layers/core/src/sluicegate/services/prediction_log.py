"""What a request leaves in the prediction log: who answered for which records, and how.

Each line is a part of a lane's share of one request (``docs/feedback.md`` has the form). Whatever is sampled, every
prediction is counted: a line without records says how many there were. Nothing here calls AWS; ``record_predictions``
gets the lines from the function's log.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sluicegate.domain.log_lines import PREDICTION, chunks, line
from sluicegate.domain.records import Records
from sluicegate.services.predict import Served, Trace

_LONGEST_SUBJECT = 256
#: of a prediction, what the line says once
_OF_THE_LANE = frozenset({"inference_id", "version", "lane", "served_by"})


def lines(trace: Trace, model: str, request_id: str, time_ms: int) -> list[str]:
    """The lines of one request, answered or failed."""
    routing = trace.routing
    if routing is None or trace.records is None:
        return []
    wanted = routing.log_records and sampled(request_id, routing.log_sample)
    found: list[str] = []
    for served in trace.served:
        head = {"model": model, "at": time_ms, "request": request_id, **_lane(served)}
        if trace.records.header is not None:
            head["csv"] = True  # the records' values are texts
        if wanted and not served.error:
            members = chunks(_details(served, trace.records, trace.subjects))
        else:
            members = iter([("", len(served.places))])
        start = 0
        for number, (member, count) in enumerate(members):
            if served.cause and trace.buckets:
                places = served.places[start : start + count]
                head["buckets"] = _counted([trace.buckets[place] for place in places])
            start += count
            if number == 0 and not served.error:  # it counts once, however many lines the answers take
                head["latency_ms"] = round(served.seconds * 1000, 3)
            found.append(line(PREDICTION, {**head, "part": len(found), "count": count}, member))
            head.pop("latency_ms", None)
    return found


def sampled(name: str, share: float) -> bool:
    """Whether ``name`` belongs to the share (0 to 1) of all names that is taken; the same one always does or doesn't.

    >>> sampled("a", 1.0), sampled("a", 0.0)
    (True, False)
    """
    if share >= 1:
        return True
    return int.from_bytes(hashlib.sha256(f"sample:{name}".encode()).digest()[:8], "big") < share * 2**64


def _lane(served: Served) -> dict[str, Any]:
    lane = served.lane
    head: dict[str, Any] = {
        "version": lane.version,
        "slot": lane.slot,
        "endpoint": lane.endpoint,
        "variant": lane.variant,
        "served_by": served.served_by,
        "cause": served.cause,
    }
    if not served.in_place:
        head["assigned"] = served.assigned
    return {**head, "error": served.error} if served.error else head


def _counted(buckets: Sequence[int | None]) -> dict[str, int]:
    """How many records of each bucket: it is known of records that aren't kept, too.

    >>> _counted([7, None, 7, 60])
    {'7': 2, '60': 1}
    """
    return dict(Counter(str(bucket) for bucket in buckets if bucket is not None))


def _details(served: Served, records: Records, subjects: Sequence[str]) -> dict[str, list[Any]]:
    return {
        "ids": [one["inference_id"] for one in served.predictions],
        "subjects": [subjects[place][:_LONGEST_SUBJECT] for place in served.places],
        "records": [records.plain(place) for place in served.places],
        "predictions": [
            {name: value for name, value in one.items() if name not in _OF_THE_LANE} for one in served.predictions
        ],
    }
