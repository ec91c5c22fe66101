"""What a prediction by the function itself costs, against the container's own work for the same record.

Run: ``python benchmarks/local_models.py [--json]``. A model of 100 trees of depth 6 over 30 columns answers one record:

* as ``predict`` does while the endpoint sleeps: the encoded record read, the trees walked in Python;
* as the region's container does: the request read, XGBoost asked, the answer written; without socket and network, which
  an invocation needs besides.

They take turns, so that a noisy moment hits both. Goal: at most 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "layers/core/src")]

TREES, DEPTH, COLUMNS, ROUNDS = 100, 6, 30, 2000
GOAL = 1.0


def measure() -> dict[str, Any]:
    import numpy as np
    import xgboost

    from local_region.containers.xgboost.model import load
    from local_region.containers.xgboost.serve import Scoring
    from sluicegate.domain.local_models import compiled, xgboost_files

    random = np.random.default_rng(0)
    data = random.normal(size=(2000, COLUMNS))
    labels = data[:, 0] + data[:, 1] * data[:, 2] > 0
    parameters = {"objective": "binary:logistic", "max_depth": DEPTH, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(data, labels, nthread=1), TREES)
    raw = bytes(booster.save_raw("ubj"))
    document = json.dumps(xgboost_files.document([raw]))
    start = time.perf_counter()
    local = compiled(json.loads(document))
    read = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "xgboost-model").write_bytes(raw)
        container = Scoring(load(Path(folder)), {})
    records = [",".join(map(repr, row)).encode() + b"\n" for row in data[:ROUNDS].tolist()]
    ours, theirs = [], []
    worst = 0.0
    for record in records:
        start = time.perf_counter()
        ((score,),) = local.scores([record], "csv")
        between = time.perf_counter()
        answer = container.invoke(record, "text/csv", "text/csv")
        theirs.append(time.perf_counter() - between)
        ours.append(between - start)
        worst = max(worst, abs(float(answer.body) - score))
    function, invocation = statistics.median(ours) * 1000, statistics.median(theirs) * 1000
    return {
        "function_p50_ms": round(function, 4),
        "container_p50_ms": round(invocation, 4),
        "ratio": round(function / invocation, 3),
        "goal": GOAL,
        "largest_difference": worst,
        "document_kb": round(len(document) / 1024),
        "read_ms": round(read * 1000, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    found = measure()
    if parser.parse_args().json:
        print(json.dumps(found))
    else:
        print(
            f"one record, {TREES} trees: {found['function_p50_ms']:.3f} ms by the function, "
            f"{found['container_p50_ms']:.3f} ms in the container: {found['ratio']:.2f} x (goal <= {GOAL:g}); "
            f"answers differ by {found['largest_difference']:.1e} at most; read once in {found['read_ms']} ms "
            f"({found['document_kb']} KB)"
        )
    return 0 if found["ratio"] <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
