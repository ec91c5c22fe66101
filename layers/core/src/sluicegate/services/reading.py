"""Whether two versions read alike: a request that was encoded for one is right for the other, and so is its answer."""

from __future__ import annotations

from typing import Any

from sluicegate.domain import algorithms
from sluicegate.domain.dataset import Wires
from sluicegate.domain.items import VersionItem
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import RegistryReader, Storage
from sluicegate.services import datasets


def reading(registry: RegistryReader, storage: Storage, version: VersionItem) -> dict[str, Any]:
    """All that decides what is sent to the version and how its answer is read; versions read alike when it is equal."""
    model = version["model"]
    document = datasets.of_version(storage, model, version["version"], version["dataset_version"])
    settings = parse_settings(registry.run(model, version["run"]).get("settings") or "")
    return {
        "encoder": document["encoder"],
        "problem": datasets.problem_of(document, version),
        "wire": Wires.from_json(document.get("wire")).infer,
        **algorithms.of(settings).lane(),
    }
