"""The JSON Schema for editors is the one that the settings make now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from sluicegate.domain.algorithms import NAMES
from sluicegate.domain.settings import AlgorithmName, json_schema

FILE = Path(__file__).parents[3] / "schemas" / "model-settings.json"


def test_the_schema_file_is_current() -> None:
    """Renew it with: python -m sluicegate.domain.settings > schemas/model-settings.json"""
    assert json.loads(FILE.read_text()) == json_schema()


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"target", "problem", "features", "algorithm", "retrain"} <= set(schema["properties"])
    by_name = {
        part["if"]["properties"]["name"]["const"]: part["then"]["properties"]["hyperparameters"]["properties"]
        for part in schema["$defs"]["Algorithm"]["allOf"]
    }
    assert "eta" in by_name["xgboost"] and "k" in by_name["kmeans"] and "feature_dim" not in by_name["kmeans"]
    assert set(get_args(AlgorithmName)) == set(NAMES)
    assert set(by_name) == set(NAMES) - {"script", "image"}  # theirs are whatever the user likes
