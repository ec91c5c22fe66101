"""A file of a million rows dropped under batch/, against the library predicting the same file directly.

    python benchmarks/batch.py [--rows 1000000]

A region is started and the application deployed to it with the least memory that the template takes for functions that
read files (``DataMemoryMb=1024``). A model is trained on 20,000 rows of 20 columns (117 encoded). Then
- ``batch``: from the event of the file to its result in S3 (both by the item's own times), which has read, checked and
  encoded every row, predicted it behind HTTP and joined it with its columns again;
- ``direct``: a process of its own reads the same file with pandas, encodes it as the version does, loads the same model
  file, predicts and writes the columns with the prediction;
and the most memory that the functions' processes, the transform job's server and the region itself had (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "layers/core/src")]

from benchmarks.prepare import generate  # noqa: E402
from sluice import regions  # noqa: E402
from tests.support.application import Application, eventually, running_application  # noqa: E402

GOAL_RATIO, FUNCTION_MB, TRAINED_ON = 0.5, 1024, 20_000
SETTINGS = "target: churned\nid_column: customer_id\nproblem: binary\nalgorithm: {hyperparameters: {num_round: 100}}\n"


class Peaks(threading.Thread):
    """The most resident memory of each process of the region, as long as it lived, in MB."""

    def __init__(self, region: int) -> None:
        super().__init__(daemon=True)
        self._region, self._ended = region, threading.Event()
        self.peaks: dict[int, float] = {}
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.2):
            for pid, _, _ in regions.memory(self._region):
                try:
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                except OSError:
                    continue  # it has ended meanwhile
                peak = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
                self.peaks[pid] = max(peak, self.peaks.get(pid, 0.0))

    def end(self) -> tuple[float, float]:
        """Of the region's own process, and the largest of all others."""
        self._ended.set()
        self.join()
        return self.peaks.pop(self._region, 0.0), max(self.peaks.values(), default=0.0)


def batch(app: Application, source: Path) -> dict[str, Any]:
    key = f"batch/bench/{source.name}"
    app.client("s3").upload_file(str(source), app.target.bucket, key)

    def over() -> dict[str, Any] | None:
        found = (app.api.find("models/bench/batches") or {}).get("batches") or []
        return next((item for item in found if item["key"] == key and item["status"] in ("done", "failed")), None)

    item = eventually(over, 900, "the file is predicted", every=0.5)
    if item["status"] != "done":
        raise SystemExit(f"the batch failed: {item['error']}")
    return item


def seconds(app: Application, item: dict[str, Any]) -> dict[str, float]:
    """In all, and of it the transform job. The item's times are those of the events that woke the functions, so that
    the end is the result's own: when S3 had it."""
    began = datetime.fromisoformat(item["received_at"].replace("Z", "+00:00"))
    result = app.client("s3").head_object(Bucket=app.target.bucket, Key=item["result"])
    job = app.client("sagemaker").describe_transform_job(TransformJobName=item["transform_job"])
    return {
        "all": (result["LastModified"] - began).total_seconds(),
        "before": (job["CreationTime"] - began).total_seconds(),
        "transform": (job["TransformEndTime"] - job["CreationTime"]).total_seconds(),
        "after": (result["LastModified"] - job["TransformEndTime"]).total_seconds(),
    }


def direct(source: Path, document: Path, model: Path, target: Path) -> None:
    """What somebody writes who has the model file and the library: pandas in, pandas out."""
    import numpy as np
    import pandas as pd
    import xgboost

    frame = pd.read_csv(source)
    pieces, blocks = [], json.loads(document.read_text())["encoder"]["blocks"]
    for block in blocks:
        column = frame[block["column"]]
        if block["kind"] == "number":
            pieces.append(column.to_numpy(dtype=np.float32)[:, None])
            continue
        known = {name: place for place, name in enumerate(block["categories"])}
        places = column.map(known).fillna(len(known)).to_numpy(dtype=np.int64)
        one_hot = np.zeros((len(frame), len(known) + 1), dtype=np.float32)
        present = column.notna().to_numpy()
        one_hot[np.flatnonzero(present), places[present]] = 1
        pieces.append(one_hot)
    booster = xgboost.Booster(model_file=model)
    frame["prediction"] = booster.predict(xgboost.DMatrix(np.concatenate(pieces, axis=1)))
    frame.to_csv(target, index=False)


def directly(source: Path, document: Path, model: Path, target: Path) -> tuple[float, float]:
    """Seconds and peak megabytes."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--direct", *(str(path) for path in (source, document, model, target))]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("predicting directly failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def same(result: Path, other: Path) -> int:
    """How many rows there are; ends the measurement if the two don't say the same of each, in the same order."""
    import pandas as pd

    ours = pd.read_csv(result, usecols=["customer_id", "probability_yes"])
    theirs = pd.read_csv(other, usecols=["customer_id", "prediction"])
    if list(ours["customer_id"]) != list(theirs["customer_id"]):
        raise SystemExit("the rows came back in another order")
    apart = float((ours["probability_yes"] - theirs["prediction"]).abs().max())
    if apart > 1e-5:
        raise SystemExit(f"the predictions differ by {apart}")
    return len(ours)


def measure(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        folder = Path(name)
        generate(folder / "train.csv", TRAINED_ON)
        generate(folder / "rows.csv", rows)
        with running_application(folder / "region", deploy=False) as app:
            app.sluice("deploy", "-p", f"DataMemoryMb={FUNCTION_MB}", "-p", "ApiRatePerSecond=5000", timeout=180)
            app.settings("bench", SETTINGS)
            app.put("data/bench/train.csv", (folder / "train.csv").read_bytes())
            watched = app.watch("bench")
            if watched.returncode != 0:
                raise SystemExit(watched.stdout + watched.stderr)
            run = app.runs("bench")[0]
            (folder / "dataset.json").write_bytes(app.read(f"datasets/bench/{run['dataset_version']}/dataset.json"))
            artifact = f"artifacts/bench/{run['training_job']}/output/model.tar.gz"
            (folder / "model.tar.gz").write_bytes(app.read(artifact))
            with tarfile.open(folder / "model.tar.gz") as archive:
                archive.extract("xgboost-model", folder, filter="data")
            peaks = Peaks(app.info.pid)
            item = batch(app, folder / "rows.csv")
            own, others = peaks.end()
            took = seconds(app, item)
            app.client("s3").download_file(app.target.bucket, item["result"], str(folder / "result.csv"))
        alone, alone_mb = directly(
            folder / "rows.csv", folder / "dataset.json", folder / "xgboost-model", folder / "direct.csv"
        )
        found = same(folder / "result.csv", folder / "direct.csv")
        print(
            f"{found:,} rows predicted in {took['all']:.1f} s (read and encoded {took['before']:.1f}, transform "
            f"{took['transform']:.1f}, joined {took['after']:.1f}); directly {alone:.1f} s"
        )
        print(f"the file's speed x the library's: {alone / took['all']:.2f} x (goal {GOAL_RATIO} x)")
        print(
            f"most memory of a function or server {others:.0f} MB (functions have {FUNCTION_MB} MB), of the region "
            f"{own:.0f} MB; directly {alone_mb:.0f} MB"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--direct", nargs=4, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.direct:
        direct(*args.direct)
    else:
        measure(args.rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
