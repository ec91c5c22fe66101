# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""What type each column of a file has, from a sample of its rows read as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from sluicegate.data.date_hint import hint
from sluicegate.data.engine import list_sql, text_sql
from sluicegate.data.sampled import MARKERS_SQL, is_marker, most_frequent, number_formats, number_notes
from sluicegate.domain import algorithms
from sluicegate.domain.date_formats import LOOKS_LIKE
from sluicegate.domain.dates import DATE_PATTERN, parse_date
from sluicegate.domain.number_formats import LOOKS_LIKE as LOOKS_LIKE_NUMBER
from sluicegate.domain.number_formats import NumberFormat, candidates
from sluicegate.domain.schema import MISSING_MARKERS, ColumnType, Schema, stored_type
from sluicegate.domain.settings import ModelSettings

#: a column is a number (boolean, date) when this share of its values are; the rest are bad rows
SHARE = 0.95
#: a given type that fewer of a column's values have is called a misfit
_FITTING = 0.7
#: of a column that may be another type in part
_HALF = 0.5
#: columns that one query looks at
_AT_ONCE = 40


@dataclass
class Inference:
    """``types`` by position; ``inferred`` are the positions that nothing but the sample decided. ``numbers``: how the
    numbers of a column are written, where not as programs write them."""

    types: list[ColumnType]
    inferred: set[int]
    numbers: dict[int, NumberFormat] = field(default_factory=dict)
    #: columns whose given type most of the sample's values don't have, in words
    misfits: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def default_target(settings: ModelSettings, names: Sequence[str], known: str | None) -> str | None:
    """The column to predict: the settings', else the one ``known`` from earlier uploads (a column that comes later must
    not take its place), else one named target or label, else the last. None without columns.
    """
    if settings.target is not None or not algorithms.of(settings).supervised:
        return settings.target
    if known is not None:
        return known
    for wanted in ("target", "label"):
        for name in names:
            if name.casefold() == wanted:
                return name
    usable = [name for name in names if name != settings.id_column and name not in settings.features.exclude]
    return usable[-1] if usable else None


def infer(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    names: Sequence[str],
    *,
    delimiter: str,
    settings: ModelSettings,
    known: Schema | None,
    unnamed: Collection[int] = (),
    strings: frozenset[int] | None = None,
) -> Inference:
    """Types for the table ``sample``, whose columns are ``c0``, ``c1``, … of text. ``unnamed`` are the positions of
    columns that the header has no name for. ``strings``, of a format that knows numbers, are the positions of columns
    that were strings there: they stay text, or are dates.

    The id column is text; ``features.types`` wins, then ``known``, then what the values look like. The target is a
    number or a category: a class keeps its name.
    """
    counted = _counts(connection, sample, len(names))
    usable = [
        name
        for position, (name, counts) in enumerate(zip(names, counted, strict=True))
        if position not in unnamed or counts.values
    ]
    target = default_target(settings, usable, known.target if known else None)
    found = Inference([], set())
    examples: dict[int, str] = {}
    given = [_given(name, settings, known) for name in names]
    if strings is None:
        found.numbers, examples = number_formats(
            connection,
            sample,
            {
                position: SHARE if kind is None else _HALF
                for position, (counts, kind) in enumerate(zip(counted, given, strict=True))
                if kind in (None, "number") and counts.has_other_numbers(kind)
            },
            {at: SHARE for at, counts in enumerate(counted) if counts.points and counts.is_share(counts.numbers)},
            usual="," if delimiter == ";" else ".",
        )
    padded: set[str] = set()
    for position, (name, counts) in enumerate(zip(names, counted, strict=True)):
        padded.update(counts.padded)
        if name == settings.id_column:
            found.types.append("category")
            continue
        if strings and position in strings:
            chosen: ColumnType = "date" if counts.is_share(counts.dates) and name != target else "category"
        else:
            chosen = "number" if position in found.numbers else _looks_like(counts, is_target=name == target)
        if (kind := given[position]) is not None:
            found.types.append(kind)
        else:
            found.types.append(chosen)
            found.inferred.add(position)
            doubtful = strings is None and chosen == "category" and name not in settings.features.exclude
            if doubtful and (said := _doubt(connection, sample, position, name, counts, is_target=name == target)):
                found.notes.append(said)
        if counts.is_share(counts.other_dates) and not counts.is_share(counts.dates):
            text = f"CASE WHEN NOT {is_marker(f'trim(c{position})')} THEN trim(c{position}) END"
            if name != target and (said := hint(connection, sample, text, name, SHARE, settings)):
                found.notes.append(said)
        if name in settings.features.dates:
            continue  # of what it has to look like nothing is counted
        if counts.values and counts.fitting(found.types[position]) < _FITTING * counts.values:
            found.misfits.append(f"{name} is not of type {found.types[position]}")
    found.numbers = {at: form for at, form in found.numbers.items() if found.types[at] == "number"}
    found.notes += number_notes(found.numbers, examples, names)
    found.missing = [*MISSING_MARKERS, " ", *sorted(padded - {" "})]
    return found


def _given(name: str, settings: ModelSettings, known: Schema | None) -> ColumnType | None:
    """The type that something else than the values decides."""
    if name == settings.id_column:
        return "category"
    declared = settings.features.declared(name)
    earlier = known.column(name) if known and declared is None else None
    found = earlier.type if earlier else declared
    return None if found is None else stored_type(found)


