"""``lineage``: which files a version learned from, and which versions learned from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from sluice import output
from sluice.context import Context, pass_context
from sluice.errors import CliError


@click.command("lineage")
@click.argument("model")
@click.option("--version", type=click.IntRange(1), help="By default the one that serves, else the last.")
@click.option("--upload", metavar="KEY", help="What learned from this file: its S3 key, or the upload's id.")
@click.option("--json", "as_json", is_flag=True, help="The API's answer, for programs.")
@pass_context
def lineage_command(context: Context, model: str, version: int | None, upload: str | None, as_json: bool) -> None:
    """Show from which files a version of MODEL learned, or which versions learned from a file.

    \b
    Examples:
      sluice lineage churn
      sluice lineage churn --version 3
      sluice lineage churn --upload data/churn/may.csv
    """
    if version is not None and upload is not None:
        raise CliError("--version and --upload ask for two things.", "Give one of them.", exit_code=2)
    base = f"models/{quote(model, safe='')}"
    if upload is not None:
        answers = [context.api.get(f"{base}/uploads/{item}") for item in _uploads(context, model, upload)]
        lines = [line for answer in answers for line in upload_tree(answer)]
    else:
        number = version if version is not None else _serving(context, base, model)
        answers = [context.api.get(f"{base}/versions/{number}/lineage")]
        lines = version_tree(answers[0])
    if as_json:
        output.as_json(answers[0] if upload is None else {"uploads": answers})
        return
    for line in lines:
        output.plain(line)


def _serving(context: Context, base: str, model: str) -> int:
    live = context.api.get(base).get("live_version")
    if live is not None:
        return int(live)
    versions = context.api.get(f"{base}/versions?limit=1").get("versions") or []
    if not versions:
        raise CliError(f"{model} has no version yet.", f"`sluice runs {model}` shows what is going on.")
    return int(versions[0]["version"])


def _uploads(context: Context, model: str, wanted: str) -> list[str]:
    """The ids of the uploads with that key (one for each content that lay there) or that id, newest first."""
    base, found, following = f"models/{quote(model, safe='')}", [], ""
    while True:
        page = context.api.get(f"{base}/uploads?limit=200{following}")
        for item in page.get("uploads") or []:
            if wanted in (item["upload"], item["key"]):
                found.append(str(item["upload"]))
        if not page.get("next"):
            break
        following = f"&next={page['next']}"
    if not found:
        remedy = f"`sluice uploads {model}` lists them; a key begins with data/."
        raise CliError(f"There is no upload {wanted}.", remedy)
    return found


def version_tree(answer: Mapping[str, Any]) -> list[str]:
    """A version, its run and data set, and its uploads below."""
    uploads = answer["uploads"]
    lines = [
        f"{answer['model']} version {answer['version']} ({answer['status']})",
        f"└─ run {answer['run']}, training job {answer.get('training_job') or 'none'}",
        f"   └─ data set {answer['dataset_version']}: {len(uploads):,} upload{'s' if len(uploads) != 1 else ''}"
        + _windowed(answer.get("window")),
    ]
    for item in uploads:
        branch = "└─" if item is uploads[-1] else "├─"
        now = " – withdrawn since" if item["status"] == "withdrawn" else ""
        lines.append(f"      {branch} {item['key']} ({item['upload']}), {item['rows']:,} rows{now}")
    return lines


def _windowed(window: Mapping[str, Any] | None) -> str:
    if not window:
        return ""
    measure = f"{window['days']:,} days" if window.get("days") else f"{window['rows']:,} rows"
    if window.get("since"):
        return f" of the last {measure}, rows from {window['since'][:10]} on"
    return f" of the last {measure}, {window['rows_left_out']:,} rows left out"


def upload_tree(answer: Mapping[str, Any]) -> list[str]:
    """An upload, the data sets that have it, and the runs and versions made of them below."""
    gone = answer.get("withdrawn") or {}
    now = f"{answer['status']}, {gone['reason']} {gone['at']}" if gone else str(answer["status"])
    lines = [f"{answer['key']} ({answer['upload']}): {now}, {answer.get('accepted_rows') or 0:,} rows"]
    runs = answer["runs"]
    if not runs:
        return [*lines, "└─ no run has learned from it"]
    for run in runs:
        branch = "└─" if run is runs[-1] else "├─"
        version = run.get("version")
        made = f"version {version} ({run['version_status']})" if version else f"run is {run['status']}"
        lines.append(f"{branch} data set {run['dataset_version']} → run {run['run']} → {made}")
    return lines
