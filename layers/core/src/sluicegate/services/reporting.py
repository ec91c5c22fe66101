"""A run's report: ``evaluations/<model>/<run>/report.json`` with the numbers, ``report.html`` for people.

Both are made from what was measured, and writing them again writes the same.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.domain.items import RunItem, UploadItem, stamp
from sluicegate.domain.settings import ModelSettings
from sluicegate.ports import RegistryReader, Storage
from sluicegate.report.page import render

log = logging.getLogger(__name__)

Json = dict[str, Any]

#: what one page can show; the rest is counted
MOST_COLUMNS = 300
MOST_UPLOADS = 200
_MOST_REJECTED = 20
_LONGEST_NAME = 200


def key(model: str, run: str, name: str = "report.json") -> str:
    return f"evaluations/{model}/{run}/{name}"


def write(storage: Storage, report: Mapping[str, Any]) -> None:
    """Both files of ``report``. What is no finite number is null: JSON knows no other."""
    clean: Json = _finite(report)
    model, run = clean["model"], clean["run"]
    content = json.dumps(clean, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    storage.write(key(model, run), content, "application/json")
    storage.write(key(model, run, "report.html"), render(clean).encode(), "text/html; charset=utf-8")


def describe(
    registry: RegistryReader, run: RunItem, document: Mapping[str, Any], settings: ModelSettings, now: datetime
) -> Json:
    """What the report says beside the predictions: data, columns, lineage, cost, settings."""
    model = run["model"]
    uploads = registry.uploads(model)
    used = set(document.get("uploads") or ())
    of_data = [upload for upload in uploads if upload["upload"] in used]
    begun = run.get("created_at") or ""
    refused = [found for found in uploads if found["status"] == "rejected" and found.get("received_at", "") <= begun]
    return {
        "format": 1,
        "model": model,
        "run": run["run"],
        "created_at": stamp(now),
        "dataset_version": run["dataset_version"],
        "training_job": run.get("training_job"),
        "algorithm": f"{settings.algorithm.name} {settings.algorithm.version or ''}".strip(),
        "settings": run.get("settings") or None,
        "data": _data(document, of_data),
        "uploads": [_upload(found) for found in of_data[:MOST_UPLOADS]],
        "more_uploads": max(0, len(used) - MOST_UPLOADS),
        "rejected_uploads": [_refused(found) for found in refused[:_MOST_REJECTED]],
        "cost": run.get("cost"),
        "tuning": run.get("tuning"),
    }


def _data(document: Mapping[str, Any], uploads: list[UploadItem]) -> Json:
    schema, profile = document["schema"], document.get("profile") or {}
    features = {column["name"]: column["type"] for column in schema["columns"]}
    special = {schema.get("target"): "target", schema.get("id_column"): "id"}
    columns = [
        {
            "name": str(column["name"])[:_LONGEST_NAME],
            # model.yaml may know better than the file what a column is
            "type": features.get(column["name"], column["type"]),
            "role": special.get(column["name"]) or ("used" if column["name"] in features else "not used"),
            **{name: column.get(name) for name in ("missing", "distinct", "min", "max")},
        }
        for column in profile.get("columns") or ()
    ]
    columns.sort(key=lambda column: ("target", "id", "used", "not used").index(column["role"]))
    findings = list(profile.get("findings") or ())
    told = {found["text"] for found in findings}
    classes = sorted((profile.get("classes") or {}).items(), key=lambda pair: -sum(pair[1].values()))
    return {
        "target": schema.get("target"),
        "rows": profile.get("rows"),
        "unlabelled": profile.get("unlabelled"),
        "counts": document.get("counts") or {},
        "rejected": sum(int(upload.get("rejected_rows") or 0) for upload in uploads),
        "classes": dict(classes[:100]),
        "columns": columns[:MOST_COLUMNS],
        "more_columns": max(0, len(columns) - MOST_COLUMNS),
        "findings": findings,
        "notes": [note for note in document.get("notes") or () if note not in told][:100],
    }


def _upload(found: UploadItem) -> Json:
    names = ("upload", "key", "received_at", "accepted_rows", "rejected_rows", "report")
    return {name: found.get(name) for name in names}


def _refused(found: UploadItem) -> Json:
    error: Mapping[str, Any] = found.get("error") or {}
    return {
        **{name: found.get(name) for name in ("upload", "key", "received_at", "report")},
        "title": error.get("title"),
        "detail": error.get("detail"),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value
