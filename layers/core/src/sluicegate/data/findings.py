# ruff: noqa: S608  (names go into SQL only through name_sql)
"""What there is to tell of a data set's rows before its version is trusted: measured here, told by ``domain.findings``.

The measures are taken from samples that depend on nothing but the rows, so that a function and a processing job tell
the same of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from sluicegate.data.engine import name_sql
from sluicegate.data.features import ID_NAME
from sluicegate.data.profile import ColumnProfile
from sluicegate.data.row_sample import SAMPLE
from sluicegate.data.splits import LABEL, SPLIT
from sluicegate.data.target import Target
from sluicegate.domain import findings
from sluicegate.domain.duplicates import Duplicates, duplicates
from sluicegate.domain.findings import Finding
from sluicegate.domain.leakage import Missingness, Predictor, Rows
from sluicegate.domain.schema import Column, ColumnType, stored_type
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import SPLITS

#: rows that are compared with each other
_COMPARED = 50_000
#: the chance that two rows are alike: in few enough columns to be cheap; in all, where rows are of few kinds
_CELLS_DIFFER, _FEW_KINDS = 1e-9, 1e-3
#: columns whose cells of the sample are in numpy at once: 24 MB
_AT_ONCE = 50
#: the chance that two rows have the same value, where values may stand for what several rows share
_SHARED_BY_TWO = 0.05
#: row numbers leave out at most one in ten
_GAPS = 1.1
_FEWEST_NUMBERED = 100


@dataclass(frozen=True)
class Look:
    """``rows`` stands after FROM, in the order of ``splits``; the table ``row_sample`` is there. ``types`` are those of
    the rows' columns, ``features`` what a model sees."""

    connection: duckdb.DuckDBPyConnection
    rows: str
    types: Mapping[str, ColumnType]
    features: Sequence[Column]
    target: Target
    settings: ModelSettings

    def findings(
        self,
        profile: Sequence[ColumnProfile],
        counts: Mapping[str, int],
        by_class: Mapping[str, Mapping[str, int]],
    ) -> list[Finding]:
        """All that there is to tell, what matters most first. Only where a target is learned. ``counts``: rows by
        split, ``by_class`` the same of each class."""
        name = self.target.name
        if name is None:
            return []
        classes = self.target.problem.classes
        found = self.connection.execute(f"SELECT {SPLIT} = 0 AS trained, {LABEL}::DOUBLE AS label FROM {SAMPLE}")
        cells = found.fetchnumpy()
        labels = np.asarray(cells["label"])
        rows = Rows(labels, np.asarray(cells["trained"]), len(classes))
        told: list[Finding] = []
        predictors: dict[str, Predictor] = {}
        if rows.enough:
            predictors, gaps = self._alone(rows)
            shared = self._shared(profile, predictors)
            told += findings.possible_leaks(name, [classes[label] for label in rows.kept], predictors, gaps, shared)
        alike = self._alike(profile, predictors)
        compared, sampled = self._compare(alike, sum(counts.values()))
        learned, by_time = counts["train"] + counts["validation"], self.settings.split.column is not None
        told += findings.equal_rows(name, compared, list(alike.values()), learned, sampled, by_time)
        told += findings.few_held_out(name, by_class)
        if not classes:
            told += self._of_numbers(name, labels)
        return told + findings.row_numbers(self._row_numbers(profile))

    def _alone(self, rows: Rows) -> tuple[dict[str, Predictor], dict[str, Missingness]]:
        predictors: dict[str, Predictor] = {}
        gaps: dict[str, Missingness] = {}
        for start in range(0, len(self.features), _AT_ONCE):
            part = self.features[start : start + _AT_ONCE]
            cells = ", ".join(f"{self._cell(column)} AS c{index}" for index, column in enumerate(part))
            found = self.connection.execute(f"SELECT {cells} FROM {SAMPLE}").fetchnumpy()
            for index, column in enumerate(part):
                values = found.pop(f"c{index}")[rows.chosen]
                missing = np.ma.getmaskarray(values)
                if (predictor := self._predictor(rows, column, np.ma.getdata(values), missing)) is not None:
                    predictors[column.name] = predictor
                if (gap := rows.missingness(missing)) is not None:
                    gaps[column.name] = gap
        return predictors, gaps

    def _cell(self, column: Column) -> str:
        quoted = name_sql(column.name)
        if column.type == "text":
            return quoted
        kind = self._kind(column)
        if kind == "category":
            return f"CASE WHEN {quoted} IS NOT NULL THEN hash({quoted}) END"
        return f"epoch_us({quoted})::DOUBLE" if kind == "date" else f"{quoted}::DOUBLE"

    def _kind(self, column: Column) -> ColumnType:
        return self.types.get(column.name, stored_type(column.type))

    def _predictor(
        self, rows: Rows, column: Column, values: NDArray[np.generic], missing: NDArray[np.bool_]
    ) -> Predictor | None:
        """Of a text only whether it is there: its words are too many to be looked at one by one."""
        if column.type == "text":
            return None
        if self._kind(column) == "category":
            return rows.categories(values.astype(np.uint64), missing)
        return rows.numbers(np.where(missing, np.nan, values.astype(np.float64)))

    def _alike(self, profile: Sequence[ColumnProfile], predictors: Mapping[str, Predictor]) -> dict[str, float]:
        """By feature the chance that two rows have the same value; by the profile where nothing better is known."""
        known = {
            column.name: max(1 / max(1, column.distinct), (column.missing / max(1, self.target.rows)) ** 2)
            for column in profile
        }
        known |= {name: predictor.alike for name, predictor in predictors.items()}
        return {column.name: known.get(column.name, 1.0) for column in self.features}

    def _shared(self, profile: Sequence[ColumnProfile], predictors: Mapping[str, Predictor]) -> list[str]:
        """Columns that may stand for what several rows share: many values, most of them in several rows, and texts or
        by their name ids."""
        return [
            column.name
            for column in profile
            if column.name in predictors
            and predictors[column.name].alike <= _SHARED_BY_TWO
            and column.distinct <= (self.target.rows - column.missing) / 2
            and (column.type == "category" or ID_NAME.fullmatch(column.name))
        ]

    def _compare(self, alike: Mapping[str, float], rows: int) -> tuple[Duplicates, bool]:
        """Of many rows a part that has all that are equal to one of it: those of some hashes of the columns that differ
        most. Where rows are of few kinds, any part of them has all kinds."""
        step = max(1, rows // _COMPARED)
        key, chance = [], 1.0
        for name in sorted(alike, key=lambda name: (alike[name], name)):
            if chance > _CELLS_DIFFER:
                key.append(name_sql(name))
                chance *= alike[name]
        part = f"hash({', '.join(key)})" if chance < _FEW_KINDS else "splits.rowid"
        some = f" AND {part} % {step} = 0" if step > 1 else ""
        every = ", ".join(name_sql(column.name) for column in self.features)
        found = self.connection.execute(
            f"SELECT hash({every}) AS same, {SPLIT} = 2 AS held, {LABEL}::DOUBLE AS label "
            f"FROM {self.rows} POSITIONAL JOIN splits WHERE {SPLIT} < {len(SPLITS)}{some}"
        ).fetchnumpy()
        same, held, labels = (np.asarray(found[name]) for name in ("same", "held", "label"))
        return duplicates(same, held, labels, len(self.target.problem.classes)), step > 1

    def _of_numbers(self, name: str, labels: NDArray[np.float64]) -> list[Finding]:
        values, times = np.unique(labels, return_counts=True)
        shares = dict(zip(values.tolist(), (times / len(labels)).tolist(), strict=True))
        return findings.of_numbers(name, shares, self.settings.problem is not None)

    def _row_numbers(self, profile: Sequence[ColumnProfile]) -> list[str]:
        used = {column.name for column in self.features if column.type == "number"}
        found = []
        for column in profile:
            low, high, present = column.minimum, column.maximum, self.target.rows - column.missing
            if column.name not in used or not isinstance(low, float) or not isinstance(high, float):
                continue
            if present < _FEWEST_NUMBERED or not present <= high - low + 1 <= _GAPS * present:
                continue
            if column.distinct < present / _GAPS:  # an estimate, and cheap
                continue
            quoted = name_sql(column.name)
            row = self.connection.execute(
                f"SELECT bool_and({quoted} = trunc({quoted})), count(DISTINCT {quoted}) FROM {self.rows}"
            ).fetchone()
            if row and row[0] and row[1] == present:
                found.append(column.name)
        return found
