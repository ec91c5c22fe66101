"""Content types that the built-in names, and which of them are taken here."""

from __future__ import annotations

from typing import Literal

from local_region.containers.xgboost.errors import UserError

Kind = Literal["csv", "libsvm"]
_KINDS: dict[str, Kind] = {
    "csv": "csv",
    "text/csv": "csv",
    "libsvm": "libsvm",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
}
REFUSED = frozenset({
    "parquet", "application/x-parquet", "recordio-protobuf", "application/x-recordio-protobuf",
})  # fmt: skip


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """``text/csv; label_size=1`` is ``("text/csv", {"label_size": "1"})``, in lower case."""
    first, *rest = value.lower().split(";")
    pairs = (part.partition("=") for part in rest)
    return first.strip(), {name.strip(): text.strip().strip('"') for name, equals, text in pairs if equals}


def kind_of(content_type: str | None) -> Kind:
    """CSV or LIBSVM (the default, as in the built-in). ``UserError`` for anything else."""
    if not content_type:
        return "libsvm"
    name, parameters = parse_header(content_type)
    if name in REFUSED:
        raise UserError(
            f"Content type {name} is part of the built-in but isn't read here. Use text/csv or text/libsvm."
        )
    kind = _KINDS.get(name)
    if kind is None:
        raise UserError(f"{content_type} is not an accepted ContentType: {', '.join(_KINDS)}.")
    if kind == "csv" and parameters.get("label_size", "1") != "1":
        raise UserError(f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be 1.")
    return kind
