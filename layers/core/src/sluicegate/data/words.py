"""``domain.words`` as functions of DuckDB: the very same code runs for a row and for a table."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from sluicegate.domain.encoder import Encoder
from sluicegate.domain.encoder_sql import dense_words, sparse_words
from sluicegate.domain.words import entries, fields


def register(connection: duckdb.DuckDBPyConnection, encoder: Encoder) -> None:
    """The functions that the encoder's expressions call. What is known already stays."""
    texts = [
        (offset, block.buckets)
        for offset, block in zip(encoder.offsets, encoder.blocks, strict=True)
        if block.kind == "text"
    ]
    if not texts:
        return  # listing DuckDB's functions takes longer than many a table
    rows = connection.execute("SELECT function_name FROM duckdb_functions() WHERE starts_with(function_name, 'words_')")
    known = {str(row[0]) for row in rows.fetchall()}
    for offset, buckets in texts:
        wanted = {
            sparse_words(offset, buckets): _sparse(offset, buckets),
            dense_words(buckets): _dense(buckets),
        }
        for name, function in wanted.items():
            if name not in known:
                connection.create_function(name, function, ["VARCHAR"], "VARCHAR")
                known.add(name)


def _sparse(offset: int, buckets: int) -> Callable[[str], str]:
    def write(text: str) -> str:
        return "".join([f" {offset + bucket}:{value}" for bucket, value in entries(text, buckets)])

    return write


def _dense(buckets: int) -> Callable[[str], str]:
    def write(text: str) -> str:
        return fields(text, buckets)

    return write
