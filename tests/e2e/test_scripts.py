"""Scripts of one's own in the region: trained by AWS's toolkit and served by their four functions; mapped images."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
import textwrap
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn import datasets

from local_region.sagemaker import own_images
from local_region.sagemaker.environments import cache_folder
from tests.support.region import RunningRegion, wait_for

pytestmark = pytest.mark.e2e
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"

TRAIN = """
import argparse, json, os
import boto3
import joblib
import numpy as np
import pandas
import toolz  # of requirements.txt
from sklearn.linear_model import LogisticRegression

from reading import table  # a module of our own

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--penalty", type=float)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    arguments = parser.parse_args()
    data = table(os.environ["SM_CHANNEL_TRAIN"])
    model = LogisticRegression(C=arguments.penalty, max_iter=2000).fit(data.iloc[:, 1:].to_numpy(), data.iloc[:, 0])
    print(f"hyperparameters {json.loads(os.environ['SM_HPS'])}")
    print(f"caller {boto3.client('sts').get_caller_identity()['Arn']}")
    print(f"validation:accuracy={model.score(data.iloc[:, 1:].to_numpy(), data.iloc[:, 0]):.4f};")
    joblib.dump(model, os.path.join(arguments.model_dir, "model.joblib"))


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


def predict_fn(data, model):
    return model.predict_proba(data.reshape(-1, model.n_features_in_))[:, 1]
"""
READING = """
from pathlib import Path
import pandas


def table(folder):
    return pandas.concat(pandas.read_csv(path, header=None) for path in sorted(Path(folder).iterdir()))
