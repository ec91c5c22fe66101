"""What a local training job costs over calling the library directly.

    python benchmarks/training.py [--json]

20,000 rows × 20 columns of CSV in the region's S3. A job is timed from the call of CreateTrainingJob until
DescribeTrainingJob says Completed, asked every 30 ms: download, process, fit, upload, events. Beside it, in turns and
in this process with everything imported: numpy reads the same file and the library fits the same settings. ``first`` is
the first job of an algorithm in a region, when the process that scikit-learn's jobs are forked from may still be
loading. ``two`` is the XGBoost job on two instances, a file each. Memory: of the region's process and all below it
(PSS), before and after the process that has scikit-learn loaded has come up.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "layers/core/src")]
# As for the region's own processes: threads that spin while they wait fight over the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # noqa: E402
import xgboost as xgb  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from sluice import regions  # noqa: E402
from tests.support.region import RunningRegion, running_region  # noqa: E402
from tests.support.sagemaker import IMAGE, Work, csv  # noqa: E402

GOAL_S = 1.2
ROWS, COLUMNS, ROUNDS = 20_000, 20, 5
REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, COLUMNS)).astype("f4")
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + random.normal(size=ROWS) > 0).astype(int)


def read(body: bytes) -> tuple[Any, Any]:
    table = np.loadtxt(io.BytesIO(body), delimiter=",", dtype=np.float32)
    return table[:, 1:], table[:, 0]


def by_xgboost(body: bytes) -> None:
    x, y = read(body)
    rows = xgb.QuantileDMatrix(x, label=y)
    # as the container: the metric of the train channel after every round
    xgb.train({"objective": "binary:logistic"}, rows, 50, evals=[(rows, "train")], verbose_eval=False)


def by_logistic_regression(body: bytes) -> None:
    x, y = read(body)
    LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(x), y)


def by_kmeans(body: bytes) -> None:
    KMeans(8, n_init=1, random_state=0).fit(read(body)[0])


#: name → (image, hyperparameters, the same by the library)
CASES: dict[str, tuple[str, dict[str, str], Callable[[bytes], None]]] = {
    "xgboost": (IMAGE, {"num_round": "50", "objective": "binary:logistic"}, by_xgboost),
    "linear-learner": (
        f"{REGISTRY}/linear-learner:1",
        {"predictor_type": "binary_classifier"},
        by_logistic_regression,
    ),
    "kmeans": (
        f"{REGISTRY}/kmeans:1",
        {"k": "8", "feature_dim": str(COLUMNS), "local_lloyd_num_trials": "1"},
        by_kmeans,
    ),
}


class Bench:
    def __init__(self, region: RunningRegion) -> None:
        self.work = Work(region)
        x, y = data()
        self.body = csv(y, x)
        self.work.put("one/part-0.csv", self.body)
        lines = self.body.splitlines(keepends=True)
        for number in range(2):
            self.work.put(f"two/part-{number}.csv", b"".join(lines[number::2]))

    def job(self, image: str, hyperparameters: dict[str, str], hosts: int = 1) -> float:
        """Seconds from the request to Completed."""
        channel = self.work.channel("train", f"s3://{self.work.bucket}/{'two' if hosts > 1 else 'one'}/")
        if hosts > 1:
            channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
        began = time.perf_counter()
        name = self.work.start_training(
            [channel],
            hyperparameters,
            AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 10},
        )
        while (job := self.work.sm.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
            time.sleep(0.03)  # asking more often would take the cores from the job
        if job["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"{name}: {job.get('FailureReason')}")
        return time.perf_counter() - began

    def direct(self, fit: Callable[[bytes], None]) -> float:
        began = time.perf_counter()
        fit(self.body)
        return time.perf_counter() - began


def measure(rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, running_region(Path(folder)) as region:
        return measured(region, rounds)


def measured(region: RunningRegion, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bench = Bench(region)
    for name, (image, hyperparameters, fit) in CASES.items():
        if name == "linear-learner":
            found["mb_before"] = memory(region)
        first = bench.job(image, hyperparameters)
        bench.direct(fit)
        jobs, direct = [], []
        for _ in range(rounds):
            jobs.append(bench.job(image, hyperparameters))
            direct.append(bench.direct(fit))
        job, library = statistics.median(jobs), statistics.median(direct)
        found[name] = {"first": first, "job": job, "direct": library, "over": job - library}
    image, hyperparameters, _ = CASES["xgboost"]
    found["two"] = statistics.median(bench.job(image, hyperparameters, 2) for _ in range(rounds))
    found["mb_after"] = memory(region)
    return found


def memory(region: RunningRegion) -> float:
    return sum(mb for _, _, mb in regions.memory(region.process.pid))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
        return 0
    for name in CASES:
        each = found[name]
        print(
            f"{name}, {ROWS:,} × {COLUMNS}: job {each['job']:.2f} s, library directly {each['direct']:.2f} s, over it "
            f"{each['over']:.2f} s (goal {GOAL_S} s); the first job {each['first']:.2f} s"
        )
    print(f"xgboost on two instances: {found['two']:.2f} s")
    print(f"memory of the region: {found['mb_before']:.0f} MB, with scikit-learn loaded {found['mb_after']:.0f} MB")
    return 0 if all(found[name]["over"] <= GOAL_S for name in CASES) else 1


if __name__ == "__main__":
    sys.exit(main())
