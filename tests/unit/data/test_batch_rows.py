"""A batch encodes rows as predict does, whatever the wire, and decodes answers as predict does."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.data.batch_result import Layout, encoded_parts, part_rows, write_numbers, write_result
from sluicegate.data.batch_rows import BatchRows, read_batch
from sluicegate.domain.algorithms.base import decoded
from sluicegate.domain.batch import FileFormat, file_format
from sluicegate.domain.dataset import Dataset, Wires
from sluicegate.domain.encoder import Encoder, Wire
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.records import InvalidRecords, parse_records
from sluicegate.domain.schema import Column, Problem, Schema

COLUMNS = (
    Column("height", "number"),
    Column("member", "boolean"),
    Column("color", "category", ("blue", "red")),
    Column("town", "category"),
    Column("since", "date"),
    Column("review", "text"),
)
BINARY = Problem("binary", ("no", "yes"), "yes")


def dataset(wire: Wire = "csv", problem: Problem = BINARY) -> Dataset:
    encoder = Encoder.fit(COLUMNS, buckets=8, text_buckets=16)
    if wire in ("libsvm", "recordio"):
        encoder = encoder.sparse()
    return Dataset("v", (), Schema(COLUMNS, "won"), encoder, problem, {}, {}, {}, (), Wires(infer=wire))


def read(folder: Path, name: str, body: bytes, of: Dataset) -> BatchRows:
    source = folder / f"in-{name}"
    source.write_bytes(body)
    found = file_format(name)
    assert found is not None
    return read_batch(
        source, name=name, file=found, dataset=of, workdir=folder / "w", memory_limit_mb=200, max_unpacked_bytes=1 << 30
    )


MARKERS = st.sampled_from(["", "NA", "null", "?", " nan "])
CELLS: dict[str, st.SearchStrategy[str]] = {
    "height": st.one_of(
        st.floats(-1e9, 1e9, width=32).map(repr),
        st.integers(-999, 999).map(str),
        MARKERS,
        st.sampled_from(["x", " 5 ", "inf"]),
    ),
    "member": st.one_of(MARKERS, st.sampled_from(["true", "FALSE", "yes", "0", "t", "maybe"])),
    "color": st.one_of(MARKERS, st.sampled_from(["red", " blue", "pink", "red, dark"])),
    "town": st.one_of(MARKERS, st.text("abcé 9", max_size=5)),
    "since": st.one_of(MARKERS, st.sampled_from(["2026-01-31", "2026-01-31T12:00:00+02:00", "2026-02-30", "soon"])),
    "review": st.one_of(MARKERS, st.text("ab c", max_size=12)),
}
ROWS = st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=12)


def as_csv(rows: list[dict[str, str]], names: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def expected(rows: list[dict[str, str]], names: list[str], of: Dataset) -> tuple[list[dict[str, Any]], list[int]]:
    """What ``predict`` accepts, and the lines of what it refuses."""
    good, bad = [], []
    for number, row in enumerate(rows, 2):
        try:
            good += parse_records(as_csv([row], names), "text/csv", of.schema)
        except InvalidRecords:
            bad.append(number)
    return good, bad


def numbers(line: str) -> list[float | None]:
    return [float(cell) if cell else None for cell in line.split(",")]


@pytest.mark.parametrize("wire", ["csv", "libsvm", "recordio", "raw"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, order=st.permutations(list(CELLS)), size=st.sampled_from([1, 5, 1000]))
def test_a_batch_encodes_as_predict_does(wire: Wire, rows: list[dict[str, str]], order: list[str], size: int) -> None:
    of = dataset(wire)
    good, bad = expected(rows, order, of)
    with tempfile.TemporaryDirectory() as name:
        found = read(Path(name), "a.csv", as_csv(rows, order), of)
        assert (found.accepted, found.rejected) == (len(good), len(bad))
        if found.rejects:
            with found.rejects.open(newline="") as file:
                assert [int(row["line"]) for row in csv.DictReader(file)] == bad
        parts = list(encoded_parts(found, of, Path(name) / "parts", 200, size))
        body = b"".join(part.read_bytes() for part in parts)
        assert all(part.read_bytes() for part in parts)
    wanted = [of.encoder.encode_row(record, wire) for record in good]
    if wire == "csv":
        lines = body.decode().splitlines()
        assert [numbers(line) for line in lines] == [numbers(row.decode().rstrip("\n")) for row in wanted]
    elif wire == "raw":
        assert [json.loads(line) for line in body.splitlines()] == [json.loads(row) for row in wanted]
    elif wire == "libsvm":
        assert [entries(line) for line in body.decode().splitlines()] == [entries(row.decode()) for row in wanted]
    else:
        assert body == b"".join(wanted)


def entries(line: str) -> list[tuple[int, float]]:
    return [(int(place), float(value)) for place, _, value in (cell.partition(":") for cell in line.split()[1:])]


KINDS: list[tuple[Problem, list[list[float]]]] = [
    (BINARY, [[0.25], [0.75], [0.5]]),
    (Problem("multiclass", ("a", "b", "it's")), [[0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.4, 0.4, 0.2]]),
    (Problem("regression"), [[1.5], [-2.0], [3e9]]),
    (Problem("clustering"), [[2.0, 0.5], [0.0, 1.25], [1.0, 0.0]]),
    (Problem("decomposition"), [[1.0, 2.0], [0.5, -1.0], [0.0, 0.25]]),
    (Problem("anomaly", threshold=1.0), [[0.5], [1.5], [1.0]]),
    (Problem("anomaly"), [[0.5], [1.5], [1.0]]),
]


@pytest.mark.parametrize(("problem", "answers"), KINDS, ids=lambda value: getattr(value, "kind", ""))
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_answers_are_decoded_as_predict_does(
    tmp_path: Path, kind: str, problem: Problem, answers: list[list[float]]
) -> None:
    of = dataset(problem=problem)
    rows = [dict.fromkeys(CELLS, "") | {"height": str(number)} for number in range(len(answers))]
    lines = "".join(json.dumps({**row, "height": float(row["height"])}) + "\n" for row in rows).encode()
    found = read(tmp_path, f"a.{kind}", as_csv(rows, list(CELLS)) if kind == "csv" else lines, of)
    answer = tmp_path / "part.out"
    answer.write_text("".join(",".join(map(repr, row)) + "\n" for row in answers))
    write_numbers([answer], tmp_path / "numbers.csv", lambda text, _: (line.strip() for line in text), problem)
    layout = Layout.from_json(json.loads(json.dumps(Layout.of(found, FileFormat(kind, False)).to_json())))  # type: ignore[arg-type]
    target = tmp_path / "result"
    assert write_result(found.table, layout, tmp_path / "numbers.csv", problem, target, tmp_path / "x", 200) == 3
    with target.open(newline="") as file:
        told: list[dict[str, Any]] = (
            list(csv.DictReader(file)) if kind == "csv" else [json.loads(line) for line in file]
        )
    for row, answer_row in zip(told, answers, strict=True):
        wanted = decoded(answer_row, problem)
        if isinstance(wanted.prediction, list):
            components = [float(row[f"component_{number}"]) for number in range(1, len(wanted.prediction) + 1)]
            assert components == wanted.prediction
            continue
        assert type(wanted.prediction)(row["prediction"]) == wanted.prediction
        for name, share in (wanted.probabilities or {}).items():
            assert float(row[f"probability_{name}"]) == share
        if wanted.distance is not None:
            assert float(row["distance"]) == wanted.distance
        if wanted.anomaly is not None:
            assert str(row["anomaly"]).lower() == str(wanted.anomaly).lower()


def test_a_part_fits_the_disk_whatever_the_width() -> None:
    of = dataset()
    assert part_rows(of.encoder, "csv", 1 << 20) * (2 * len(of.encoder.feature_names)) < 1 << 20
    assert part_rows(of.encoder.sparse(), "libsvm") == (48 << 20) // 1_200


def test_a_large_file_keeps_its_order(tmp_path: Path) -> None:
    """DuckDB makes a join of a long ``IN``, and a join that runs in several threads loses the order of the rows."""
    import duckdb

    from sluicegate.data.ingest import read_upload
    from sluicegate.domain.settings import ModelSettings

    rows = 250_000
    source = tmp_path / "large.csv"
    padding = "x" * 60
    with source.open("w") as file:
        file.write("id,height,member,color,town,since,review\n")
        file.writelines(f"r{number},{number}.5,true,NA,town-{number % 7},,{padding}\n" for number in range(rows))
    of = dataset()
    batch = read_batch(
        source,
        name="large.csv",
        file=FileFormat("csv", False),
        dataset=of,
        workdir=tmp_path / "w",
        memory_limit_mb=300,
        max_unpacked_bytes=1 << 30,
    )
    upload = read_upload(
        source,
        key="data/a/large.csv",
        settings=ModelSettings(target="color"),
        known=None,
        workdir=tmp_path / "u",
        memory_limit_mb=300,
    )
    connection = duckdb.connect()
    for table, column in ((batch.table, "f0"), (upload.parquet, "height")):
        source_sql = f"read_parquet('{table}', file_row_number = true)"
        found = connection.execute(f"SELECT count(*), bool_and({column} = file_row_number + 0.5) FROM {source_sql}")
        assert found.fetchone() == (rows, True)


def test_rows_that_are_rejected_may_be_long(tmp_path: Path) -> None:
    """Python's reader of CSV takes no field of more than 131,072 characters unless it is told to."""
    review, names = "a" * 150_000, [column.name for column in COLUMNS]
    good, bad = ["1", "true", "red", "x", "2026-01-31", "short"], ["tall", "true", "red", "x", "2026-01-31", review]
    table = as_csv([dict(zip(names, row, strict=True)) for row in (good, bad)], names)
    found = read(tmp_path, "a.csv", table + f"too,few,{review}\n".encode(), dataset())
    assert (found.accepted, found.rejected) == (1, 2)
    assert [line[:28] for line in found.examples] == ["line 3: height: 'tall' is no", "line 4: 3 fields instead of "]
    record = json.dumps(dict(zip(names, bad, strict=True)))
    (tmp_path / "other").mkdir()
    found = read(
        tmp_path / "other",
        "a.jsonl",
        f"{json.dumps(dict(zip(names, good, strict=True)))}\n{record}\n".encode(),
        dataset(),
    )
    assert (found.accepted, found.rejected) == (1, 1)