"""


class Scripts:
    """One bucket, and jobs in it."""

    def __init__(self, region: RunningRegion) -> None:
        self.region, self.sm, self.s3 = region, region.client("sagemaker"), region.client("s3")
        self.bucket = "scripts-" + uuid.uuid4().hex[:8]
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def source(self, **files: str) -> str:
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w:gz") as archive:
            for name, text in files.items():
                content = textwrap.dedent(text).encode()
                info = tarfile.TarInfo(name.replace("_txt", ".txt").replace("_py", ".py"))
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return self.put(f"code/{uuid.uuid4().hex}/sourcedir.tar.gz", sink.getvalue())

    def train(self, image: str, hyperparameters: dict[str, str], data: str, **algorithm: Any) -> dict[str, Any]:
        name = f"script-{uuid.uuid4().hex[:8]}"
        source = {"S3DataType": "S3Prefix", "S3Uri": data, "S3DataDistributionType": "FullyReplicated"}
        self.sm.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File", **algorithm},
            RoleArn=ROLE,
            HyperParameters=hyperparameters,
            InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/artifacts"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )

        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.sm.describe_training_job(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return wait_for(ended, 400, f"the end of {name}")

    def tune(self, image: str, depths: dict[str, str], data: str, metrics: list[dict[str, str]]) -> dict[str, Any]:
        """Two jobs at a time, two in all, for the most of the first of ``metrics``."""
        name = f"t-{uuid.uuid4().hex[:8]}"
        source = {"S3DataType": "S3Prefix", "S3Uri": data, "S3DataDistributionType": "FullyReplicated"}
        self.sm.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig={
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": metrics[0]["Name"]},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
                "ParameterRanges": {"IntegerParameterRanges": [depths]},
            },
            TrainingJobDefinition={
                "AlgorithmSpecification": {
                    "TrainingImage": image,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": metrics,
                },
                "RoleArn": ROLE,
                "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
                "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/artifacts"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
                "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            },
        )

        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.sm.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            return job if job["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return wait_for(ended, 120, f"the end of {name}")

    def log(self, job: dict[str, Any]) -> list[str]:
        logs = self.region.client("logs")
        group, prefix = "/aws/sagemaker/TrainingJobs", f"{job['TrainingJobName']}/"
        events = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=prefix)["events"]
        return [event["message"] for event in events]

    def endpoint(self, image: str, artifact: str | None, **environment: str) -> str:
        name = f"script-{uuid.uuid4().hex[:8]}"
        container: dict[str, Any] = {"Image": image, "Environment": environment}
        if artifact:
            container["ModelDataUrl"] = artifact
        self.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)

        def there() -> dict[str, Any] | None:
            found: dict[str, Any] = self.sm.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] != "Creating" else None

        assert wait_for(there, 60, name)["EndpointStatus"] == "InService", self.sm.describe_endpoint(EndpointName=name)
        return name

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str = "application/json") -> bytes:
        runtime = self.region.client("sagemaker-runtime")
        answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=content_type, Accept=accept)
        content: bytes = answer["Body"].read()
        return content


@pytest.fixture(scope="module")
def scripts(region: RunningRegion) -> Scripts:
    return Scripts(region)


@pytest.fixture(scope="module")
def wine(scripts: Scripts) -> tuple[str, Any, Any]:
    x, y = datasets.load_wine(return_X_y=True)
    x, y = (x - x.mean(0)) / x.std(0), (y == 0).astype(int)
    text = "".join(",".join(f"{value:.6g}" for value in (label, *row)) + "\n" for label, row in zip(y, x, strict=True))
    return scripts.put("wine/part-0.csv", text.encode()).rpartition("/")[0] + "/", x, y


def test_a_script_trains_and_serves_as_it_would_on_sagemaker(scripts: Scripts, wine: tuple[str, Any, Any]) -> None:
    data, x, y = wine
    source = scripts.source(train_py=TRAIN, reading_py=READING, requirements_txt="toolz==1.0.0\n")
    job = scripts.train(
        SKLEARN,
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": json.dumps(source), "penalty": "0.5"},
        data,
        MetricDefinitions=[{"Name": "validation:accuracy", "Regex": "validation:accuracy=([0-9.]+);"}],
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert [m["MetricName"] for m in job["FinalMetricDataList"]] == ["validation:accuracy"]
    assert job["FinalMetricDataList"][0]["Value"] > 0.95
    lines = scripts.log(job)
    assert "hyperparameters {'penalty': 0.5}" in lines
    assert any(line.startswith("caller arn:aws:sts::123456789012:assumed-role/sagemaker/") for line in lines)

    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    endpoint = scripts.endpoint(SKLEARN, artifact, SAGEMAKER_PROGRAM="train.py", SAGEMAKER_SUBMIT_DIRECTORY=source)
    answers = json.loads(scripts.invoke(endpoint, json.dumps(x.tolist()).encode(), "application/json"))
    assert np.mean((np.array(answers) > 0.5) == y) == pytest.approx(job["FinalMetricDataList"][0]["Value"], abs=1e-4)
    csv = "\n".join(",".join(map(str, row)) for row in x[:3]).encode()
    lines = scripts.invoke(endpoint, csv, "text/csv", "text/csv").decode().split()
    assert [float(line) for line in lines] == pytest.approx(answers[:3], abs=1e-4)
    npy = io.BytesIO()
    np.save(npy, x[:2])
    answer = scripts.invoke(endpoint, npy.getvalue(), "application/x-npy", "application/x-npy")
    assert np.load(io.BytesIO(answer)).tolist() == pytest.approx(answers[:2], abs=1e-4)
    for body, content_type, accept, status in (
        (b"<x/>", "text/xml", "application/json", 415),
        (csv, "text/csv", "text/xml", 406),
        (b"{", "application/json", "application/json", 400),
    ):
        with pytest.raises(ClientError) as refused:
            scripts.invoke(endpoint, body, content_type, accept)
        found: Any = refused.value.response
        assert found["OriginalStatusCode"] == status


@pytest.mark.parametrize(
    ("files", "program", "reason"),
    [
        ({"train_py": "raise ValueError('the label is missing')\n"}, "train.py", "the label is missing"),
        ({"train_py": "x = 1\n"}, "fit.py", "has no entry point fit.py; it has train.py"),
        (
            {"train_py": "x = 1\n", "requirements_txt": "toolz==1.0.0\ntoolz==0.12.1\n"},
            "train.py",
            "requirements.txt could not be installed: .*toolz",
        ),
    ],
)
def test_what_is_wrong_with_a_script_is_the_jobs_failure(
    scripts: Scripts, wine: tuple[str, Any, Any], files: dict[str, str], program: str, reason: str
) -> None:
    source = scripts.source(**files)
    given = {"sagemaker_program": program, "sagemaker_submit_directory": source}
    job = scripts.train(SKLEARN, given, wine[0])
    assert job["TrainingJobStatus"] == "Failed"
    assert re.search(reason, job["FailureReason"]), job["FailureReason"]


TRAIN_SH = """#!/bin/sh
test "$1" = train || exit 9
cat "$SAGEMAKER_BASE_DIR/input/data/train/"* | wc -l > "$SAGEMAKER_BASE_DIR/model/rows"
echo "validation:rows=$(cat "$SAGEMAKER_BASE_DIR/model/rows");"
echo "threads=$OMP_NUM_THREADS $(grep -o '"depth": "[0-9]*"' "$SAGEMAKER_BASE_DIR/input/config/hyperparameters.json")"
"""
SERVE_PY = """#!{python}
import http.server, os, pathlib
rows = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "model/rows").read_bytes().strip()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        self.answer(rows + b" " + self.rfile.read(int(self.headers["Content-Length"])))
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


