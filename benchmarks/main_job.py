"""The main job's own time: what is spent between S3 and the endpoint, and between the API and the endpoint.

    python benchmarks/main_job.py [--json]

A region is started on a free port and the application deployed to it, as `make up` does with a warm environment.
- ``own``: PUT of the example until its endpoint is in service, less the time in the training, transform and serving
  containers (SageMaker's own timestamps: TrainingStart to TrainingEnd, TransformStart to TransformEnd, and for serving
  the creation of the endpoint until it is in service).
- ``api``: one record through API Gateway, Lambda and the endpoint, sequentially, warm; beside it boto3's bare
  ``invoke_endpoint`` with the same endpoint, in turns, in the same run.
- ``up``: from `sluice up` to the first prediction. ``idle``: memory of the region's process and all below it (PSS).
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "layers/core/src")]

from local_region.ports import RegionConfig  # noqa: E402
from sluice import regions  # noqa: E402
from tests.support.application import Application, eventually, running_application  # noqa: E402

GOAL_OWN_S, GOAL_API_MS, GOAL_UP_S, GOAL_IDLE_MB = 1.5, 5.0, 20.0, 400
RECORDS = json.loads((ROOT / "examples" / "churn" / "record.json").read_text())["records"]


def main_job(app: Application) -> dict[str, float]:
    """Seconds from the PUT of the example to its endpoint in service, and of it those in containers."""
    app.put("models/bench/model.yaml", (ROOT / "examples/churn/model.yaml").read_bytes())
    eventually(lambda: app.api.find("models/bench"), 30, "settings read", every=0.02)
    client = app.client("sagemaker")
    began = time.time()
    app.put("data/bench/churn.csv", (ROOT / "examples/churn/churn.csv").read_bytes())

    def in_service() -> dict[str, Any] | None:
        found = client.list_endpoints(NameContains="sluicegate-bench", StatusEquals="InService")["Endpoints"]
        return client.describe_endpoint(EndpointName=found[0]["EndpointName"]) if found else None

    endpoint = eventually(in_service, 120, "endpoint in service", every=0.05)
    run = app.runs("bench")[0]
    job = client.describe_training_job(TrainingJobName=run["training_job"])
    training = (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds()
    transform = 0.0
    for name in run["transform_jobs"]:
        found = client.describe_transform_job(TransformJobName=name)
        transform += (found["TransformEndTime"] - found["TransformStartTime"]).total_seconds()
    serving = (endpoint["LastModifiedTime"] - endpoint["CreationTime"]).total_seconds()
    total = endpoint["LastModifiedTime"].timestamp() - began
    return {"total": total, "training": training, "transform": transform, "serving": serving}


def api_and_bare(app: Application, rounds: int) -> tuple[float, float]:
    """Median milliseconds of one record through the API, and of boto3's invoke_endpoint, in turns."""
    base = urlsplit(app.target.api_url)
    connection = http.client.HTTPConnection(base.netloc, timeout=30)
    body = json.dumps({"records": RECORDS[:1]})
    headers = {"x-api-key": app.target.api_key, "content-type": "application/json"}
    row = app.read(app.keys(f"datasets/bench/{app.runs('bench')[0]['dataset_version']}/holdout/")[0]).splitlines()[0]
    runtime = app.client("sagemaker-runtime")
    api, bare = [], []
    for number in range(rounds + 20):
        start = time.perf_counter()
        connection.request("POST", f"{base.path}/models/bench/predictions", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        middle = time.perf_counter()
        if answer.status != 200:
            raise SystemExit(f"the API answered {answer.status}: {content.decode()[:300]}")
        runtime.invoke_endpoint(EndpointName="sluicegate-bench", ContentType="text/csv", Body=row)["Body"].read()
        if number >= 20:
            api.append((middle - start) * 1000)
            bare.append((time.perf_counter() - middle) * 1000)
    return statistics.median(api), statistics.median(bare)


def idle_memory(pid: int) -> float:
    """MB once the functions' processes have ended, as they do when nobody called them for a while."""
    before = len(regions.memory(pid))
    eventually(lambda: len(regions.memory(pid)) < before - 4, RegionConfig.function_idle_seconds + 30, "idle", every=1)
    time.sleep(10)  # the last of them
    return sum(mb for _, _, mb in regions.memory(pid))


def measure(rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        began = time.perf_counter()
        with running_application(Path(folder) / "state") as app:
            job = main_job(app)
            eventually(lambda: (app.api.find("models/bench") or {}).get("live_version"), 30, "live", every=0.05)
            app.predict("bench", RECORDS[0])
            up = time.perf_counter() - began
            api, bare = api_and_bare(app, rounds)
            busy = sum(mb for _, _, mb in regions.memory(app.info.pid))
            idle = idle_memory(app.info.pid)
    inside = job["training"] + job["transform"] + job["serving"]
    return {
        "put_to_in_service_s": job["total"],
        "in_containers_s": inside,
        "own_s": job["total"] - inside,
        "api_ms": api,
        "bare_ms": bare,
        "up_s": up,
        "busy_mb": busy,
        "idle_mb": idle,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
        return 0
    print(
        f"PUT to endpoint in service {found['put_to_in_service_s']:.2f} s, "
        f"in containers {found['in_containers_s']:.2f} s, own {found['own_s']:.2f} s (goal {GOAL_OWN_S} s)"
    )
    print(
        f"API, one warm record: p50 {found['api_ms']:.2f} ms (goal {GOAL_API_MS} ms); boto3 invoke_endpoint alone "
        f"{found['bare_ms']:.2f} ms, ratio {found['api_ms'] / found['bare_ms']:.2f}"
    )
    print(f"region, deployment, example, first prediction: {found['up_s']:.1f} s (goal {GOAL_UP_S:.0f} s)")
    print(
        f"idle region with one endpoint: {found['idle_mb']:.0f} MB (goal {GOAL_IDLE_MB} MB); "
        f"with every function's process still warm {found['busy_mb']:.0f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
