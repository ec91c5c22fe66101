# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""A data set from all accepted uploads: split, encoded, and written as the algorithm reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from sluicegate.data.distributions import distributions
from sluicegate.data.engine import connect, name_sql, text_sql
from sluicegate.data.features import Chooser
from sluicegate.data.fillings import fit_fillings
from sluicegate.data.findings import Look
from sluicegate.data.profile import ColumnProfile, profile_source
from sluicegate.data.row_sample import row_sample
from sluicegate.data.splits import LABEL, SPLIT, Splitter, weight_sql
from sluicegate.data.tables import Union, converted, union
from sluicegate.data.target import Target, resolve_target, without_target
from sluicegate.data.write import Rows, Writer
from sluicegate.domain import algorithms
from sluicegate.domain.dataset import Dataset, Wires
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.errors import UnusableData
from sluicegate.domain.findings import Finding
from sluicegate.domain.schema import SUPERVISED, Column, Problem, Schema, stored_type
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import SPLITS
from sluicegate.domain.words import DENSE_BUCKETS, SPARSE_BUCKETS


@dataclass(frozen=True)
class DatasetBuild:
    """A data set on disk. ``schema.columns`` are the features. ``files`` maps the folder in S3 to its local files:
    ``train``, ``validation``, ``holdout``, ``holdout-labels`` (not without a target) and, with a champion,
    ``champion-holdout``, each in its ``wire``.
    """

    schema: Schema
    encoder: Encoder
    problem: Problem
    counts: dict[str, int]
    profile: dict[str, Any]
    files: dict[str, list[Path]]
    wire: Wires = field(default_factory=Wires)
    split: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def build_dataset(
    parts: Sequence[Path],
    *,
    settings: ModelSettings,
    champion: Dataset | None,
    workdir: Path,
    memory_limit_mb: int,
    known_target: str | None = None,
) -> DatasetBuild:
    """Builds the data set from the uploads' Parquet files, in their order. Raises ``UnusableData``.

    ``champion`` is the live version's data set. What callers must send never grows: a column that it doesn't ask for
    is optional; and another kind of problem than its own has to be said in the settings. ``known_target`` is what the
    first upload said of the target; the settings win. An algorithm that learns without a target has none unless the
    settings name one, which is then set aside for judging.
    """
    if not parts:
        raise UnusableData("No data", "No upload has been accepted yet.", "Upload a CSV file with a header.")
    workdir.mkdir(parents=True, exist_ok=True)
    with connect(workdir, memory_limit_mb) as connection:
        table = union(connection, parts, settings)
        algorithm = algorithms.of(settings)
        if algorithm.supervised:
            target = resolve_target(connection, table, settings, known_target)
        else:
            target = without_target(connection, table, settings, algorithm.problems[0])
        if champion is not None and settings.problem is None:
            _refuse_another_kind(target, champion.problem)
        return _Builder(connection, table, target, settings, champion, workdir).build()


def _refuse_another_kind(target: Target, serving: Problem) -> None:
    """One mistyped label makes three classes of two: that must not turn what callers get into something else."""
    if target.problem.kind == serving.kind or not {target.problem.kind, serving.kind} <= SUPERVISED:
        return  # from or to an algorithm without a target only model.yaml leads
    found = target.problem.classes
    said = f"now has the classes {', '.join(map(repr, found[:10]))}" if found else "now holds numbers"
    raise UnusableData(
        "Another kind of problem",
        f"The live version's problem is {serving.kind}; {target.name!r} {said}, which is {target.problem.kind}.",
        f"Correct the rows, or say problem: {target.problem.kind} in model.yaml if it is meant.",
    )