def test_an_own_image_is_refused_by_name_until_an_executable_is_mapped_to_it(
    scripts: Scripts, wine: tuple[str, Any, Any], tmp_path: Path
) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    with pytest.raises(ClientError, match=f"no container for image {image}.*sluice up --image {image}="):
        scripts.train(image, {}, wine[0])
    for name, text in (("train", TRAIN_SH), ("serve", SERVE_PY.replace("{python}", sys.executable))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    own_images.add(scripts.region.state_dir / "images.yaml", image, tmp_path)
    metrics = [{"Name": "validation:rows", "Regex": "validation:rows=([0-9]+);"}]
    job = scripts.train(image, {}, wine[0], MetricDefinitions=metrics)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("validation:rows", 178.0)]
    endpoint = scripts.endpoint(image, job["ModelArtifacts"]["S3ModelArtifacts"])
    assert scripts.invoke(endpoint, b"hello", "text/plain") == b"178 hello"
    depths = {"Name": "depth", "MinValue": "1", "MaxValue": "9"}
    tuned = scripts.tune(image, depths, wine[0], [{"Name": "depth", "Regex": 'depth": "([0-9]+)"'}])
    assert tuned["HyperParameterTuningJobStatus"] == "Completed", tuned.get("FailureReason")
    best = tuned["BestTrainingJob"]
    final = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert (final["MetricName"], final["Value"]) == ("depth", float(best["TunedHyperParameters"]["depth"]))
    trained = scripts.sm.describe_training_job(TrainingJobName=best["TrainingJobName"])
    threads = max(1, (os.cpu_count() or 1) // 2)
    assert any(line.startswith(f"threads={threads} ") for line in scripts.log(trained))
    silent = scripts.tune(image, depths, wine[0], [{"Name": "depth", "Regex": "width=([0-9]+)"}])
    assert silent["HyperParameterTuningJobStatus"] == "Failed"
    assert silent["FailureReason"].startswith("No objective metrics found after running 2 training jobs.")


TORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312"
TORCH_TRAIN = """
import os
from pathlib import Path
import pandas
import torch

if __name__ == "__main__":
    folder = Path(os.environ["SM_CHANNEL_TRAIN"])
    table = pandas.concat(pandas.read_csv(path, header=None) for path in folder.iterdir())
    rows = torch.tensor(table.to_numpy(), dtype=torch.float32)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(rows.shape[1] - 1, 1), torch.nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy(model(rows[:, 1:])[:, 0], rows[:, 0])
        loss.backward()
        optimizer.step()
    torch.jit.script(model).save(os.path.join(os.environ["SM_MODEL_DIR"], "model.pth"))
"""


@pytest.mark.skipif(
    not any(cache_folder().glob("script-environments/pytorch-*/complete")),
    reason="PyTorch's environment is not there: it takes longer to install than a test may",
)
def test_pytorch_trains_and_serves_by_its_containers_defaults(scripts: Scripts, wine: tuple[str, Any, Any]) -> None:
    data, x, y = wine
    source = scripts.source(train_py=TORCH_TRAIN)
    given = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}
    job = scripts.train(TORCH, given, data)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    endpoint = scripts.endpoint(TORCH.replace("training", "inference"), job["ModelArtifacts"]["S3ModelArtifacts"])
    answers = json.loads(scripts.invoke(endpoint, json.dumps(x.tolist()).encode(), "application/json"))
    assert np.mean((np.array(answers)[:, 0] > 0.5) == y) > 0.95
