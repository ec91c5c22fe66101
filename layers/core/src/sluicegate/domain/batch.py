"""Files that are predicted in one piece: where they lie, what they are, what their results are called.

>>> place("batch/churn/2026/may.csv")
BatchPlace(model='churn', path='2026/may.csv', version=None, format=FileFormat(kind='csv', gzipped=False), problem='')
>>> place("batch/churn/version=3/may.jsonl.gz").version
3
>>> result_key("batch/churn/version=3/may.jsonl.gz")
'predictions/churn/version=3/may.jsonl.gz'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sluicegate.domain import names
from sluicegate.domain.schema import Problem

FOLDER, RESULTS = "batch/", "predictions/"
REJECTS = ".rejects.csv"
ACCEPTED = ".csv, .csv.gz, .jsonl, .jsonl.gz and .parquet"
#: what a result has beside the columns of its input; a class adds its name to the third, a number to the fourth
LINE, PREDICTION, PROBABILITY, COMPONENT = "input_line", "prediction", "probability_", "component_"
DISTANCE, ANOMALY = "distance", "anomaly"
LARGEST_VERSION = 999_999
_VERSION = re.compile(r"version=(.*)")
_NAME = re.compile(r"\.(csv|jsonl|parquet)(\.gz)?", re.IGNORECASE)

Kind = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True)
class FileFormat:
    kind: Kind
    gzipped: bool


@dataclass(frozen=True)
class BatchPlace:
    """A file's place. ``model`` is "" when the key names none; ``problem`` says what is wrong with the key, if anything
    is. ``path`` is the key below the model's folder, with ``version=…`` when it begins so."""

    model: str = ""
    path: str = ""
    version: int | None = None
    format: FileFormat | None = None
    problem: str = ""


def file_format(path: str) -> FileFormat | None:
    """What a file is by the end of its name; None when that is none of ``ACCEPTED``.

    >>> file_format("a/B.CSV.GZ")
    FileFormat(kind='csv', gzipped=True)
    >>> file_format("a.parquet.gz") is None
    True
    """
    name = path.rsplit("/", 1)[-1]
    match = re.search(_NAME.pattern + r"$", name, re.IGNORECASE)
    if match is None or match.start() == 0:
        return None
    kind = match[1].lower()
    if kind == "parquet":
        return None if match[2] else FileFormat("parquet", False)
    return FileFormat("csv" if kind == "csv" else "jsonl", bool(match[2]))


def place(key: str) -> BatchPlace | None:
    """What ``key`` is for; None when it isn't a file under ``batch/`` (a folder that a console made is none)."""
    if not key.startswith(FOLDER) or key.endswith("/"):
        return None
    parts = key.split("/")[1:]
    if len(parts) == 1:
        return BatchPlace(problem="The file lies directly under batch/; a model's files lie under batch/<model>/.")
    model, path = parts[0], "/".join(parts[1:])
    if not names.is_model(model):
        return BatchPlace(path=path, problem=f"{model!r} can't be a model's name.")
    version: int | None = None
    match = _VERSION.fullmatch(parts[1]) if len(parts) > 2 else None
    if match is not None:
        said = match[1]
        if not (said.isascii() and said.isdigit() and 1 <= int(said[:9]) <= LARGEST_VERSION and len(said) <= 6):
            problem = f"The folder {parts[1][:60]!r} names no version; write version=3 for version 3."
            return BatchPlace(model, path, problem=problem)
        version = int(said)
    if path.lower().endswith(REJECTS):
        return BatchPlace(model, path, version, problem=f"Names that end in {REJECTS} are those of reports.")
    found = file_format(path)
    if found is None:
        name = parts[-1][-80:]
        return BatchPlace(model, path, version, problem=f"{name!r} is not read: names end in {ACCEPTED}.")
    return BatchPlace(model, path, version, found)


def result_key(key: str) -> str:
    """Where the result of the file under ``key`` is written."""
    return RESULTS + key.removeprefix(FOLDER)


def rejects_key(key: str) -> str:
    """Where the rows of ``key`` that could not be read are listed."""
    return result_key(key) + REJECTS


def work_folder(model: str, batch: str) -> str:
    """Where a batch keeps what it needs between its two steps."""
    return f"batches/{model}/{batch}/"


def result_columns(problem: Problem, width: int = 1) -> list[str]:
    """What a result adds to the columns of its input, in order. ``width``: how many numbers an answer has (only of
    decomposition it follows from nothing else).

    >>> result_columns(Problem("binary", ("no", "yes"), "yes"))
    ['input_line', 'prediction', 'probability_no', 'probability_yes']
    >>> result_columns(Problem("decomposition"), 2), result_columns(Problem("anomaly", threshold=1.5))
    (['input_line', 'component_1', 'component_2'], ['input_line', 'prediction', 'anomaly'])
    """
    if problem.kind == "decomposition":
        return [LINE, *(f"{COMPONENT}{number}" for number in range(1, width + 1))]
    more = [f"{PROBABILITY}{name}" for name in problem.classes] if problem.kind in ("binary", "multiclass") else []
    if problem.kind == "clustering":
        more = [DISTANCE]
    if problem.kind == "anomaly" and problem.threshold is not None:
        more = [ANOMALY]
    return [LINE, PREDICTION, *more]


def taken(columns: Iterable[str], problem: Problem) -> list[str]:
    """The columns of an input that have the name of one that the result adds (whatever the case: SQL doesn't tell)."""
    added = {name.casefold() for name in result_columns(problem)}
    numbered = re.compile(
        re.escape(COMPONENT) + r"[0-9]+" if problem.kind == "decomposition" else r"(?!)", re.IGNORECASE
    )
    return [name for name in columns if name.casefold() in added or numbered.fullmatch(name)]
