# ruff: noqa: S608  (names go into SQL only through name_sql)
"""What there is to tell of a data set's rows before its version is trusted: measured here, told by ``domain.findings``.

The measures are taken from samples that depend on nothing but the rows, so that the same rows are told of alike by a
function and by a processing job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from sluicegate.data.engine import name_sql
from sluicegate.data.looked_at import TABLE
from sluicegate.data.profile import ColumnProfile
from sluicegate.data.splits import LABEL, SPLIT
from sluicegate.data.target import Target
from sluicegate.domain import findings as said
from sluicegate.domain.alone import Power, Presence, Rows
from sluicegate.domain.findings import Finding
from sluicegate.domain.repeats import Repeats, repeats
from sluicegate.domain.schema import Column, ColumnType, stored_type
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import SPLITS

#: rows that are compared with each other: all that are equal to one of them are among them
_COMPARED = 50_000
_COMPARED_BY = 3
_AT_ONCE = 100
#: a counter leaves out at most one number in ten
_GAPS = 1.1
_FEWEST_COUNTED = 100


@dataclass(frozen=True)
class Look:
    """``rows`` stands after FROM, in the order of ``splits``; the table ``looked_at`` is there. ``types`` are those of
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
        """All that there is to tell, what matters most first. Only where a target is learned."""
        name = self.target.name
        if name is None:
            return []
        problem = self.target.problem
        found = self.connection.execute(f"SELECT {SPLIT}, {LABEL}::DOUBLE AS label FROM {TABLE}").fetchnumpy()
        labels = np.asarray(found["label"])
        looked = Rows(labels, np.asarray(found[SPLIT.strip('"')]) == 0, len(problem.classes))
        told: list[Finding] = []
        powers: dict[str, Power] = {}
        if looked.enough:
            powers, presences = self._alone(looked, len(labels))
            classes = [problem.classes[label] for label in looked.kept]
            told += said.alone(name, classes, powers, presences)
        alike = {
            one.name: powers[one.name].alike if one.name in powers else 1 / max(1, one.distinct) for one in profile
        }
        alike = {column.name: alike.get(column.name, 1.0) for column in self.features}
        compared, sampled = self._repeats(alike, sum(counts.values()))
        by_time = self.settings.split.column is not None
        told += said.equal_rows(name, compared, list(alike.values()), counts, sampled, by_time)
        told += said.few_rows(name, by_class)
        if not problem.classes:
            told += self._of_numbers(name, labels)
        return told + said.counts_rows(self._counters(profile))

    def _alone(self, looked: Rows, rows: int) -> tuple[dict[str, Power], dict[str, Presence]]:
        wanted = np.zeros(rows, dtype=bool)
        wanted[looked.chosen] = True
        place = (np.cumsum(wanted) - 1)[looked.chosen]  # of each chosen row among those that are read
        powers: dict[str, Power] = {}
        presences: dict[str, Presence] = {}
        for start in range(0, len(self.features), _AT_ONCE):
            part = self.features[start : start + _AT_ONCE]
            cells = ", ".join(f"{self._cell(column)} AS c{index}" for index, column in enumerate(part))
            self.connection.register("chosen", {"chosen": wanted})
            found = self.connection.execute(
                f"SELECT {cells} FROM {TABLE} POSITIONAL JOIN chosen WHERE chosen"
            ).fetchnumpy()
            self.connection.unregister("chosen")
            for index, column in enumerate(part):
                values = found[f"c{index}"]
                missing = np.ma.getmaskarray(values)[place]
                cells_of = np.ma.getdata(values)[place]
                power = self._power(looked, column, cells_of, missing)
                presence = looked.presence(missing)
                if power is not None:
                    powers[column.name] = power
                if presence is not None:
                    presences[column.name] = presence
        return powers, presences

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

    def _power(
        self, looked: Rows, column: Column, values: NDArray[np.generic], missing: NDArray[np.bool_]
    ) -> Power | None:
        """Of a text only whether it is there: its words are too many to be looked at one by one."""
        if column.type == "text":
            return None
        if self._kind(column) == "category":
            return looked.categories(values.astype(np.uint64), missing)
        return looked.numbers(np.where(missing, np.nan, values.astype(np.float64)))

    def _repeats(self, alike: Mapping[str, float], rows: int) -> tuple[Repeats, bool]:
        """Of many rows those whose three most different cells fall into a share of all hashes."""
        step = max(1, rows // _COMPARED)
        different = sorted(alike, key=lambda name: (alike[name], name))[:_COMPARED_BY]
        some = f" AND hash({', '.join(map(name_sql, different))}) % {step} = 0" if step > 1 else ""
        every = ", ".join(name_sql(column.name) for column in self.features)
        found = self.connection.execute(
            f"SELECT hash({every}) AS same, {SPLIT} = 2 AS held, {LABEL}::DOUBLE AS label "
            f"FROM {self.rows} POSITIONAL JOIN splits WHERE {SPLIT} < {len(SPLITS)}{some}"
        ).fetchnumpy()
        same, held, labels = (np.asarray(found[name]) for name in ("same", "held", "label"))
        return repeats(same, held, labels, len(self.target.problem.classes)), step > 1

    def _of_numbers(self, name: str, labels: NDArray[np.float64]) -> list[Finding]:
        values, times = np.unique(labels, return_counts=True)
        most = int(times.argmax())
        whole = bool((values == np.trunc(values)).all())
        share = float(times[most] / len(labels))
        declared = self.settings.problem is not None
        return said.of_numbers(name, float(values[most]), share, len(values), whole, declared)

    def _counters(self, profile: Sequence[ColumnProfile]) -> list[str]:
        used = {column.name for column in self.features if column.type == "number"}
        found = []
        for column in profile:
            low, high, present = column.minimum, column.maximum, self.target.rows - column.missing
            if column.name not in used or not isinstance(low, float) or not isinstance(high, float):
                continue
            if present < _FEWEST_COUNTED or not present <= high - low + 1 <= _GAPS * present:
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
