"""``batch`` and ``batches``: files that are predicted as a whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from sluice import output, story
from sluice.api import Api
from sluice.context import Context, pass_context
from sluice.errors import CliError
from sluice.predicting import OVER
from sluice.target import Target
from sluice.watching import batches

#: as the application reads it (``sluicegate.domain.batch``); the command needs no package of the application's
_ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")


@click.command("batch")
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--version", type=click.IntRange(1, 999_999), help="Predict with this version, not with the live one.")
@click.option("--wait/--no-wait", default=None, help="Wait for the result. [default: with -o]")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Download the result to this file; implies --wait.")
@click.option("--timeout", type=click.FloatRange(0), default=3600.0, show_default=True, help="Seconds to wait.")
@pass_context
def batch_command(
    context: Context,
    model: str,
    file: Path,
    version: int | None,
    wait: bool | None,
    out: Path | None,
    timeout: float,
) -> None:
    """Let MODEL predict all rows of FILE (.csv, .csv.gz, .jsonl, .jsonl.gz or .parquet).

    The result has the file's columns and format; rows that can't be read are listed beside it. With -o it is
    downloaded, with its list of rejected rows (if there are any) as OUT.rejects.csv. The exit status is 1 when it
    failed.

    \b
    Examples:
      sluice batch churn june.csv -o june-predicted.csv
      sluice batch churn june.parquet --version 3 --wait
    """
    if not file.is_file():
        raise CliError(f"There is no file {file}.", "Give a file of rows to predict.", exit_code=2)
    if not file.name.lower().endswith(_ENDINGS):
        raise CliError(f"{file.name} is not read.", f"Names end in {', '.join(_ENDINGS)}.", exit_code=2)
    if out is not None and not (out.absolute().parent.is_dir() and not out.is_dir()):
        raise CliError(f"{out} can't be written.", "Name a file in a folder that there is.", exit_code=2)
    target, api = context.target, context.api
    # a model that there isn't is told before the file is uploaded for nobody
    known = {item["batch"] for item in api.get(f"models/{quote(model, safe='')}/batches")["batches"]}
    folder = f"batch/{model}/" + (f"version={version}/" if version is not None else "")
    key = f"{folder}{file.name}"
    with output.working(f"uploading {file.name}"):
        target.client("s3").upload_file(str(file), target.bucket, key)
    output.mark("done", f"{file.name} is at s3://{target.bucket}/{key}")
    if not (wait or (wait is None and out is not None)):
        output.plain(f"  `sluice batches {model}` says what becomes of it.")
        return
    item = _follow(target, api, model, key, known, timeout)
    if item["status"] == "failed":
        error = item.get("error") or {}
        output.plain(f"  {story.remedy_of(error)}")
        if item.get("rejects") and out is not None:
            _download(target, item["rejects"], out.with_name(out.name + ".rejects.csv"))
        sys.exit(1)
    if out is not None:
        _download(target, item["result"], out)
        if item.get("rejects"):
            _download(target, item["rejects"], out.with_name(out.name + ".rejects.csv"))


def _follow(target: Target, api: Api, model: str, key: str, known: set[str], timeout: float) -> dict[str, Any]:
    """The batch of the file just uploaded, once it is over; its history is told line by line."""
    deadline = time.monotonic() + timeout
    told = 0
    with output.working(f"waiting for {key}") as say:
        while True:
            item = next((b for b in batches(api, model) if b["key"] == key and b["batch"] not in known), None)
            history = (item or {}).get("history") or []
            for line in history[told:]:
                if line["message"]:
                    output.mark("bad" if line["status"] == "failed" else "done", line["message"])
            told = len(history)
            if item is not None and item["status"] in OVER:
                return item
            if item is None:
                _refuse_unplaced(api, key)
            if time.monotonic() >= deadline:
                raise CliError(
                    f"{key} is not predicted after {timeout:.0f} s.",
                    f"`sluice batches {model}` says how far it is; `sluice logs` what the functions say.",
                )
            say(_doing(target, item))
            time.sleep(0.2 if target.is_local else 5.0)


def _refuse_unplaced(api: Api, key: str) -> None:
    for upload in api.get("models").get("unplaced") or []:
        if upload.get("key") == key:
            error = upload.get("error") or {}
            raise CliError(story.sentence_of(error), story.remedy_of(error))


def _doing(target: Target, item: Mapping[str, Any] | None) -> str:
    """What goes on, with the share of parts that are predicted: the transform job writes an object for each."""
    if item is None:
        return "waiting for the file to be noticed"
    parts = item.get("parts") or 0
    if item["status"] != "predicting" or parts < 2:
        return str(item["status"])
    model = str(item["key"]).split("/")[1]
    prefix = f"batches/{model}/{item['batch']}/output/"
    found = target.client("s3").list_objects_v2(Bucket=target.bucket, Prefix=prefix).get("KeyCount", 0)
    return f"predicting: {min(found, parts)} of {parts} parts"


def _download(target: Target, key: str, path: Path) -> None:
    target.client("s3").download_file(target.bucket, key, str(path))
    output.mark("done", f"{key} is in {path}")


@click.command("batches")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="The API's answer, for programs.")
@pass_context
def batches_command(context: Context, model: str, as_json: bool) -> None:
    """List the files that MODEL was asked to predict as a whole, and what became of them, newest first."""
    answer = context.api.get(f"models/{quote(model, safe='')}/batches")
    if as_json:
        output.as_json(answer)
        return
    rows = [
        (
            item["batch"],
            item.get("key"),
            item.get("status"),
            item.get("version"),
            item.get("rows"),
            item.get("rejected_rows"),
            item.get("received_at"),
            story.sentence_of(item.get("error")) or item.get("result") or "",
        )
        for item in answer.get("batches") or []
    ]
    output.table(
        ("batch", "key", "status", "version", "rows", "rejected", "received", "result or why"),
        rows,
        f"{model} has no batches yet. Drop a file: sluice batch {model} FILE",
    )
