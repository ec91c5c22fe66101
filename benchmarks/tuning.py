"""A tuning job of the region, 12 training jobs, 2 at a time, against the bare fits.

    python benchmarks/tuning.py [--rounds 150] [--json]

A region is started on a free port. The tuning job's time (its creation to its end) is compared with half of what
XGBoost takes for the same 12 fits called directly, one after the other in one process: same rows, same hyperparameters,
one thread each. So the figure holds all that the region adds: processes, data from S3, reading them, logs, artifacts,
the search. With more rounds the fits are longer and what is added weighs less: tell the rounds beside the figure.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "layers/core/src")]

from tests.support.region import RunningRegion, running_region, wait_for  # noqa: E402

GOAL = 1.3
JOBS, PARALLEL = 12, 2
ROWS, WIDTH, ROUNDS = 120_000, 40, 150
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
STATIC = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "nthread": "1",
    "seed": "0",
}
RANGES = {
    "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.02", "MaxValue": "0.3"}],
    "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "4", "MaxValue": "7"}],
}


def data() -> dict[str, Any]:
    """Labels and features of the two channels."""
    import numpy as np

    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, WIDTH)).astype("float32")
    labels = (features[:, 0] * features[:, 1] + features[:, 2] + random.normal(size=ROWS) > 0).astype("float32")
    cut = ROWS * 5 // 6
    return {"train": (labels[:cut], features[:cut]), "validation": (labels[cut:], features[cut:])}


def tuned(region: RunningRegion, parts: dict[str, Any], rounds: int) -> tuple[float, list[dict[str, str]]]:
    """Seconds of the tuning job, and each trial's hyperparameters."""
    import numpy as np

    s3, sagemaker = region.client("s3"), region.client("sagemaker")
    s3.create_bucket(Bucket="bench")
    channels = []
    for name, (labels, features) in parts.items():
        sink = io.BytesIO()
        np.savetxt(sink, np.column_stack([labels, features]), delimiter=",", fmt="%.6g")
        s3.put_object(Bucket="bench", Key=f"{name}/part.csv", Body=sink.getvalue())
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bench/{name}/"}
        channels.append({"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"})
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="bench",
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:logloss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": JOBS, "MaxParallelTrainingJobs": PARALLEL},
            "ParameterRanges": RANGES,
            "RandomSeed": 1,
        },
        TrainingJobDefinition={
            "StaticHyperParameters": STATIC | {"num_round": str(rounds)},
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": "arn:aws:iam::123456789012:role/sagemaker",
            "InputDataConfig": channels,
            "OutputDataConfig": {"S3OutputPath": "s3://bench/artifacts"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
    )

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="bench")
        return job if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") else None

    job = wait_for(ended, 1800, "the end of the tuning job", every=0.5)
    if job["TrainingJobStatusCounters"]["Completed"] != JOBS:
        raise SystemExit(f"not all jobs completed: {job}")
    trials = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="bench", MaxResults=100
    )["TrainingJobSummaries"]
    seconds = (job["HyperParameterTuningEndTime"] - job["CreationTime"]).total_seconds()
    return seconds, [trial["TunedHyperParameters"] for trial in trials]


def bare(parts: dict[str, Any], trials: list[dict[str, str]], rounds: int) -> float:
    """Seconds of the same fits with XGBoost alone; the data are in memory."""
    import xgboost as xgb

    matrices = {name: xgb.DMatrix(features, labels) for name, (labels, features) in parts.items()}
    watched = [(matrix, name) for name, matrix in matrices.items()]
    total = 0.0
    for values in trials:
        began = time.monotonic()
        xgb.train(STATIC | values, matrices["train"], rounds, evals=watched, verbose_eval=False)
        total += time.monotonic() - began
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="boosting rounds of each fit [default: %(default)s]")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args()
    parts = data()
    with tempfile.TemporaryDirectory() as folder, running_region(Path(folder) / "state") as region:
        took, trials = tuned(region, parts, options.rounds)
    fits = bare(parts, trials, options.rounds)
    ratio = took / (fits / PARALLEL)
    if options.json:
        print(json.dumps({"tuning_s": took, "fits_s": fits, "ratio": ratio}))
    else:
        half = f"half of the bare fits' {fits:.1f} s"
        jobs = f"{JOBS} jobs of {options.rounds} rounds, {PARALLEL} at a time"
        print(f"tuning, {jobs}: {took:.1f} s, {ratio:.2f} × {half} (goal {GOAL} ×)")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