def _doubt(
    connection: duckdb.DuckDBPyConnection, sample: str, position: int, name: str, counts: _Counts, *, is_target: bool
) -> str | None:
    """What to tell of a category that may be meant otherwise: codes in digits, numbers or dates with others among."""
    if counts.is_code and not is_target:
        return (
            f"Column {name} has digits with leading zeros, as codes have; it is a category. If it is a number, set "
            f"features.types: {{{name}: number}} in model.yaml."
        )
    if counts.numbers + counts.written > _HALF * counts.values and not counts.is_code:
        values = most_frequent(connection, sample, position)
        if found := candidates(values, _HALF):
            form = found.choose(None, ".")
            return _not_all(name, "number", values, [value for value in values if form.plain(value) is None])
    if counts.dates > _HALF * counts.values and not is_target:
        values = most_frequent(connection, sample, position)
        return _not_all(name, "date", values, [value for value in values if parse_date(value) is None])
    return None


def _not_all(name: str, kind: str, values: Mapping[str, int], others: Sequence[str]) -> str | None:
    if not others:
        return None
    total = sum(values.values())
    return (
        f"Column {name} is a category: {total - sum(values[other] for other in others):,} of {total:,} values looked "
        f"at are {kind}s, the others not ({others[0][:60]!r}). To have rows with such values set aside, set "
        f"features.types: {{{name}: {kind}}} in model.yaml; an empty field is a missing value."
    )


@dataclass
class _Counts:
    """Of the sample's non-missing values in one column, how many look like what."""

    values: int
    numbers: int
    whole: int
    points: int
    written: int
    coded: int
    one_length: bool
    booleans: int
    dates: int
    other_dates: int
    padded: list[str]

    def fitting(self, kind: ColumnType) -> int:
        """At least how many values a column of this type takes."""
        if kind == "number":
            return self.numbers + self.written
        # A declared boolean may be yes and no, a date of a form that only DuckDB knows: not judged here.
        return self.dates if kind == "date" and self.numbers == self.values else self.values

    def has_other_numbers(self, kind: ColumnType | None) -> bool:
        """Whether these are numbers, of which some may be so only in a format of their own."""
        return self.written > 0 and (kind == "number" or self.is_share(self.numbers + self.written))

    @property
    def is_code(self) -> bool:
        """Digits of one length, some with a leading zero: 02139 is not 2139."""
        return self.coded > 0 and self.one_length and self.is_share(self.whole)

    def is_share(self, count: int) -> bool:
        return self.values > 0 and count >= SHARE * self.values


def _looks_like(counts: _Counts, *, is_target: bool) -> ColumnType:
    if counts.values == 0 or counts.is_code:
        return "category"
    if counts.is_share(counts.numbers):
        return "number"
    if is_target:
        return "category"
    if counts.is_share(counts.booleans):
        return "boolean"
    return "date" if counts.is_share(counts.dates) else "category"


def _counts(connection: duckdb.DuckDBPyConnection, sample: str, width: int) -> list[_Counts]:
    """One row a column, some columns at a time: DuckDB holds the states of a query's every part at once, about a
    megabyte each."""
    found: list[_Counts] = []
    for start in range(0, width, _AT_ONCE):
        found += _counts_of(connection, sample, range(start, min(start + _AT_ONCE, width)))
    return found


def _counts_of(connection: duckdb.DuckDBPyConnection, sample: str, positions: range) -> list[_Counts]:
    """A nested query for each column keeps the trimmed text from being computed again and again."""
    parts = [
        f"""SELECT {position} AS p, count(*), count(*) FILTER (TRY_CAST(v AS DOUBLE) IS NOT NULL),
            count(*) FILTER (digits), count(*) FILTER (contains(v, '.')),
            count(*) FILTER (TRY_CAST(v AS DOUBLE) IS NULL AND regexp_full_match(v, {text_sql(LOOKS_LIKE_NUMBER)})),
            count(*) FILTER (regexp_full_match(v, '0[0-9]+')),
            coalesce(min(length(v)) FILTER (digits) = max(length(v)) FILTER (digits), false),
            count(*) FILTER (lower(v) IN ('true', 'false')),
            count(*) FILTER (regexp_full_match(v, {text_sql(DATE_PATTERN)}) AND TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL),
            count(*) FILTER (regexp_full_match(v, {text_sql(LOOKS_LIKE)}))
            FROM (SELECT trim(c{position}) AS v, regexp_full_match(v, '[+-]?[0-9]+') AS digits FROM {sample}
            WHERE c{position} IS NOT NULL) WHERE v NOT IN ({MARKERS_SQL})"""
        for position in positions
    ]
    rows = connection.execute(" UNION ALL ".join(parts) + " ORDER BY p").fetchall()
    padded = [
        f"SELECT DISTINCT {position} AS p, c{position} AS v FROM {sample} WHERE c{position} NOT IN ({MARKERS_SQL}) "
        f"AND length(c{position}) < 16 AND trim(c{position}) IN ({MARKERS_SQL})"
        for position in positions
    ]
    found: dict[int, list[str]] = {}
    for position, value in connection.execute(" UNION ALL ".join(padded) + " LIMIT 40").fetchall():
        found.setdefault(position, []).append(value)
    return [_Counts(*(*row[1:], found.get(row[0], []))) for row in rows]


def markers_list(markers: list[str]) -> str:
    return list_sql(list(dict.fromkeys(markers)))
