"""Application Auto Scaling of endpoint variants: a target with bounds, a policy that tracks requests an instance."""

from __future__ import annotations

from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.domain.errors import NotFound

_DIMENSION = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
_POLICY = "requests-per-instance"
#: instances come within minutes, so they go only after a while without need
_OUT_SECONDS, _IN_SECONDS = 60, 600


class ApplicationAutoScaling:
    """``ports.Scaling``; ``autoscaling`` is boto3's client."""

    def __init__(self, autoscaling: Any) -> None:
        self._autoscaling = autoscaling

    def keep(self, endpoint: str, variant: str, minimum: int, maximum: int, requests: int) -> None:
        target = {**_DIMENSION, "ResourceId": _resource(endpoint, variant)}
        with translated():
            self._autoscaling.register_scalable_target(**target, MinCapacity=minimum, MaxCapacity=maximum)
            self._autoscaling.put_scaling_policy(
                **target,
                PolicyName=_POLICY,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": float(requests),
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
                    "ScaleOutCooldown": _OUT_SECONDS,
                    "ScaleInCooldown": _IN_SECONDS,
                },
            )

    def stop(self, endpoint: str, variant: str) -> None:
        """With its policies and their alarms. One that is gone is stopped."""
        try:
            with translated():
                self._autoscaling.deregister_scalable_target(**_DIMENSION, ResourceId=_resource(endpoint, variant))
        except NotFound:
            return


def _resource(endpoint: str, variant: str) -> str:
    return f"endpoint/{endpoint}/variant/{variant}"
