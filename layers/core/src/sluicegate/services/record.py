"""The prediction log's way to the bucket, and into the sums that experiments read.

What ``predict`` and ``record_feedback`` wrote to their logs comes in batches of a subscription filter. A batch may come
again, whole or in another cut: objects are named by the lines in them, and sums take a line once. Rows are gzipped JSON
lines under ``prediction-log/<model>/dt=…/hour=…/`` and ``feedback/<model>/dt=…/`` (``docs/feedback.md``), by the time
of the prediction and of the feedback.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluicegate.domain.experiment.tally import Bucket, Latency, Tally
from sluicegate.domain.items import stamp
from sluicegate.domain.log_lines import FEEDBACK, PREDICTION, dumped, read
from sluicegate.domain.names import digest, is_model
from sluicegate.ports import Fact, Place, Storage, Tallies
from sluicegate.services.shadow import Compared, Shadow
from sluicegate.services.tallies import hour_of

log = logging.getLogger(__name__)

Line = Mapping[str, Any]
#: of a line, what each of its rows says
_KEPT = ("model", "version", "slot", "assigned", "cause", "endpoint", "variant", "served_by", "latency_ms", "csv")


class Record:
    """``batch`` may be called again for the same messages, any number of times."""

    def __init__(self, storage: Storage, tallies: Tallies, shadow: Shadow) -> None:
        self._storage = storage
        self._tallies = tallies
        self._shadow = shadow

    def batch(self, messages: Iterable[str], at: datetime) -> dict[str, int]:
        """How many predictions and how many pieces of feedback were in ``messages``; ``at`` is the newest's time."""
        given = [message for message in messages if message.startswith('{"log":')]
        readable = [found for message in given if (found := read(message)) is not None]
        if len(readable) < len(given):
            log.error(
                "%d lines of the log can't be read: they were cut or changed on their way", len(given) - len(readable)
            )
        lines = [found for found in readable if is_model(str(found.get("model")))]
        counts = {PREDICTION: 0, FEEDBACK: 0}
        for model in dict.fromkeys(line["model"] for line in lines):
            own = [line for line in lines if line["model"] == model]
            predicted = _once(line for line in own if line["log"] == PREDICTION)
            told = _once(line for line in own if line["log"] == FEEDBACK)
            if predicted:
                counts[PREDICTION] += sum(line["count"] for line in predicted)
                self._predictions(model, predicted, at)
            if told:
                counts[FEEDBACK] += self._write("feedback", model, told, _feedback_rows, "%Y-%m-%d")
        return counts

    def _predictions(self, model: str, lines: Sequence[Line], at: datetime) -> None:
        self._write("prediction-log", model, lines, _rows, "%Y-%m-%d/hour=%H")
        compared = self._shadow.compare(model, lines)
        if compared:
            self._write_shadow(model, compared)
        # each line is a fact of its own, so that none counts twice however batches are cut
        facts = [Fact(line_id(line), _adds(line)) for line in lines if line.get("cause")]
        facts += [one.fact() for one in compared]
        if facts:
            self._tallies.add(model, facts, at)

    def _write(self, folder: str, model: str, lines: Sequence[Line], rows: Any, when: str) -> int:
        """Objects of rows, by when they happened. How many rows there were."""
        parts: dict[str, list[Line]] = {}
        for line in lines:
            parts.setdefault(datetime.fromtimestamp(line["at"] / 1000, UTC).strftime(when), []).append(line)
        count = 0
        for part, own in parts.items():
            found = [row for line in own for row in rows(line)]
            count += len(found)
            if found:
                name = digest([folder, *sorted(line_id(line) for line in own)], 16)
                self._put(f"{folder}/{model}/dt={part}/{name}.jsonl.gz", found)
        return count

    def _write_shadow(self, model: str, compared: Sequence[Compared]) -> None:
        for one in compared:
            hour = datetime.fromtimestamp(one.line["at"] / 1000, UTC).strftime("%Y-%m-%d/hour=%H")
            name = digest(["shadow", line_id(one.line)], 16)
            self._put(f"prediction-log/{model}/dt={hour}/shadow-{name}.jsonl.gz", one.rows())

    def _put(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        content = "".join(f"{dumped(row)}\n" for row in rows).encode()
        self._storage.write(key, gzip.compress(content, 6, mtime=0), "application/x-ndjson")


def line_id(line: Line) -> str:
    """What tells a line from all others: its request, and which of its lines it is."""
    return f"{line['log']}:{line['request']}:{line['part']}"


def _once(lines: Iterable[Line]) -> list[Line]:
    return list({line_id(line): line for line in lines}.values())


def _rows(line: Line) -> list[dict[str, Any]]:
    """A row a prediction; of what failed, one for all records."""
    content = line["content"]
    head = {name: line[name] for name in _KEPT if line.get(name) is not None}
    head["at"] = stamp(datetime.fromtimestamp(line["at"] / 1000, UTC))
    if line.get("error"):
        return [{**head, "error": line["error"], "count": line["count"]}]
    columns = (content.get("ids", ()), content.get("subjects", ()), content.get("records", ()))
    answers = content.get("predictions", ())
    return [
        {"inference_id": name, **head, "subject": subject, "record": record, **answer}
        for name, subject, record, answer in zip(*columns, answers, strict=True)
    ]


def _feedback_rows(line: Line) -> list[dict[str, Any]]:
    return list(line["content"].get("items", ()))


def _adds(line: Line) -> dict[Place, Tally]:
    """What a line adds to its experiment's sums."""
    count, assigned, failed = line["count"], line.get("assigned"), bool(line.get("error"))
    latency = Latency.of(line["latency_ms"]) if line.get("latency_ms") is not None else Latency()
    if assigned:  # answered for by another lane: an error of the one it was meant for (decision 43)
        failed, latency = True, Latency()
    seen = Tally(exposures=count, errors=count if failed else 0, latency=latency)
    place = Place(line["cause"], assigned or line["slot"], hour_of(line["at"]))
    return {place: replace(seen, buckets=_buckets(line, latency, failed))}


def _buckets(line: Line, latency: Latency, failed: bool) -> dict[int, Bucket]:
    """What the line adds to its subjects' buckets. Its one latency counts in the bucket of its first record."""
    counts: Mapping[str, int] = line.get("buckets") or {}
    found = {int(name): Bucket(exposures=count, errors=count if failed else 0) for name, count in counts.items()}
    if found and latency.count:
        first = next(iter(found))
        # a thousandth in a logarithm is a thousandth of a latency, and its sums stay short numbers
        found[first] = replace(found[first], timed=latency.count, log_sum=round(latency.log_sum, 3))
    return found
