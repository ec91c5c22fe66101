"""Labels that were sent for predictions, joined with what was predicted, as an upload of training data.

One object of feedback makes one upload of the same name, so that doing it twice is doing it once. The same label may
lie in two objects (a caller who had no answer sent it again): the object that claims an inference id first has it. The
upload lies under ``data/<model>/feedback/`` and goes the way of every file: types, rejects, ``min_new_rows``.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sluicegate.domain.errors import NotFound, SettingsError, Transient
from sluicegate.domain.items import moment
from sluicegate.domain.log_lines import dumped
from sluicegate.domain.names import digest, feedback_upload, is_model
from sluicegate.domain.records import InvalidRecords, RecordLimits, Records, check_records
from sluicegate.domain.schema import Column, Schema
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Fact, RegistryReader, Storage, Tallies

log = logging.getLogger(__name__)

#: what one object may hold; the writer's are of about a megabyte
_LARGEST = 64 * 1024 * 1024
_LARGEST_INFLATED = 512 * 1024 * 1024
#: the prediction log may be so much later than feedback on what it has
_LOG_LAG = timedelta(minutes=15)

Row = Mapping[str, Any]


class Collect:
    """``object_created`` may be called again for the same object, any number of times."""

    def __init__(self, registry: RegistryReader, storage: Storage, tallies: Tallies) -> None:
        self._registry = registry
        self._storage = storage
        self._tallies = tallies

    def object_created(self, key: str, now: datetime) -> str:
        """What became of the feedback under ``key``: collected, or why not: ignored | off | nothing.

        Raises ``Transient`` while predictions that it is about are still on their way to the bucket.
        """
        parts = key.split("/")
        if len(parts) != 4 or parts[0] != "feedback" or not is_model(parts[1]):
            return "ignored"
        model, day = parts[1], parts[2].removeprefix("dt=")
        try:
            item = self._registry.model(model)
            settings = parse_settings(item.get("settings") or "")
        except (NotFound, SettingsError) as error:
            log.info("%s: %s", key, error)
            return "ignored"
        schema = Schema.from_json(columns) if (columns := item.get("columns")) else None
        if not settings.retrain.by_feedback or schema is None:
            return "off"
        labels = self._claimed(model, key, [row for row in self._rows(key) if "label" in row], now)
        predicted = self._predicted(model, labels.values())
        self._wait_for(labels.values(), predicted, settings, now)
        target = settings.target or item.get("target")
        column = schema.column(target) if target else None
        records = {name: _record(prediction, schema, settings) for name, prediction in predicted.items()}
        if column is None:
            return "nothing"
        rows = [
            {**record, column.name: as_cell(labels[name]["label"], column)}
            for name, record in records.items()
            if record is not None
        ]
        if not rows:
            return "nothing"
        content = "".join(f"{dumped(row)}\n" for row in rows).encode()
        self._storage.write(feedback_upload(model, day, digest(["joined", key], 16)), content, "application/x-ndjson")
        return "collected"

    def _claimed(self, model: str, key: str, rows: Sequence[Row], now: datetime) -> dict[str, Row]:
        """By inference id, the rows that this object has for itself."""
        own = {row["inference_id"]: row for row in rows}
        facts = [Fact(f"joined:{name}", {}, key) for name in own]
        ways = self._tallies.add(model, facts, now)
        return {name: row for (name, row), way in zip(own.items(), ways, strict=True) if way in ("counted", "repeated")}

    def _predicted(self, model: str, labels: Collection[Row]) -> dict[str, Row]:
        """What was predicted under the labels' ids, in the labels' order; the log is by the hour of the prediction."""
        wanted: dict[str, set[str]] = {}
        for row in labels:
            hour = f"{moment(row['predicted_at']):%Y-%m-%d/hour=%H}"
            wanted.setdefault(hour, set()).add(row["inference_id"])
        found: dict[str, Row] = {}
        for hour, names in wanted.items():
            for stored in self._storage.list(f"prediction-log/{model}/dt={hour}/"):
                if not names - found.keys():
                    break
                if stored.key.rsplit("/", 1)[1].startswith("shadow-"):
                    continue
                for row in self._rows(stored.key):
                    if row.get("inference_id") in names and isinstance(row.get("record"), dict):
                        found.setdefault(row["inference_id"], row)
        return {row["inference_id"]: found[row["inference_id"]] for row in labels if row["inference_id"] in found}

    def _rows(self, key: str) -> Iterator[Row]:
        """Of one object, line by line: an hour of a busy model is more than fits into memory."""
        content = self._storage.read(key, _LARGEST)
        if len(content) > _LARGEST:
            raise ValueError(f"{key} has more than {_LARGEST:,} bytes: the log's writer made no such object")
        inflated = 0
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            for line in file:
                inflated += len(line)
                if inflated > _LARGEST_INFLATED:
                    raise ValueError(
                        f"{key} inflates to more than {_LARGEST_INFLATED:,} bytes: no log's writer made it"
                    )
                yield json.loads(line)

    @staticmethod
    def _wait_for(
        labels: Collection[Row], predicted: Mapping[str, Row], settings: ModelSettings, now: datetime
    ) -> None:
        """Where all predictions are kept, one that is missing is late, unless it is too old for that."""
        if settings.prediction_log.sample < 1:
            return
        missing = [row for row in labels if row["inference_id"] not in predicted]
        late = [row for row in missing if now - moment(row["predicted_at"]) < _LOG_LAG]
        if late:
            raise Transient(f"{len(late):,} predictions that there is feedback on are not in the prediction log yet")
        if missing:
            log.warning("%d predictions that there is feedback on were not kept", len(missing))


def as_cell(label: str | float, column: Column) -> str | float | bool:
    """A label as the target's column holds it: of a column of numbers or truths, a class's name is one.

    >>> as_cell("1", Column("y", "number")), as_cell("true", Column("y", "boolean"))
    (1.0, True)
    >>> as_cell("1", Column("y", "category"))
    '1'
    """
    if column.type == "number":
        return float(label)
    if column.type == "boolean":
        return label == "true"
    return label


def _record(prediction: Row, schema: Schema, settings: ModelSettings) -> dict[str, Any] | None:
    """The caller's record in the columns of the data; None for a record that is none any more. What the caller left out
    is missing, but for a weight, which is then 1: a data set leaves rows without a weight out."""
    given = prediction["record"]
    weight = settings.weights.column if settings.weights else None
    known = {column.name: column for column in schema.columns}
    empty = {name: 1.0 if name == weight else None for name in known}
    record = {name: value for name, value in given.items() if name in known}
    if not prediction.get("csv"):
        return {**empty, **record}
    # the values of a CSV are texts: numbers and truths are read as the columns have them
    dates = settings.features.dates
    typed = Schema(tuple(replace(known[name], format=dates.get(name)) for name in record))
    try:
        [found] = check_records(Records([list(record.values())], tuple(record)), typed, RecordLimits())
    except InvalidRecords as error:
        log.warning("the record of %s doesn't fit the columns any more: %s", prediction["inference_id"], error)
        return None
    return {**empty, **found}