class _Builder:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Union,
        target: Target,
        settings: ModelSettings,
        champion: Dataset | None,
        workdir: Path,
    ) -> None:
        self.connection, self.table, self.target = connection, table, target
        self.settings, self.champion, self.workdir = settings, champion, workdir
        self.algorithm = algorithms.of(settings)
        self.notes = [*table.notes, *target.notes]
        labelled = f" WHERE {name_sql(target.name)} IS NOT NULL" if target.name and self.algorithm.supervised else ""
        self.rows = f"(SELECT * FROM {table.source}{labelled})"
        self._leave_out_unweighted()

    def _leave_out_unweighted(self) -> None:
        """Rows without a weight, or with one that is less than nothing, are left out, and that is told."""
        name = self.settings.weights.column if self.settings.weights else None
        if name is None:
            return
        if name not in self.table.columns:
            raise UnusableData(
                "No such weights",
                f"model.yaml names {name!r} as weights.column; the data has {', '.join([*self.table.columns][:20])}.",
                "Correct weights.column in model.yaml, or upload data that has it.",
            )
        quoted = name_sql(name)
        row = self.connection.execute(
            f"SELECT count(*) FILTER ({quoted} IS NULL), count(*) FILTER ({quoted} < 0), "
            f"count(*) FILTER ({quoted} > 0) FROM {self.rows}"
        ).fetchone()
        missing, negative, positive = row if row else (0, 0, 0)
        if not positive:
            raise UnusableData(
                "No weights",
                f"No row has a weight above 0 in {name!r}.",
                "Upload rows that have one, or remove weights from model.yaml.",
            )
        if missing or negative:
            self.notes.append(f"{missing + negative:,} rows are left out: {name} is missing or negative in them.")
        self.rows = f"(SELECT * FROM {self.rows} WHERE {quoted} >= 0)"

    def build(self) -> DatasetBuild:
        profile = profile_source(self.connection, self.rows, list(self.table.columns.items()))
        chooser = Chooser(self.connection, self.rows, self.table, self.target, self.settings, self.champion, self.notes)
        features = chooser.choose(profile)
        self._tell_of_changes(features)
        splitter = Splitter(
            self.connection, self.rows, self.table, self.target, self.settings, self.champion, self.notes
        )
        split = splitter.assign()
        counts, by_class = self._counts()
        wire, text_buckets = Wires(self.algorithm.train_format, self.algorithm.infer_format), DENSE_BUCKETS
        if self.algorithm.sparse_format and any(column.type == "text" for column in features):
            wire = Wires(self.algorithm.sparse_format, self.algorithm.sparse_format)
            text_buckets = SPARSE_BUCKETS
        fillings = {}
        if not self.algorithm.takes_missing:
            training = f"(SELECT * FROM {self.rows} POSITIONAL JOIN splits WHERE {SPLIT} = 0)"
            fillings = fit_fillings(self.connection, training, features)
        encoder = Encoder.fit(features, fillings=fillings, text_buckets=text_buckets)
        if "libsvm" in (wire.train, wire.infer) or text_buckets == SPARSE_BUCKETS:
            encoder = encoder.sparse()
        weight = weight_sql(self.settings, self.target, by_class) if self.algorithm.takes_weights else None
        files = self._write(encoder, wire, weight)
        with row_sample(self.connection, self.rows, features, counts["train"]):
            spread = distributions(self.connection, self.table.columns, features)
            findings = self._findings(profile, features, counts, by_class)
        used = {column.name for column in features}
        special = {self.target.name, self.settings.id_column}
        unused = dict.fromkeys((*self.table.columns, *self.settings.features.exclude))
        schema = Schema(
            columns=tuple(features),
            target=self.target.name,
            id_column=self.settings.id_column,
            ignored=tuple(name for name in unused if name not in used and name not in special),
        )
        return DatasetBuild(
            schema=schema,
            encoder=encoder,
            problem=self.target.problem,
            counts=counts,
            profile={
                "rows": self.target.rows,
                "unlabelled": self.target.unlabelled,
                "classes": by_class,
                "columns": [
                    column.to_json()
                    | ({"distribution": spread[column.name].to_json()} if column.name in spread else {})
                    for column in profile
                ],
                "target": self._typical(),
                "findings": [finding.to_json() for finding in findings],
            },
            files=files,
            wire=wire,
            split=split,
            # an item of the registry holds the first notes only
            notes=[*(finding.text for finding in findings), *self.notes],
        )

    def _findings(
        self,
        profile: Sequence[ColumnProfile],
        features: Sequence[Column],
        counts: Mapping[str, int],
        by_class: Mapping[str, Mapping[str, int]],
    ) -> list[Finding]:
        if not self.algorithm.supervised:
            return []
        look = Look(self.connection, self.rows, self.table.columns, features, self.target, self.settings)
        return look.findings(profile, counts, by_class)

    def _tell_of_changes(self, features: Sequence[Column]) -> None:
        """Which columns came and went since the version that serves."""
        if self.champion is None:
            return
        known, now = set(self.champion.schema.names), [column.name for column in features]
        seen = known | set(self.champion.schema.ignored) | {self.champion.schema.target, self.champion.schema.id_column}
        came = [name for name in self.table.columns if name not in seen]
        left = [name for name in self.champion.schema.names if name not in self.table.columns]
        dropped = [name for name in self.champion.schema.names if name in self.table.columns and name not in now]
        for names, said in (
            (came, "New since the version that serves: {}. Callers may leave them out."),
            (left, "No upload has these columns of the version that serves: {}. They count as missing there."),
            (dropped, "The version that serves uses these columns, this one doesn't: {}."),
        ):
            if names:
                more = f" and {len(names) - 10} more" if len(names) > 10 else ""
                self.notes.append(said.format(", ".join(names[:10]) + more))

    def _counts(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        problem = self.target.problem
        judged = bool(problem.classes) and self.algorithm.supervised
        grouped = f"{LABEL}::INTEGER" if judged else "NULL"
        found = self.connection.execute(
            f"SELECT {SPLIT}, {grouped}, count(*) FROM splits WHERE {SPLIT} < {len(SPLITS)} GROUP BY ALL"
        ).fetchall()
        counts: dict[str, int] = dict.fromkeys(SPLITS, 0)
        classes = problem.classes if judged else ()
        by_class: dict[str, dict[str, int]] = {known: dict.fromkeys(SPLITS, 0) for known in classes}
        for split, index, count in found:
            counts[SPLITS[split]] += count
            if judged:
                by_class[problem.classes[index]][SPLITS[split]] += count
        for split, count in counts.items():
            if count == 0:
                raise UnusableData(
                    "Too few rows",
                    f"None of the {self.target.rows:,} rows falls into the {split} split.",
                    f"Upload more rows (a few hundred do), or raise split.{split} in model.yaml.",
                )
        self._check_classes(by_class)
        return counts, by_class

    def _typical(self) -> dict[str, float] | None:
        """What a number's training rows say without any feature: the report measures against it."""
        if self.target.problem.kind != "regression":
            return None
        row = self.connection.execute(
            f"SELECT avg({LABEL}::DOUBLE), median({LABEL}::DOUBLE) FROM splits WHERE {SPLIT} = 0"
        ).fetchone()
        return None if row is None or row[0] is None else {"mean": float(row[0]), "median": float(row[1])}

    def _check_classes(self, by_class: Mapping[str, Mapping[str, int]]) -> None:
        for known, row in by_class.items():
            empty = [split for split in SPLITS if row[split] == 0]
            total = sum(row.values())
            if not empty:
                continue
            if self.target.problem.kind == "binary" or "train" in empty:
                raise UnusableData(
                    "Too few rows of a class",
                    f"The class {known[:60]!r} of {self.target.name!r} has {total:,} rows, none of them in the "
                    f"{' and '.join(empty)} split.",
                    "Upload more rows of that class: about 30 fill all splits.",
                )
            self.notes.append(f"The class {known[:60]} has no rows in the {' and '.join(empty)} split.")

    def _write(self, encoder: Encoder, wire: Wires, weight: str | None) -> dict[str, list[Path]]:
        """The same order of rows in every file of the holdout."""
        source = f"{self.rows} POSITIONAL JOIN splits"
        columns = {name: name_sql(name) for name in self.table.columns}
        label, shown = LABEL if self.algorithm.supervised else None, None
        if label and self.target.name and self.target.shown:
            shown = (self.target.name, self.target.shown)
        writer = Writer(self.connection, encoder, self.workdir)
        count = self.settings.training.count
        train = Rows(source, f"{SPLIT} = 0", columns, label, weight, shown)
        held_out = Rows(source, f"{SPLIT} = 2", columns)
        # A positional join runs in one thread, so two copies at a time use two processors.
        with ThreadPoolExecutor(max_workers=2) as pool:
            copies = {
                "train": pool.submit(writer.write, "train", train, wire.train, count),
                "validation": pool.submit(
                    writer.write, "validation", replace(train, where=f"{SPLIT} = 1"), wire.train, count
                ),
                "holdout": pool.submit(writer.write, "holdout", held_out, wire.infer, predicting=True),
            }
            if self.target.label is not None:
                copies["holdout-labels"] = pool.submit(self._write_labels)
            if self.champion is not None:
                formats = {column.name: column.format for column in self.champion.schema.columns}
                typed = {
                    block.column: converted(
                        columns[block.column],
                        self.table.columns[block.column],
                        stored_type(block.source_type),
                        formats.get(block.column),
                    )
                    for block in self.champion.encoder.blocks
                    if block.column in columns
                }
                theirs = Writer(self.connection, self.champion.encoder, self.workdir)
                rows = Rows(source, f"{SPLIT} = 2", typed)
                copies["champion-holdout"] = pool.submit(
                    theirs.write, "champion-holdout", rows, self.champion.wire.infer, predicting=True
                )
            return {folder: copy.result() for folder, copy in copies.items()}

    def _write_labels(self) -> list[Path]:
        """A number a line; a line without one where an unsupervised problem's row has none."""
        target = self.workdir / "holdout-labels" / "part-00000.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"COPY (SELECT {LABEL} FROM splits WHERE {SPLIT} = 2) TO {text_sql(str(target))} "
                "(FORMAT csv, HEADER false, DELIMITER ',', QUOTE '', ESCAPE '')"
            )
        return [target]


def dataset_json(build: DatasetBuild, uploads: Sequence[str], version: str) -> dict[str, Any]:
    """``dataset.json``: all that is known of a data set but its rows. ``parts``: keys below its folder."""
    return {
        "format": 1,
        "version": version,
        "uploads": sorted(uploads),
        "schema": build.schema.to_json(),
        "encoder": build.encoder.to_json(),
        "encoder_fingerprint": build.encoder.fingerprint,
        "feature_names": build.encoder.feature_names,
        "problem": build.problem.to_json(),
        "counts": build.counts,
        "profile": build.profile,
        "wire": build.wire.to_json(),
        "split": build.split,
        "parts": {folder: [f"{folder}/{path.name}" for path in paths] for folder, paths in build.files.items()},
        "notes": build.notes,
    }
