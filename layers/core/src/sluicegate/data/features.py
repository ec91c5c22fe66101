# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""Which columns are worth learning from, and as what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from sluicegate.data.engine import name_sql
from sluicegate.data.profile import ColumnProfile
from sluicegate.data.tables import Union
from sluicegate.data.target import MINIMUM_ROWS, Target
from sluicegate.domain.dataset import Dataset
from sluicegate.domain.encoder import LONGEST_CATEGORY, ONE_HOT_LIMIT
from sluicegate.domain.errors import UnusableData
from sluicegate.domain.schema import Column
from sluicegate.domain.settings import ModelSettings

_UNIQUE = 0.9  # text that differs in nearly every row names the row
_STILL_UNIQUE = 0.2  # what was an id for the live version stays one while uploads overlap
_TEXTS_DIFFER = 0.5  # share of different values among texts
_WORDS_OF_TEXT = 5  # words of letters in a text, on average: a name or an address has fewer
_WORDS_COME_AGAIN = 0.5  # different words among all of them
_TEXTS_LOOKED_AT = 5_000
#: DuckDB holds about 2 MB for the different values of each column
_CATEGORIES_AT_ONCE = 40
ID_NAME = re.compile(r"(?:.*[^a-z])?(?:id|uuid|guid|index|key|unnamed: 0)", re.IGNORECASE)


@dataclass(frozen=True)
class Chooser:
    """``rows`` stands after FROM and has the table's columns; ``notes`` gets a line for whatever is left out."""

    connection: duckdb.DuckDBPyConnection
    rows: str
    table: Union
    target: Target
    settings: ModelSettings
    champion: Dataset | None
    notes: list[str]

    def choose(self, profile: Sequence[ColumnProfile]) -> list[Column]:
        """The columns that are worth learning from, with the categories of those that have few."""
        kept: list[ColumnProfile] = []
        excluded = {self.target.name, self.settings.id_column, *self.settings.features.exclude}
        if self.settings.weights is not None:
            excluded.add(self.settings.weights.column)
        for name in self.settings.features.exclude:
            if name not in self.table.columns:
                self.notes.append(f"features.exclude names {name}, which is not among the columns.")
        for column in profile:
            if column.name in excluded:
                continue
            if self._is_text(column):
                kept.append(replace(column, type="text"))
                continue
            reason = self._useless(column)
            if reason:
                self.notes.append(f"{column.name} is not used: {reason}.")
            else:
                kept.append(column)
        if not kept:
            raise UnusableData(
                "No features",
                f"{self._beside}no column is left to learn from: " + " ".join(self.notes),
                "Upload data with columns that differ from row to row.",
            )
        categories = self._categories([column.name for column in kept if column.type == "category"], kept)
        return [
            replace(
                column.as_column(categories.get(column.name)),
                optional=self._optional(column.name),
                format=self.settings.features.dates.get(column.name),
            )
            for column in kept
        ]

    def _is_text(self, column: ColumnProfile) -> bool:
        """Whether the column's words are learned from. Only where model.yaml says nothing, and the live version doesn't
        use the column as it is: long texts that differ, and whose words come again."""
        declared = self.settings.features.declared(column.name)
        if declared is not None or column.type != "category" or column.missing == self.target.rows:
            return declared == "text" and column.missing < self.target.rows
        before = self.champion.schema.column(column.name) if self.champion is not None else None
        if before is not None:
            return before.type == "text"
        present = self.target.rows - column.missing
        if present < MINIMUM_ROWS or column.distinct < _TEXTS_DIFFER * present:
            return False
        quoted = name_sql(column.name)
        some = f"(SELECT {quoted} AS v FROM {self.rows} WHERE {quoted} IS NOT NULL LIMIT {_TEXTS_LOOKED_AT})"
        row = self.connection.execute(
            "SELECT count(*), count(DISTINCT word), count(DISTINCT v) FROM (SELECT v, unnest("
            f"regexp_extract_all(lower(left(v, 2000)), '\\pL{{2,}}')) AS word FROM {some})"
        ).fetchone()
        total, distinct, texts = (int(cell) for cell in row) if row else (0, 0, 0)
        looked_at = min(present, _TEXTS_LOOKED_AT)
        long = total >= _WORDS_OF_TEXT * looked_at and texts >= _TEXTS_DIFFER * looked_at
        if not long or distinct > _WORDS_COME_AGAIN * total:
            return False
        self.notes.append(
            f"{column.name} is taken as text: its words are learned from. If it is not meant so, exclude it or set "
            f"features.types: {{{column.name}: category}} in model.yaml."
        )
        return True

    @property
    def _beside(self) -> str:
        return f"Beside the target {self.target.name!r} " if self.target.name else "Of all columns "

    def _optional(self, name: str) -> bool:
        if self.champion is None:
            return False
        before = self.champion.schema.column(name)
        return before is None or before.optional

    def _useless(self, column: ColumnProfile) -> str | None:
        present = self.target.rows - column.missing
        if present == 0:
            return "it is missing in every row"
        if column.distinct <= 1 and self._constant(column, present):
            return "it has the same value in every row"
        if self.settings.features.declared(column.name) is not None or present < MINIMUM_ROWS:
            return None
        known_id = self.champion is not None and column.name in self.champion.schema.ignored
        if column.distinct >= (_STILL_UNIQUE if known_id else _UNIQUE) * present:
            if column.type == "category":
                return "it differs in nearly every row, like an id or free text"
            if column.type == "number" and ID_NAME.fullmatch(column.name) and self._whole(column.name, known_id):
                return "by its name and values it is an id"
        return None

    def _constant(self, column: ColumnProfile, present: int) -> bool:
        """One value everywhere; a value that is there in some rows and missing in others does tell something."""
        quoted = name_sql(column.name)
        row = self.connection.execute(f"SELECT min({quoted}) = max({quoted}) FROM {self.rows}").fetchone()
        return bool(row and row[0]) and present == self.target.rows

    def _whole(self, name: str, repeats: bool) -> bool:
        """Whole numbers, all different unless they may repeat."""
        quoted = name_sql(name)
        unique = "" if repeats else f" AND count(DISTINCT {quoted}) = count({quoted})"
        row = self.connection.execute(
            f"SELECT bool_and({quoted} = trunc({quoted})){unique} FROM {self.rows}"
        ).fetchone()
        return bool(row and row[0])

    def _categories(self, names: Sequence[str], kept: Sequence[ColumnProfile]) -> dict[str, tuple[str, ...]]:
        estimated = {column.name: column.distinct for column in kept}
        few = [name for name in names if estimated[name] <= 2 * ONE_HOT_LIMIT]
        found: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(few), _CATEGORIES_AT_ONCE):
            part = few[start : start + _CATEGORIES_AT_ONCE]
            wanted = ", ".join(
                f"list_sort(list(DISTINCT {name_sql(name)}) FILTER (length({name_sql(name)}) <= {LONGEST_CATEGORY}))"
                for name in part
            )
            row = self.connection.execute(f"SELECT {wanted} FROM {self.rows}").fetchone() or ()
            found |= {name: tuple(sorted(values or ())) for name, values in zip(part, row, strict=True)}
        return {name: values for name, values in found.items() if len(values) <= ONE_HOT_LIMIT}
