"""Preparing text: 100,000 short reviews from CSV to LIBSVM files (``read_upload`` + ``build_dataset``), against
scikit-learn's ``HashingVectorizer`` + ``dump_svmlight_file`` on the same rows, each in its own process.

The goal is 30 s on two cores. Both hash words and pairs of words into 32,768 buckets.

    python benchmarks/text.py --rows 100000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY_LIMIT_MB = 400
GOAL_SECONDS = 30.0


def generate(path: Path, rows: int) -> None:
    """Reviews of 10 to 80 words from a vocabulary whose words are as unequal as those of a language (Zipf's law)."""
    chosen = random.Random(7)
    vocabulary = [f"{chosen.choice('bcdfgklmnprst')}{chosen.choice('aeiou')}{index:x}" for index in range(30_000)]
    cumulative = list(accumulate(1 / (place + 2) for place in range(len(vocabulary))))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["stars", "review", "liked"])
        for _ in range(rows):
            words = chosen.choices(vocabulary, cum_weights=cumulative, k=chosen.randint(10, 80))
            liked = chosen.random() < 0.5
            words.insert(chosen.randrange(len(words)), "wonderful" if liked else "awful")
            writer.writerow([chosen.randint(1, 5), " ".join(words).capitalize() + ".", "yes" if liked else "no"])


def ours(source: Path, workdir: Path) -> dict[str, object]:
    sys.path.insert(0, str(ROOT / "layers" / "core" / "src"))
    started = time.perf_counter()
    from sluicegate.data.build import build_dataset
    from sluicegate.data.ingest import read_upload
    from sluicegate.domain.settings import ModelSettings

    settings = ModelSettings()
    reading = read_upload(
        source,
        key="data/bench/rows.csv",
        settings=settings,
        known=None,
        workdir=workdir / "read",
        memory_limit_mb=MEMORY_LIMIT_MB,
    )
    build = build_dataset(
        [reading.parquet], settings=settings, champion=None, workdir=workdir / "build", memory_limit_mb=MEMORY_LIMIT_MB
    )
    seconds = time.perf_counter() - started
    review = build.schema.column("review")
    if review is None or review.type != "text":
        raise SystemExit("the reviews were not taken as text")
    return {"seconds": seconds, "rows": sum(build.counts.values()), "columns": len(build.encoder.feature_names)}


def scikit_learn(source: Path, workdir: Path) -> dict[str, object]:
    started = time.perf_counter()
    import numpy as np
    from sklearn.datasets import dump_svmlight_file
    from sklearn.feature_extraction.text import HashingVectorizer

    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = HashingVectorizer(n_features=1 << 15, ngram_range=(1, 2)).transform(row["review"] for row in rows)
    labels = np.array([row["liked"] == "yes" for row in rows], dtype=int)
    dump_svmlight_file(found, labels, str(workdir / "rows.libsvm"))
    return {"seconds": time.perf_counter() - started, "rows": len(rows), "columns": found.shape[1]}


def run(what: str, source: Path, folder: Path) -> dict[str, object]:
    """One side in a process of its own; peak memory is that process's resident set."""
    workdir = folder / what
    workdir.mkdir()
    process = subprocess.Popen(
        [sys.executable, __file__, "--one", what, "--source", str(source), "--workdir", str(workdir)]
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{what} ended with {process.returncode}")
    result: dict[str, object] = json.loads((workdir / "result.json").read_text())
    result["peak_mb"] = usage.ru_maxrss / 1024
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--one", choices=["ours", "sklearn"], help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workdir", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one = ours if args.one == "ours" else scikit_learn
        (args.workdir / "result.json").write_text(json.dumps(one(args.source, args.workdir)))
        return 0
    with tempfile.TemporaryDirectory(prefix="text-") as name:
        folder = Path(name)
        source = folder / "rows.csv"
        generate(source, args.rows)
        print(f"{args.rows:,} reviews, {source.stat().st_size / 1e6:.0f} MB of CSV")
        mine, theirs = run("ours", source, folder), run("sklearn", source, folder)
        for title, found in (("ours", mine), ("scikit-learn", theirs)):
            print(
                f"{title:14}{found['seconds']:7.2f} s   peak {found['peak_mb']:6.0f} MB   {found['columns']:,} columns"
            )
        ratio = float(str(mine["seconds"])) / float(str(theirs["seconds"]))
        print(f"ours takes {ratio:.2f} x as long (goal {GOAL_SECONDS:.0f} s for 100,000)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
