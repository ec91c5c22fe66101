"""``domain.words`` as functions of DuckDB: the very same code runs for a row and for a table."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from sluicegate.domain.encoder import Encoder
from sluicegate.domain.encoder_sql import dense_words, sparse_words
from sluicegate.domain.words import entries, fields


def register(connection: duckdb.DuckDBPyConnection, encoder: Encoder) -> None:
    """The functions that the encoder's expressions call. What is known already stays."""
    rows = connection.execute("SELECT function_name FROM duckdb_functions() WHERE starts_with(function_name, 'words_')")
    known = {str(row[0]) for row in rows.fetchall()}
    for offset, block in zip(encoder.offsets, encoder.blocks, strict=True):
        if block.kind != "text":
            continue
        wanted = {
            sparse_words(offset, block.buckets): _sparse(offset, block.buckets),
            dense_words(block.buckets): _dense(block.buckets),
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
