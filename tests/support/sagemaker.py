"""SageMaker as a client sees it: one bucket, and the calls that end-to-end tests make over and over."""

from __future__ import annotations

import io
import tarfile
import uuid
from typing import Any

import numpy as np
import xgboost as xgb

from tests.support.region import RunningRegion, wait_for

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
FAST = {"Delay": 1, "MaxAttempts": 60}


def csv(*columns: Any) -> bytes:
    sink = io.BytesIO()
    np.savetxt(sink, np.column_stack(columns), delimiter=",", fmt="%.9g")
    return sink.getvalue()


class Work:
    """A bucket of its own in ``region``, and clients."""

    def __init__(self, region: RunningRegion) -> None:
        self.region = region
        self.sm, self.s3 = region.client("sagemaker"), region.client("s3")
        self.runtime = region.client("sagemaker-runtime")
        self.bucket = "work-" + uuid.uuid4().hex[:8]
        self.s3.create_bucket(Bucket=self.bucket)

    def name(self, kind: str) -> str:
        return f"{kind}-{uuid.uuid4().hex[:8]}"

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def channel(self, name: str, uri: str, content_type: str = "text/csv", **more: Any) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": content_type, **more}

    def start_training(self, channels: list[dict[str, Any]], hyperparameters: dict[str, str], **more: Any) -> str:
        name = self.name("train")
        self.sm.create_training_job(
            **{
                "TrainingJobName": name,
                "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
                "RoleArn": ROLE,
                "HyperParameters": hyperparameters,
                "InputDataConfig": channels,
                "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/artifacts"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
                "StoppingCondition": {"MaxRuntimeInSeconds": 600},
                **more,
            }
        )
        return name

    def finish(self, name: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.sm.describe_training_job(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return wait_for(ended, 60, f"the end of {name}")

    def train(self, *args: Any, **more: Any) -> dict[str, Any]:
        return self.finish(self.start_training(*args, **more))

    def boosters(self, job: dict[str, Any]) -> dict[str, xgb.Booster]:
        found = {}
        with tarfile.open(fileobj=io.BytesIO(self.get(job["ModelArtifacts"]["S3ModelArtifacts"]))) as archive:
            for member in archive.getmembers():
                booster = xgb.Booster()
                booster.load_model(bytearray(archive.extractfile(member).read()))  # type: ignore[union-attr]
                found[member.name] = booster
        return found

    def model(self, artifact: str, image: str = IMAGE, **environment: str) -> str:
        name = self.name("model")
        container = {"Image": image, "ModelDataUrl": artifact, "Environment": environment}
        self.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        return name

    def small_model(self) -> str:
        """A model of two columns, made here: for tests that are not about training."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(50, 2))
        booster = xgb.train({"max_depth": 2}, xgb.DMatrix(x, label=x[:, 0]), num_boost_round=3)
        sink, content = io.BytesIO(), bytes(booster.save_raw("ubj"))
        with tarfile.open(fileobj=sink, mode="w:gz") as archive:
            info = tarfile.TarInfo("xgboost-model")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        return self.model(self.put(f"small-{uuid.uuid4().hex[:8]}/model.tar.gz", sink.getvalue()))

    def config(self, **weights_by_variant: tuple[str, float]) -> str:
        name = self.name("config")
        variants = [
            {
                "VariantName": variant,
                "ModelName": model,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": weight,
            }
            for variant, (model, weight) in weights_by_variant.items()
        ]
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def endpoint(self, config: str) -> str:
        name = self.name("endpoint")
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def status(self, endpoint: str, *wanted: str) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            found: dict[str, Any] = self.sm.describe_endpoint(EndpointName=endpoint)
            return found if found["EndpointStatus"] in wanted else None

        return wait_for(there, 30, f"{endpoint} {wanted}")

    def invoke(self, endpoint: str, body: bytes, **more: Any) -> Any:
        return self.runtime.invoke_endpoint(
            **{"EndpointName": endpoint, "Body": body, "ContentType": "text/csv", **more}
        )
