"""The JSON Schema for editors is the one that the settings make now."""

from __future__ import annotations

import json
from pathlib import Path

from sluicegate.domain.settings import json_schema

FILE = Path(__file__).parents[3] / "schemas" / "model-settings.json"


def test_the_schema_file_is_current() -> None:
    """Renew it with: python -m sluicegate.domain.settings > schemas/model-settings.json"""
    assert json.loads(FILE.read_text()) == json_schema()


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"target", "problem", "features", "algorithm", "retrain"} <= set(schema["properties"])
    assert "eta" in schema["$defs"]["Algorithm"]["properties"]["hyperparameters"]["properties"]
