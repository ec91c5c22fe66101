"""Content types with their parameters."""

from __future__ import annotations

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
RECORDIO = "application/x-recordio-protobuf"


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """``text/csv; label_size=1`` is ``("text/csv", {"label_size": "1"})``, in lower case."""
    first, *rest = value.lower().split(";")
    pairs = (part.partition("=") for part in rest)
    return first.strip(), {name.strip(): text.strip().strip('"') for name, equals, text in pairs if equals}
