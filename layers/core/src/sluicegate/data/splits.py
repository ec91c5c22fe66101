# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""Which split each row belongs to, by a hash of its key or by its time, and what it weighs.

By time the newest share of the rows is the holdout and the next newest the validation split. The boundaries are
quantiles of the data set's own rows, so that they depend on nothing but the rows; as newer ones come, they move on and
a row goes from the holdout to the validation split to training, never back. The live version has learned from the rows
before its own holdout: where late rows move the boundary back behind that moment, the rows between are used for
nothing, so that no version is ever judged on what it has learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from sluicegate.data.engine import name_sql, text_sql
from sluicegate.data.tables import Union
from sluicegate.data.target import Target
from sluicegate.domain.dataset import Dataset
from sluicegate.domain.errors import UnusableData
from sluicegate.domain.schema import Column
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import row_key_sql, split_sql

# columns of our own, beside any that the data may have
SPLIT, LABEL = '"(split)"', '"(label)"'
#: the split of rows that are used for nothing
_UNUSED = 3


@dataclass(frozen=True)
class Splitter:
    """``rows`` stands after FROM and has the table's columns; ``notes`` gets what there is to tell."""

    connection: duckdb.DuckDBPyConnection
    rows: str
    table: Union
    target: Target
    settings: ModelSettings
    champion: Dataset | None
    notes: list[str]

    def assign(self) -> dict[str, Any]:
        """Writes the table ``splits``, a row for each of ``rows`` in order: its split (an index of ``SPLITS``) and its
        label. Returns what the data set's document says of the split."""
        column = self.settings.split.column
        said: dict[str, Any] = {"by": self.settings.split.by}
        split = self._by_hash() if column is None else self._by_time(column, said)
        self.connection.execute(
            f"CREATE TABLE splits AS SELECT {split} AS {SPLIT}, ({self.target.label or 'NULL'}) AS {LABEL} "
            f"FROM {self.rows}"
        )
        return said

    def _by_hash(self) -> str:
        """Without an id a row's key is the whole row, which is not cheap: it is computed once."""
        columns = [Column(name, kind) for name, kind in self.table.columns.items() if name != self.target.name]
        quoted = {column.name: name_sql(column.name) for column in columns}
        key = row_key_sql(columns, quoted)
        if self.settings.id_column is not None:
            key = f"coalesce({quoted[self.settings.id_column]}, {key})"
        return split_sql(key, self.settings.split.validation, self.settings.split.holdout)

    def _by_time(self, name: str, said: dict[str, Any]) -> str:
        kind = self.table.columns.get(name)
        if kind not in ("date", "number"):
            found = "the data has no such column" if kind is None else f"it is a {kind}"
            raise UnusableData(
                "No time to split by",
                f"split.column is {name!r}, but {found}; rows are ordered by a date or a number.",
                "Correct split.column in model.yaml, or set features.types so that the column is read as a date.",
            )
        quoted, shares = name_sql(name), self.settings.split
        row = self.connection.execute(
            f"SELECT quantile_disc({quoted}, {1 - shares.holdout - shares.validation!r}), "
            f"quantile_disc({quoted}, {1 - shares.holdout!r}), count(*) - count({quoted}), min({quoted}) "
            f"FROM {self.rows}"
        ).fetchone()
        validation, holdout, timeless, oldest = row if row else (None, None, 0, None)
        if holdout is None or validation == oldest:
            raise UnusableData(
                "Too few moments",
                f"Most rows have the same value of {name!r}, or none: they can't be split by it.",
                "Upload rows of more moments, or split by hash in model.yaml.",
            )
        if timeless:
            self.notes.append(f"{timeless:,} rows without {name} count as the oldest.")
        said |= {"column": name, "validation_from": _plain(validation), "holdout_from": _plain(holdout)}
        after = _literal(validation, kind), _literal(holdout, kind)
        learned = self._learned(name)
        if learned is not None and isinstance(learned, str) != (kind == "date"):
            learned = None
            self.notes.append(
                f"{name} is read as a {kind} now and was not before: it can't be told which rows the version that "
                "serves has learned from, so it may be judged on some of them."
            )
        unused = ""
        if learned is not None and learned > _plain(holdout):
            unused = f"WHEN {quoted} >= {after[1]} AND {quoted} < {_literal(learned, kind)} THEN {_UNUSED} "
            said["unused_before"] = learned
            self.notes.append(
                f"Rows with {name} from {_plain(holdout)} to before {learned} are used for nothing: the version that "
                "serves has learned from them, and newer ones are held out."
            )
        cases = f"{unused}WHEN {quoted} >= {after[1]} THEN 2 WHEN {quoted} >= {after[0]} THEN 1 ELSE 0"
        return f"(CASE {cases} END)::UTINYINT"

    def _learned(self, name: str) -> Any:
        """The moment before which the live version has learned, if that was split by the same column."""
        if self.champion is None or self.champion.split.get("column") != name:
            return None
        return self.champion.split["holdout_from"]


def _plain(moment: Any) -> Any:
    """As JSON can hold it, and in an order of its own: numbers, or dates as text of one form."""
    return moment.isoformat(sep=" ", timespec="microseconds") if isinstance(moment, datetime) else float(moment)


def _literal(moment: Any, kind: str) -> str:
    plain = moment if isinstance(moment, str) else _plain(moment)
    return f"{text_sql(str(plain))}::TIMESTAMP" if kind == "date" else f"{text_sql(repr(float(plain)))}::DOUBLE"


def weight_sql(settings: ModelSettings, target: Target, by_class: dict[str, dict[str, int]]) -> str | None:
    """An expression of a row's weight over the table and ``splits``; None when all count the same.

    Balanced: rows / (classes x rows of the class), of the rows to train on, to six digits, so that the weights add up
    to the number of rows.
    """
    if settings.weights is None:
        return None
    if settings.weights.column is not None:
        return name_sql(settings.weights.column)
    classes = target.problem.classes
    if not classes:
        raise UnusableData(
            "No classes to balance",
            f"weights.classes is balanced, but the target {target.name!r} holds numbers to predict.",
            "Remove weights from model.yaml, or name a column of weights.",
        )
    total = sum(counts["train"] for counts in by_class.values())
    cases = " ".join(
        f"WHEN {index} THEN {total / (len(classes) * by_class[known]['train']):.6g}"
        for index, known in enumerate(classes)
    )
    return f"(CASE {LABEL} {cases} END)"
