"""A job as the application orders it, for the adapters' tests."""

from __future__ import annotations

from sluicegate.ports import TrainingSpec

TRAINING = TrainingSpec(
    name="sluicegate-churn-1f2e3d4c",
    image="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
    hyperparameters={"num_round": "10"},
    train_uri="s3://b/train/",
    validation_uri="s3://b/validation/",
    output_uri="s3://b/artifacts/churn",
    instance_type="ml.m5.large",
    instance_count=1,
    volume_gb=30,
    max_runtime_seconds=3600,
    spot=True,
    tags={"sluicegate:model": "churn"},
)
