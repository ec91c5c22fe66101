"""Preparing data: ours (``read_upload`` + ``build_dataset``) against pandas + scikit-learn, each in its own process.

The task: a CSV with 20 columns (an id, nine numbers, nine categories of eleven values, a binary target; some values
missing) becomes label-first CSV parts for XGBoost with 117 encoded columns, split 70/15/15. Ours also checks every row,
keeps a typed copy, profiles the columns and writes the reject report.

    python benchmarks/prepare.py --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY_LIMIT_MB = 400
GOAL_RATIO, GOAL_MB = 10.0, 600


def generate(path: Path, rows: int) -> None:
    """The same file for the same number of rows."""
    import duckdb

    numbers = [f"round(((hash(i * 31 + {k}) % 2000000)::BIGINT - 1000000) / 997.0, 4) AS n{k}" for k in range(9)]
    categories = [
        f"CASE WHEN hash(i * 17 + {k}) % 50 = 0 THEN NULL ELSE 'value-' || chr(97 + (hash(i * 13 + {k}) % 11)::INT) END"
        f" AS c{k}"
        for k in range(9)
    ]
    target = "CASE WHEN hash(i * 7) % 10 < 3 THEN 'yes' ELSE 'no' END AS churned"
    select = ", ".join(["'customer-' || lpad(i::VARCHAR, 9, '0') AS customer_id", *numbers, *categories, target])
    duckdb.sql(f"COPY (SELECT {select} FROM range({rows}) t(i)) TO '{path}' (FORMAT csv, HEADER)")


def ours(source: Path, workdir: Path, with_id: bool) -> dict[str, object]:
    sys.path.insert(0, str(ROOT / "layers" / "core" / "src"))
    started = time.perf_counter()
    from sluicegate.data.build import build_dataset
    from sluicegate.data.ingest import read_upload
    from sluicegate.domain.settings import ModelSettings

    settings = ModelSettings(id_column="customer_id" if with_id else None)
    reading = read_upload(
        source,
        key="data/bench/rows.csv",
        settings=settings,
        known=None,
        workdir=workdir / "read",
        memory_limit_mb=MEMORY_LIMIT_MB,
    )
    read = time.perf_counter() - started
    build = build_dataset(
        [reading.parquet], settings=settings, champion=None, workdir=workdir / "build", memory_limit_mb=MEMORY_LIMIT_MB
    )
    total = time.perf_counter() - started
    return {
        "seconds": total,
        "read": read,
        "build": total - read,
        "columns": len(build.encoder.feature_names),
        "rows": sum(build.counts.values()),
    }


def pandas_and_sklearn(source: Path, workdir: Path, small_integers: bool) -> dict[str, object]:
    started = time.perf_counter()
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.read_csv(source)
    label = (frame.pop("churned") == "yes").astype(int)
    frame = frame.drop(columns="customer_id")
    categories = [name for name in frame.columns if name.startswith("c")]
    numbers = [name for name in frame.columns if name.startswith("n")]
    one_hot = OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, dtype=np.int8 if small_integers else np.float64
    )
    transformer = ColumnTransformer([("numbers", "passthrough", numbers), ("categories", one_hot, categories)])
    if small_integers:
        transformer.set_output(transform="pandas")
    encoded = transformer.fit_transform(frame)
    rest, holdout, rest_label, holdout_label = train_test_split(encoded, label, test_size=0.15, random_state=0)
    train, validation, train_label, validation_label = train_test_split(
        rest, rest_label, test_size=0.15 / 0.85, random_state=0
    )
    for name, features, labels in (
        ("train", train, train_label),
        ("validation", validation, validation_label),
        ("holdout", holdout, holdout_label),
    ):
        table = pd.DataFrame(features).reset_index(drop=True)
        if name == "holdout":
            pd.DataFrame(labels).to_csv(workdir / "labels.csv", header=False, index=False)
        else:
            table.insert(0, "label", np.asarray(labels))
        table.to_csv(workdir / f"{name}.csv", header=False, index=False)
    return {"seconds": time.perf_counter() - started, "columns": encoded.shape[1], "rows": len(frame)}


def run(what: str, source: Path, options: list[str]) -> dict[str, object]:
    """Runs one side in a process of its own; peak memory is that process's resident set."""
    workdir = Path(tempfile.mkdtemp(prefix=f"prepare-{what}-", dir=source.parent))
    output = workdir / "result.json"
    process = subprocess.Popen(
        [sys.executable, __file__, "--one", what, "--source", str(source), "--workdir", str(workdir), *options]
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{what} ended with {process.returncode}")
    result: dict[str, object] = json.loads(output.read_text())
    result["peak_mb"] = usage.ru_maxrss / 1024
    shutil.rmtree(workdir)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--small-integers", action="store_true", help="let scikit-learn one-hot to int8, as an expert would"
    )
    parser.add_argument("--no-id", action="store_true", help="split ours by the rows' content instead of the id")
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--one", choices=["ours", "pandas"], help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workdir", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one = ours if args.one == "ours" else pandas_and_sklearn
        flag = not args.no_id if args.one == "ours" else args.small_integers
        result = one(args.source, args.workdir, flag)
        (args.workdir / "result.json").write_text(json.dumps(result))
        return 0
    options = [flag for flag in ("--small-integers", "--no-id") if getattr(args, flag[2:].replace("-", "_"))]
    with tempfile.TemporaryDirectory(prefix="prepare-") as folder:
        source = Path(folder) / "rows.csv"
        generate(source, args.rows)
        print(f"{args.rows:,} rows x 20 columns, {source.stat().st_size / 1e6:.0f} MB of CSV")
        mine = run("ours", source, options)
        print(
            f"ours                   {mine['seconds']:7.2f} s   peak {mine['peak_mb']:6.0f} MB   "
            f"{mine['columns']} columns (reading {mine['read']:.2f} s, building {mine['build']:.2f} s)"
        )
        if args.ours_only:
            return 0
        theirs = run("pandas", source, options)
        print(
            f"pandas + scikit-learn  {theirs['seconds']:7.2f} s   peak {theirs['peak_mb']:6.0f} MB   "
            f"{theirs['columns']} columns"
        )
        ratio = float(str(theirs["seconds"])) / float(str(mine["seconds"]))
        print(
            f"ours is {ratio:.1f} x as fast (goal {GOAL_RATIO:.0f} x), "
            f"peak {mine['peak_mb']:.0f} MB (goal {GOAL_MB} MB)"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
