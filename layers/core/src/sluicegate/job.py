"""What the processing job runs: a data set from files to files, by the code that the functions run.

The paths are given as arguments (``services.processing`` says which), so that a process can do it anywhere. What the
data's owner can mend is written as the outcome; anything else ends the job as failed, its last words in ``--message``,
which SageMaker shows as the job's ExitMessage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sluicegate.domain.errors import OutOfRoom, UserError
from sluicegate.services.prepare import Order, prepare, read_order

#: of the machine's memory for DuckDB; the rest is Python's, and the system's
_SHARE_OF_MEMORY = 0.7
#: of a last message, which SageMaker cuts to a kilobyte
_LONGEST_MESSAGE = 1000


class Incomplete(Exception):
    """What SageMaker brought is not what was ordered."""


def main(argv: Sequence[str]) -> int:
    given = _arguments(argv)
    try:
        outcome = _outcome(given)
        given.outcome.parent.mkdir(parents=True, exist_ok=True)
        given.outcome.write_text(json.dumps(outcome, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    except Exception as error:
        given.message.parent.mkdir(parents=True, exist_ok=True)
        given.message.write_text(f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE], encoding="utf-8")
        raise
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prepare", description=__doc__)
    for name in ("--order", "--rows", "--data-set", "--outcome", "--work", "--message"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--champion", type=Path)
    return parser.parse_args(argv)


def _outcome(given: argparse.Namespace) -> dict[str, Any]:
    order = read_order(given.order.read_text(encoding="utf-8"))
    rows = _rows(order, given.rows)
    champion = json.loads(given.champion.read_text(encoding="utf-8")) if given.champion else None
    memory = _memory_limit_mb()
    told = f"{len(rows):,} uploads, {order.size:,} bytes of accepted rows, {memory:,} MB for DuckDB"
    print(f"preparing {order.dataset}: {told}", flush=True)
    try:
        prepared = prepare(order, rows, champion, given.work / "dataset", memory)
    except OutOfRoom as error:
        return {"error": {**error.to_json(), "remedy": _LARGER}}
    except UserError as error:
        print(f"refused: {error}", file=sys.stderr, flush=True)
        return {"error": error.to_json()}
    for part, files in prepared.files.items():
        folder = given.data_set / part
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.move(file, folder / file.name)
    print(f"prepared: {prepared.document['counts']}", flush=True)
    return {"document": prepared.document}


_LARGER = "Set training.preparation_instance in model.yaml to one with more memory, or send smaller files."


def _rows(order: Order, folder: Path) -> dict[str, Path]:
    """Each upload's file. ``Incomplete`` names the first that is missing or has another size.

    Whether a manifest's files lie under their paths in the manifest or under their whole keys is not documented
    (https://github.com/aws/sagemaker-python-sdk/issues/723 has them under the keys): either will do.
    """
    brought = {path.parent.name: path for path in folder.rglob("rows.parquet")}
    for upload, wanted in order.sizes.items():
        if upload not in brought:
            raise Incomplete(f"{upload}/rows.parquet is not there")
        size = brought[upload].stat().st_size
        if size != wanted:
            raise Incomplete(f"{upload}/rows.parquet has {size:,} bytes instead of {wanted:,}")
    return {upload: brought[upload] for upload in order.sizes}


def _memory_limit_mb() -> int:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(128, int(whole * _SHARE_OF_MEMORY) >> 20)
