"""Free text: what is a word, bulk equals row, when a column is taken as text, and what an algorithm gets of it."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluicegate.data.build import DatasetBuild, build_dataset, dataset_json
from sluicegate.data.ingest import read_upload
from sluicegate.data.write import Rows, Writer
from sluicegate.domain.algorithms.xgboost import XGBoost
from sluicegate.domain.dataset import Wires, read_dataset_json
from sluicegate.domain.encoder import Encoder, Wire
from sluicegate.domain.recordio import MAGIC
from sluicegate.domain.records import InvalidRecords, parse_records
from sluicegate.domain.schema import MISSING_MARKERS, Column, Schema
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.words import entries, words
from sluicegate.services.predict import TooLarge, parts

COLUMNS = (Column("n", "number"), Column("t", "text"), Column("u", "text"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" -- !? ", []),
        ("It's GOOD_stuff, 10/10", ["it", "s", "good", "stuff", "10", "10"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("Cafe\u0301 caf\u00e9", ["café", "café"]),
        ("\uff26\uff35\uff2c\uff2c", ["full"]),
        ("東京タワー!", ["東", "京", "タ", "ワ", "ー"]),
    ],
)
def test_words(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


def test_the_buckets_are_pinned() -> None:
    """A change would silently garble every model that serves."""
    wanted = [(8470, "0.412859"), (18305, "0.69903"), (21391, "0.412859"), (31226, "0.412859")]
    assert entries("good good movie", 1 << 15) == wanted


def test_a_texts_length_is_one_whatever_its_size() -> None:
    for text in ("one", "one two three", "again and again and again " * 20):
        found = entries(text, 1 << 15)
        assert [bucket for bucket, _ in found] == sorted({bucket for bucket, _ in found})
        assert math.isclose(sum(float(value) ** 2 for _, value in found), 1.0, rel_tol=1e-4)


plain_text = st.text(max_size=60).map(lambda text: text.strip()).filter(
    lambda text: text not in MISSING_MARKERS and "\0" not in text and text.isprintable()
)  # fmt: skip
numbers = st.none() | st.integers(0, 3)
sentences = st.lists(st.sampled_from(["good", "bad", "Straße", "東京", "e\u0301", "not"]), min_size=1).map(" ".join)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("CREATE TABLE typed (n DOUBLE, t VARCHAR, u VARCHAR)")
        yield opened


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 3), st.none() | plain_text | sentences, st.none() | sentences),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["csv", "libsvm", "recordio"]),
)
@example([(None, None, None)], "libsvm")
@example([(1, "ﬁne İstanbul", "ǅ ẞ")], "recordio")
def test_bulk_is_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, batch: list[tuple[Any, ...]], wire: Wire
) -> None:
    encoder = Encoder.fit(COLUMNS, text_buckets=16)
    encoder = encoder if wire == "csv" else encoder.sparse()
    connection.execute("DELETE FROM typed")
    connection.executemany("INSERT INTO typed VALUES (?, ?, ?)", [list(row) for row in batch])
    columns = {name: name for name in "ntu"}
    (file,) = Writer(connection, encoder, tmp_path).write("x", Rows("typed", "true", columns), wire)
    rows = [dict(zip("ntu", (None if n is None else float(n), t, u), strict=True)) for n, t, u in batch]
    assert file.read_bytes() == b"".join(encoder.encode_row(row, wire) for row in rows)


WORDS = ("the", "film", "plot", "actor", "scene", "music", "story", "ending", "was", "is", "a", "very", "quite", "and")


def reviews(count: int, seed: int = 3) -> list[tuple[str, str]]:
    chosen = random.Random(seed)
    vocabulary = WORDS
    found = []
    for _ in range(count):
        liked = chosen.random() < 0.5
        text = [*chosen.choices(vocabulary, k=12), chosen.choice(["superb", "moving"] if liked else ["dull", "awful"])]
        chosen.shuffle(text)
        found.append((" ".join(text), "yes" if liked else "no"))
    return found


def build(tmp_path: Path, content: str, champion: DatasetBuild | None = None, **given: Any) -> DatasetBuild:
    given_settings = ModelSettings.model_validate(given)
    source = tmp_path / "rows.csv"
    source.write_text(content)
    reading = read_upload(
        source, key="data/m/rows.csv", settings=given_settings, known=None, workdir=tmp_path / "r", memory_limit_mb=200
    )
    return build_dataset(
        [reading.parquet],
        settings=given_settings,
        champion=read_dataset_json(dataset_json(champion, [], "champion")) if champion else None,
        workdir=tmp_path / "b",
        memory_limit_mb=200,
    )


def table(rows: list[tuple[str, str]]) -> str:
    return "n,review,liked\n" + "".join(f'{index % 7},"{text}",{liked}\n' for index, (text, liked) in enumerate(rows))


def test_reviews_are_taken_as_text(tmp_path: Path) -> None:
    made = build(tmp_path, table(reviews(400)))
    review = made.schema.column("review")
    assert review is not None and review.type == "text" and made.wire == Wires("libsvm", "libsvm")
    assert any("review is taken as text" in note for note in made.notes)
    assert made.files["train"][0].name == "part-00000.libsvm" and made.encoder.is_sparse
    text, liked = next(row for row in reviews(400))
    lines = made.files["train"][0].read_text() + made.files["validation"][0].read_text()
    lines += "".join(f"1{line[1:]}\n" for line in made.files["holdout"][0].read_text().splitlines())
    wanted = made.encoder.encode_libsvm({"n": 0.0, "review": text})[1:]
    assert wanted in lines and liked in ("yes", "no")
    again = read_dataset_json(dataset_json(made, [], "v"))
    assert again.encoder == made.encoder and again.wire == made.wire
    column = again.schema.column("review")
    assert column is not None and column.type == "text"


@pytest.mark.parametrize(
    "values",
    [
        [f"customer {index:05}" for index in range(300)],  # ids
        [f"{index}-{index * 7919 % 1000:03} a b c d e" for index in range(300)],  # codes
        [f"John{index} Smith{index * 3}" for index in range(300)],  # names
        ["the same five words again and again", "another set of seven words that repeat"] * 150,  # categories
        [
            " ".join(chr(97 + index % 26) * 3 + chr(97 + index // 26) * (2 + k) for k in range(6))
            for index in range(300)
        ],
    ],
)
def test_what_is_no_text(tmp_path: Path, values: list[str]) -> None:
    content = "n,c,y\n" + "".join(f"{index / 7},{value},{'ab'[index % 2]}\n" for index, value in enumerate(values))
    made = build(tmp_path, content)
    column = made.schema.column("c")
    assert column is None or column.type == "category"
    assert made.wire == Wires("csv", "csv")
    said = build(tmp_path, content, features={"types": {"c": "text"}})
    column = said.schema.column("c")
    assert column is not None and column.type == "text", "model.yaml wins"


def test_a_live_version_keeps_what_it_takes_a_column_for(tmp_path: Path) -> None:
    content = table(reviews(400))
    serving = build(tmp_path, content, features={"types": {"review": "category"}})
    made = build(tmp_path, content, champion=serving)
    column = made.schema.column("review")
    assert column is None or column.type == "category"
    text = build(tmp_path, content, champion=build(tmp_path, content))
    assert text.files["champion-holdout"][0].read_bytes() == text.files["holdout"][0].read_bytes()
    changed = build(tmp_path, content, champion=serving, features={"types": {"review": "text"}})
    assert changed.files["champion-holdout"][0].suffix == ".csv" and changed.files["holdout"][0].suffix == ".libsvm"


def test_an_algorithm_without_a_sparse_format_gets_fewer_buckets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dense(XGBoost):
        sparse_format = None

    monkeypatch.setattr("sluicegate.domain.algorithms.of", lambda _: Dense())
    made = build(tmp_path, table(reviews(200)))
    assert made.wire == Wires("csv", "csv") and len(made.encoder.feature_names) == 1 + 256


def test_factorization_machines_get_sparse_frames(tmp_path: Path) -> None:
    made = build(tmp_path, table(reviews(200)), algorithm={"name": "factorization-machines"})
    assert made.wire == Wires("recordio", "recordio") and made.encoder.is_sparse
    assert len(made.encoder.feature_names) > 1 << 15 and made.files["train"][0].suffix == ".pbr"
    assert made.files["train"][0].stat().st_size < 500 * made.counts["train"]


def test_a_request_has_text_as_a_string() -> None:
    schema = Schema(COLUMNS)
    assert parse_records(b'{"records": [{"n": 1, "t": " a b ", "u": null}]}', "", schema)[0]["t"] == " a b "
    with pytest.raises(InvalidRecords, match="expected a string, got the number 5"):
        parse_records(b'{"records": [{"n": 1, "t": 5, "u": null}]}', "", schema)
    assert parse_records(b"n,t,u\n1,a b,NA\n", "text/csv", schema) == [{"n": 1.0, "t": "a b", "u": None}]


def test_frames_are_parted_by_records() -> None:
    encoder = Encoder.fit(COLUMNS, text_buckets=16).sparse()
    rows = [encoder.encode_row({"n": float(index), "t": "a b c" * index}, "recordio") for index in range(20)]
    assert rows[0].startswith(MAGIC.to_bytes(4, "little"))
    body = b"".join(rows)
    pieces = parts(rows, 300)
    assert len(pieces) > 1 and b"".join(piece for piece, _ in pieces) == body
    assert sum(count for _, count in pieces) == 20 and all(len(piece) <= 300 for piece, _ in pieces)
    assert parts(rows, 10_000) == [(body, 20)]
    with pytest.raises(TooLarge):
        parts(rows, 50)


def test_the_row_form_needs_no_library() -> None:
    """It is on the prediction path's cold start, whose function has neither numpy nor DuckDB."""
    code = (
        "import sys; from sluicegate.domain.encoder import Encoder; from sluicegate.domain.schema import Column; "
        "Encoder.fit([Column('t', 'text')]).sparse().encode_row({'t': 'ä b'}, 'recordio'); "
        "sys.exit(bool({'numpy', 'duckdb', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
