"""What ``Encoder`` does with a row, as expressions of DuckDB for a table. Property tests hold the two equal."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate.domain.blocks import LARGEST, Block, Filling, unit_fields, zero_fields


def text_sql(text: str) -> str:
    """``text`` as a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def sparse_words(offset: int, buckets: int) -> str:
    """The name of the function (see ``data.words``) that gives a text's entries."""
    return f"words_{buckets}_from_{offset}"


def dense_words(buckets: int) -> str:
    """The name of the function that gives a text's fields."""
    return f"words_{buckets}"


def block_sql(block: Block, source: str | None) -> str:
    """The block's fields joined by commas; ``source`` is the column's expression, None when the data lack it."""
    if block.kind == "constant":
        return "'0'"
    if block.filling is not None:
        if source is None:
            return text_sql(block.filling.missing)
        joined = " || ',' || ".join(_scaled(block.filling, block, source))
        return f"CASE WHEN {_present(block, source)} THEN {joined} ELSE {text_sql(block.filling.missing)} END"
    if block.kind in ("number", "boolean", "date"):
        if source is None:
            return text_sql("," * (block.width - 1))
        if block.kind == "date":
            joined = " || ',' || ".join(f"({part})::VARCHAR" for part in date_parts_sql(source))
            return f"CASE WHEN {source} IS NULL THEN ',,,' ELSE {joined} END"
        return _plain(block, source)[0]
    if block.kind == "text":
        zeros = text_sql(zero_fields(block.width))
        return zeros if source is None else f"coalesce({dense_words(block.buckets)}({source}), {zeros})"
    width = block.width
    units = [unit_fields(position, width) for position in range(width)]
    return _picked(block, source, units, zero_fields(width))


def block_libsvm_sql(block: Block, offset: int, source: str | None) -> str:
    """The block's entries as text, each after a space; ``offset`` is the index of its first feature."""
    if block.kind == "constant":
        return text_sql(f" {offset}:0")
    if block.filling is not None:
        fields = enumerate(block.filling.missing.split(","), offset)
        missing = text_sql("".join(f" {place}:{field}" for place, field in fields))
        if source is None:
            return missing
        cells = enumerate(_scaled(block.filling, block, source), offset)
        joined = " || ".join(f"{text_sql(f' {place}:')} || {cell}" for place, cell in cells)
        return f"CASE WHEN {_present(block, source)} THEN {joined} ELSE {missing} END"
    if block.kind in ("number", "boolean", "date"):
        if source is None:
            return "''"
        entries = [
            f"coalesce({text_sql(f' {place}:')} || ({cell})::VARCHAR, '')"
            for place, cell in enumerate(_plain(block, source), offset)
        ]
        return " || ".join(entries)
    if block.kind == "text":
        return "''" if source is None else f"coalesce({sparse_words(offset, block.buckets)}({source}), '')"
    if block.kind == "hashed":
        if source is None:
            return "''"
        bucket = f"({offset} + md5_number_lower({source}) % {block.buckets})::VARCHAR"
        return f"CASE WHEN {source} IS NULL THEN '' ELSE ' ' || {bucket} || ':1' END"
    return _picked(block, source, [f" {place}:1" for place in range(offset, offset + block.width)], "")


def raw_sql(block: Block, source: str | None) -> str:
    """The column's value as raw rows have it, of a type that CSV and JSON write as such."""
    if source is None:
        return "NULL"
    if block.kind == "number":
        return _clamped(source)
    return f"strftime({source}, '%Y-%m-%dT%H:%M:%SZ')" if block.kind == "date" else source


def date_parts_sql(source: str) -> list[str]:
    """Whole-number expressions of a date's four parts."""
    days = f"({source})::DATE - DATE '1970-01-01'"
    return [days, f"month({source})", f"isodow({source}) - 1", f"hour({source})"]


def _held(source: str) -> str:
    return f"greatest(least({source}, {LARGEST}), -{LARGEST})"


def _clamped(source: str) -> str:
    return f"CASE WHEN isfinite({source}) THEN {_held(source)} END"


def _plain(block: Block, source: str) -> list[str]:
    """An expression for each field of a number, boolean or date, NULL where it is missing."""
    if block.kind == "number":
        return [_clamped(source)]
    if block.kind == "boolean":
        return [f"CASE WHEN {source} THEN '1' WHEN NOT {source} THEN '0' END"]
    return date_parts_sql(source)


def _present(block: Block, source: str) -> str:
    return f"isfinite({source})" if block.kind == "number" else f"{source} IS NOT NULL"


def _scaled(filling: Filling, block: Block, source: str) -> list[str]:
    """The fields of a value that is there, as text, with the indicator's."""
    if block.kind == "number":
        values = [_held(source)]
    elif block.kind == "boolean":
        values = [f"({source})::INTEGER::DOUBLE"]
    else:
        values = [f"({part})::DOUBLE" for part in date_parts_sql(source)]
    fields = []
    for value, (mean, deviation) in zip(values, filling.scale, strict=True):
        # a bare 0.1 would be a DECIMAL to DuckDB
        scaled = f"({value} - {text_sql(repr(mean))}::DOUBLE) / {text_sql(repr(deviation))}::DOUBLE"
        fields.append(f"({_held(scaled)})::VARCHAR")
    return [*fields, "'0'"] if filling.indicator else fields


def _picked(block: Block, source: str | None, choices: Sequence[str], absent: str) -> str:
    """One of the texts: by the category, or by the bucket of its hash."""
    if source is None:
        return text_sql(absent)
    if block.kind == "hashed":
        listed = ", ".join(map(text_sql, choices))
        picked = f"([{listed}])[(md5_number_lower({source}) % {block.buckets})::INTEGER + 1]"
    else:
        cases = " ".join(
            f"WHEN {text_sql(category)} THEN {text_sql(choice)}"
            for category, choice in zip(block.categories, choices, strict=False)
        )
        other = text_sql(choices[-1])
        picked = f"CASE {source} {cases} ELSE {other} END" if cases else other
    return f"CASE WHEN {source} IS NULL THEN {text_sql(absent)} ELSE {picked} END"
