# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""What is to be predicted, and which classes there are."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

import duckdb

from sluicegate.data.engine import name_sql, text_sql
from sluicegate.data.inference import default_target
from sluicegate.data.tables import Union, as_text
from sluicegate.domain.errors import UnusableData
from sluicegate.domain.schema import ColumnType, Problem, ProblemKind
from sluicegate.domain.settings import ModelSettings

#: fewer rows don't fill three splits, whatever their hashes
MINIMUM_ROWS = 50
MOST_CLASSES = 100
#: a target of so few different whole numbers is taken as classes
_NUMERIC_CLASSES = 10
_POSITIVE = frozenset({"1", "true", "t", "yes", "y", "positive", "pos"})


@dataclass(frozen=True)
class Target:
    """``label`` is the expression of the label as algorithms take it: a class's index, or the number itself; ``shown``
    that of the value as people wrote it. An unsupervised problem has a target only where model.yaml names one: nothing
    is learned from it, and it may be missing.
    """

    name: str | None
    problem: Problem
    label: str | None
    shown: str | None
    rows: int
    unlabelled: int
    notes: tuple[str, ...]


def resolve_target(
    connection: duckdb.DuckDBPyConnection, table: Union, settings: ModelSettings, known: str | None
) -> Target:
    """Finds the target and the kind of problem. Raises ``UnusableData``."""
    name = default_target(settings, list(table.columns), known if known in table.columns else None)
    if name is None or name not in table.columns:
        raise _no_target(name, table)
    _check_id(table, settings)
    if name == settings.id_column:
        raise UnusableData(
            "The target is the id",
            f"{name!r} would be both the target and the id_column.",
            "Name another column as target in model.yaml.",
        )
    kind = table.columns[name]
    quoted = name_sql(name)
    row = connection.execute(
        f"SELECT count(*), count({quoted}), approx_count_distinct({quoted}) FROM {table.source}"
    ).fetchone()
    rows, labelled, distinct = (int(cell) for cell in row) if row else (0, 0, 0)
    if labelled == 0:
        raise UnusableData(
            "No labels",
            f"The target {name!r} is missing in all {rows:,} rows.",
            "Upload rows that have it, or name another target in model.yaml.",
        )
    if labelled < MINIMUM_ROWS:
        raise UnusableData(
            "Too few rows",
            f"There are {labelled:,} rows with a value of the target {name!r}; at least {MINIMUM_ROWS} are needed.",
            "Upload more rows; those that came are kept.",
        )
    notes = []
    if rows > labelled:
        left = rows - labelled
        how = "row has" if left == 1 else "rows have"
        notes.append(f"{left:,} {how} no value of the target {name}: left out.")
    classes: list[str] | None = None
    if distinct <= 2 * MOST_CLASSES:
        classes = _classes(connection, table, name, kind)
    problem, said = _problem(name, kind, classes, distinct, settings)
    notes += said
    label, shown = _label(quoted, kind, problem), quoted if kind == "number" else as_text(quoted, kind)
    return Target(name, problem, label, shown, labelled, rows - labelled, tuple(notes))


def without_target(
    connection: duckdb.DuckDBPyConnection, table: Union, settings: ModelSettings, kind: ProblemKind
) -> Target:
    """The "target" of an unsupervised problem: the rows, and the column that model.yaml sets aside to judge by, if any.

    Its classes are in the problem; a numeric one with more than ``_NUMERIC_CLASSES`` values has none. Raises
    ``UnusableData``.
    """
    _check_id(table, settings)
    row = connection.execute(f"SELECT count(*) FROM {table.source}").fetchone()
    rows = int(row[0]) if row else 0
    if rows < MINIMUM_ROWS:
        raise UnusableData(
            "Too few rows",
            f"There are {rows:,} rows; at least {MINIMUM_ROWS} are needed.",
            "Upload more rows; those that came are kept.",
        )
    name = settings.target
    if name is None:
        notes = [
            f"{column} is a feature: no target is learned. If it is an answer that a caller doesn't have, name it in "
            "features.exclude."
            for column in table.columns
            if column.casefold() in ("target", "label") and column not in settings.features.exclude
        ]
        return Target(None, Problem(kind), None, None, rows, 0, tuple(notes))
    if name not in table.columns:
        raise _no_target(name, table)
    type_, quoted = table.columns[name], name_sql(name)
    classes = _classes(connection, table, name, type_)
    few = len(classes) <= (_NUMERIC_CLASSES if type_ == "number" else MOST_CLASSES)
    if type_ != "number" and not few:
        raise UnusableData(
            "Too many classes",
            f"The target {name!r} has more than {MOST_CLASSES} different values; {kind} can't be judged by it.",
            "Name another target in model.yaml, or none: what is learned does not need it.",
        )
    problem = Problem(kind, tuple(classes) if few else ())
    if kind == "anomaly":
        if len(classes) != 2:
            raise UnusableData(
                "Not two classes",
                f"The target {name!r} should say of each row whether it is anomalous; it has {len(classes):,} "
                "different values.",
                "Name another target in model.yaml, or none: what is learned does not need it.",
            )
        problem = replace(_binary(name, classes, settings), kind=kind)
    label, shown = _label(quoted, type_, problem), quoted if type_ == "number" else as_text(quoted, type_)
    counted = connection.execute(f"SELECT count({quoted}) FROM {table.source}").fetchone()
    return Target(name, problem, label, shown, rows, rows - (int(counted[0]) if counted else 0), ())


