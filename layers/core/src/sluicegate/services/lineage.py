"""From a version back to the uploads that it learned from, and from an upload forward to the versions."""

from __future__ import annotations

from typing import Any

from sluicegate.domain.items import RunItem, UploadItem
from sluicegate.ports import RegistryReader

Json = dict[str, Any]


def of_version(registry: RegistryReader, model: str, version: int) -> Json:
    """``{model, version, status, run, dataset_version, training_job, window, withdrawn, uploads}``; ``withdrawn``
    counts the uploads that have left the bucket since.

    ``uploads`` are ordered by key: what each is now, and how many rows it gave to the data set (before those without a
    target were dropped). Raises ``NotFound``.
    """
    item = registry.version(model, version)
    run = registry.run(model, item["run"])
    known = {upload["upload"]: upload for upload in registry.uploads(model)}
    uploads = [_given(known[name], run) for name in run.get("uploads", []) if name in known]
    return {
        "model": model,
        "version": item["version"],
        "status": item["status"],
        "run": item["run"],
        "dataset_version": item["dataset_version"],
        "training_job": run.get("training_job"),
        "window": run.get("window"),
        "withdrawn": sum(upload["status"] == "withdrawn" for upload in uploads),
        "uploads": sorted(uploads, key=lambda upload: (str(upload["key"]), str(upload["upload"]))),
    }


def _given(upload: UploadItem, run: RunItem) -> Json:
    skipped = (run.get("skipped") or {}).get(upload["upload"], 0)
    return {
        "upload": upload["upload"],
        "key": upload["key"],
        "status": upload["status"],
        "received_at": upload.get("received_at"),
        "rows": upload.get("accepted_rows", 0) - skipped,
    }


def of_upload(registry: RegistryReader, model: str, upload: str) -> list[Json]:
    """The runs that learned from ``upload``, newest first: ``{run, status, dataset_version, version, version_status}``;
    ``version`` is null where a run came to none (yet)."""
    versions = {item["run"]: item for item in registry.versions(model)}
    found = []
    for run in registry.runs(model):
        if upload not in run.get("uploads", []):
            continue
        version = versions.get(run["run"])
        found.append(
            {
                "run": run["run"],
                "status": run["status"],
                "dataset_version": run["dataset_version"],
                "version": version["version"] if version else None,
                "version_status": version["status"] if version else None,
            }
        )
    return found