def test_a_file_of_one_column(tmp_path: Path) -> None:
    """Empty lines are no rows; a name that the version doesn't know is told as a column that is missing."""
    columns = (Column("metric", "number"),)
    problem = Problem("anomaly", threshold=1.0)
    of = Dataset("v", (), Schema(columns), Encoder.fit(columns), problem, {}, {}, {}, ())
    found = read(tmp_path, "a.csv", b'metric\n\n1.5\n\n""\nmany\n2\n\n', of)
    assert (found.accepted, found.rejected, found.examples) == (3, 1, ["line 6: metric: 'many' is not a number"])
    parts = list(encoded_parts(found, of, tmp_path / "parts", 200))
    assert [line for part in parts for line in part.read_text().splitlines()] == ["1.5,0", ",0", "2.0,0"]
    numbers_file, target = tmp_path / "numbers.csv", tmp_path / "result.csv"
    numbers_file.write_text("0.5\n0.5\n2.5\n")
    layout = Layout.of(found, FileFormat("csv", False))
    assert write_result(found.table, layout, numbers_file, problem, target, tmp_path / "x", 200) == 3
    assert [line.split(",")[:2] for line in target.read_text().splitlines()[1:]] == [
        ["1.5", "3"],
        ['""', "5"],
        ["2", "7"],
    ]
    with pytest.raises(UnreadableUpload, match=r"has no column metric.*It has load"):
        read(tmp_path, "a.csv", b"load\n1\n", of)
