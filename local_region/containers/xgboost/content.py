"""Content types that the built-in names, and which of them are taken here."""

from __future__ import annotations

from typing import Literal

from local_region.containers.common.content import parse_header
from local_region.containers.common.errors import UserError

Kind = Literal["csv", "libsvm", "recordio"]
_KINDS: dict[str, Kind] = {
    "csv": "csv",
    "text/csv": "csv",
    "libsvm": "libsvm",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "recordio-protobuf": "recordio",
    "application/x-recordio-protobuf": "recordio",
}
REFUSED = frozenset({"parquet", "application/x-parquet"})


def kind_of(content_type: str | None) -> Kind:
    """CSV, recordio-protobuf or LIBSVM (the default, as in the built-in). ``UserError`` for anything else."""
    if not content_type:
        return "libsvm"
    name, parameters = parse_header(content_type)
    if name in REFUSED:
        raise UserError(
            f"Content type {name} is part of the built-in but isn't read here. "
            "Use text/csv, text/libsvm or application/x-recordio-protobuf."
        )
    kind = _KINDS.get(name)
    if kind is None:
        raise UserError(f"{content_type} is not an accepted ContentType: {', '.join(_KINDS)}.")
    if kind == "csv" and parameters.get("label_size", "1") != "1":
        raise UserError(f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be 1.")
    return kind
