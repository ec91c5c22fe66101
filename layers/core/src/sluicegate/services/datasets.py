"""``datasets/<model>/<version>/dataset.json``: what a data set says of itself. Where it is, the data set is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.domain.errors import NotFound, UnusableData
from sluicegate.domain.items import RunItem, VersionItem
from sluicegate.ports import RegistryReader, Storage

#: an encoder of many columns with many categories; more would not be read on the prediction path either
LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Champion:
    """The version that serves, and the data set whose encoder it speaks."""

    version: int
    dataset: str


def key(model: str, dataset: str) -> str:
    return f"datasets/{model}/{dataset}/dataset.json"


def rows_key(model: str, upload: str) -> str:
    """Where an upload's accepted rows are."""
    return f"uploads/{model}/{upload}/rows.parquet"


def champion_of(registry: RegistryReader, run: RunItem) -> Champion | None:
    """The version that served when ``run`` began."""
    version = run.get("champion")
    if version is None:
        return None
    return Champion(version, registry.version(run["model"], version)["dataset_version"])


def too_large() -> UnusableData:
    return UnusableData(
        "Too many columns",
        f"The description of the data set is larger than {LIMIT // 2**20} MB.",
        "Exclude columns with very many different values (features.exclude in model.yaml).",
    )


def read(storage: Storage, model: str, dataset: str) -> dict[str, Any] | None:
    """The document, or None when the data set is not there (yet)."""
    try:
        content = storage.read(key(model, dataset), LIMIT)
    except NotFound:
        return None
    if len(content) > LIMIT:
        raise too_large()
    document: dict[str, Any] = json.loads(content)
    return document


def of_version(storage: Storage, model: str, version: int, dataset: str) -> dict[str, Any]:
    """The document of the data set that ``version`` learned. ``NotFound`` names both."""
    document = read(storage, model, dataset)
    if document is None:
        raise NotFound(f"the data set {dataset} of version {version}")
    return document


def of_champion(storage: Storage, model: str, champion: Champion) -> dict[str, Any]:
    """The document by which the version that serves is compared. ``UnusableData`` when it is gone."""
    try:
        return of_version(storage, model, champion.version, champion.dataset)
    except NotFound as error:
        raise without_encoder(champion) from error


def without_encoder(champion: Champion) -> UnusableData:
    return UnusableData(
        "Version without its encoder",
        f"The data set {champion.dataset} of version {champion.version}, which serves, is gone; nothing else says how "
        "its rows are encoded, so no other version can be compared with it.",
        "Deploy another version first (put back what was deleted under datasets/, or reject this one).",
    )


def problem_of(document: Mapping[str, Any], version: VersionItem) -> dict[str, Any]:
    """The problem that ``version`` solves. Of anomaly detection judging it has fixed the threshold."""
    threshold = {"threshold": version["threshold"]} if "threshold" in version else {}
    return {**document["problem"], **threshold}


def write(
    storage: Storage, model: str, dataset: str, document: Mapping[str, Any], champion: Champion | None
) -> dict[str, Any]:
    """Also says for which champion ``champion-holdout/`` was written."""
    whole = {**document, "champion": champion.version if champion else None}
    content = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
    storage.write(key(model, dataset), content, "application/json")
    return whole


def asked_for(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's page says of the data set: what a record holds, and what is predicted."""
    problem, schema = document["problem"], document["schema"]
    return {
        "schema": schema,
        "problem": problem["kind"],
        "classes": problem.get("classes") or None,
        "target": schema.get("target"),
    }


def serves(document: Mapping[str, Any], champion: Champion | None) -> bool:
    """Whether the holdout is there in the champion's encoding. One that was trained on this very data set shares it."""
    if champion is None or champion.dataset == document["version"]:
        return True
    return document.get("champion") == champion.version


def holdout(document: Mapping[str, Any], champion: Champion) -> str:
    """The folder of the data set with the holdout as ``champion`` reads it."""
    return "holdout/" if champion.dataset == document["version"] else "champion-holdout/"