def _check_id(table: Union, settings: ModelSettings) -> None:
    if settings.id_column is not None and settings.id_column not in table.columns:
        raise UnusableData(
            "No such id column",
            f"model.yaml names {settings.id_column!r} as id_column; the data has {_listed(table)}.",
            "Correct id_column in model.yaml, or upload data that has it.",
        )


def _no_target(name: str | None, table: Union) -> UnusableData:
    close = difflib.get_close_matches(name or "", list(table.columns), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnusableData(
        "No such target",
        f"model.yaml names {name!r} as target; the data has {_listed(table)}.{hint}",
        "Correct target in model.yaml, or upload data that has it.",
    )


def _listed(table: Union) -> str:
    names = list(table.columns)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more columns" if len(names) > 20 else "")


def _classes(connection: duckdb.DuckDBPyConnection, table: Union, name: str, kind: ColumnType) -> list[str]:
    text = as_text(name_sql(name), kind)
    found = connection.execute(
        f"SELECT DISTINCT {text} AS class FROM {table.source} WHERE {name_sql(name)} IS NOT NULL LIMIT 1000"
    ).fetchall()
    classes = [str(row[0]) for row in found]
    return sorted(classes, key=float) if kind == "number" else sorted(classes)


def _problem(
    name: str, kind: ColumnType, classes: list[str] | None, distinct: int, settings: ModelSettings
) -> tuple[Problem, list[str]]:
    wanted = settings.problem
    count = distinct if classes is None else len(classes)
    if count < 2:
        raise UnusableData(
            "Only one class" if kind != "number" or wanted != "regression" else "Only one value",
            f"The target {name!r} is {(classes or ['?'])[0][:60]!r} in every row; there is nothing to learn.",
            "Upload rows with other values of the target, or name another target in model.yaml.",
        )
    notes = []
    if wanted is None:
        wanted = _infer(kind, classes, count)
        if kind == "number" and wanted == "multiclass":
            notes.append(
                f"The target {name} has {count} different whole numbers, taken as classes. "
                "If it is a quantity, set problem: regression in model.yaml."
            )
    if wanted == "regression":
        if kind != "number":
            raise UnusableData(
                "The target is not a number",
                f"problem is regression, but the target {name!r} is a {kind} such as "
                f"{(classes or ['text'])[0][:60]!r}.",
                "Set problem to binary or multiclass, or name a numeric target in model.yaml.",
            )
        return Problem("regression"), notes
    if wanted == "binary" and count != 2:
        raise UnusableData(
            "Not two classes",
            f"problem is binary, but the target {name!r} has {count:,} different values.",
            "Set problem: multiclass in model.yaml, or correct the data.",
        )
    if classes is None or count > MOST_CLASSES:
        raise UnusableData(
            "Too many classes",
            f"The target {name!r} has about {count:,} different values; at most {MOST_CLASSES} classes can be learned.",
            "Name another target in model.yaml, or put rare classes together.",
        )
    if count == 2:  # also when multiclass was asked for: two classes are a binary problem
        return _binary(name, classes, settings), notes
    if settings.positive_class is not None:
        notes.append(f"positive_class is not used: the target {name} has {count} classes.")
    return Problem("multiclass", tuple(classes)), notes


def _infer(kind: ColumnType, classes: list[str] | None, count: int) -> ProblemKind:
    if count == 2:
        return "binary"
    if kind != "number":
        return "multiclass"
    whole = classes is not None and all(text.lstrip("-").isdigit() for text in classes)
    return "multiclass" if whole and count <= _NUMERIC_CLASSES else "regression"


def _binary(name: str, classes: list[str], settings: ModelSettings) -> Problem:
    if settings.positive_class is not None:
        wanted = settings.positive_class
        text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
        matches = [known for known in classes if known == text] or [
            known for known in classes if known.casefold() == text.casefold()
        ]
        if len(matches) != 1:
            raise UnusableData(
                "No such class",
                f"model.yaml names {text!r} as positive_class; the target {name!r} has {' and '.join(classes)}.",
                "Correct positive_class in model.yaml.",
            )
        positive = matches[0]
    else:
        usual = [known for known in classes if known.casefold() in _POSITIVE]
        positive = usual[0] if len(usual) == 1 else classes[-1]
    negative = next(known for known in classes if known != positive)
    return Problem("binary", (negative, positive), positive)


def _label(quoted: str, kind: ColumnType, problem: Problem) -> str:
    if not problem.classes:
        return quoted
    source = quoted if kind == "number" else as_text(quoted, kind)
    cases = " ".join(
        f"WHEN {repr(float(known)) + '::DOUBLE' if kind == 'number' else text_sql(known)} THEN {index}"
        for index, known in enumerate(problem.classes)
    )
    return f"CASE {source} {cases} END"
