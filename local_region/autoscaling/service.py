"""``application-autoscaling``: scalable targets and target tracking policies of endpoint variants, and their work.

Every minute of the region's clock each target is looked at; what a policy asks for is done as
UpdateEndpointWeightsAndCapacities would do it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local_region.alarms.evaluation import Sample
from local_region.autoscaling.tracking import WINDOW, Bounds, Tracking, wanted
from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker.service import endpoints_of
from local_region.stores.metrics import MetricKey, MotoMetrics

log = logging.getLogger(__name__)
NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRIC = "SageMakerVariantInvocationsPerInstance"
_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_MINUTE = timedelta(minutes=1)
#: seconds of the machine's time between looks whether a minute of the region's has passed
_LOOK_SECONDS = 5.0
_KEPT_ACTIVITIES = 100


@dataclass
class Target:
    """A scalable target, what was asked of it, and what was done."""

    resource: str
    endpoint: str
    variant: str
    bounds: Bounds
    created: datetime
    arn: str
    role: str
    suspended: Json
    policies: dict[str, Json] = field(default_factory=dict)
    last_out: datetime | None = None
    last_in: datetime | None = None
    activities: deque[Json] = field(default_factory=lambda: deque(maxlen=_KEPT_ACTIVITIES))

    def view(self) -> Json:
        return {
            "ServiceNamespace": NAMESPACE,
            "ResourceId": self.resource,
            "ScalableDimension": DIMENSION,
            "MinCapacity": self.bounds.low,
            "MaxCapacity": self.bounds.high,
            "RoleARN": self.role,
            "CreationTime": self.created,
            "SuspendedState": self.suspended,
            "ScalableTargetARN": self.arn,
        }


class AutoscalingService:
    """``ports.AwsService`` and ``timeline.Timekeeper``."""

    service = "application-autoscaling"

    def __init__(self, region: Region) -> None:
        self._region = region
        self._targets: dict[str, Target] = {}
        self._lock = threading.RLock()
        self._looking = threading.Lock()
        self._looked: datetime | None = None
        self._stopped = threading.Event()
        self._operations: dict[str, Callable[[AwsRequest], Json]] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe_targets,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
            "DeleteScalingPolicy": self._delete_policy,
            "DescribeScalingActivities": self._describe_activities,
        }

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return self._operations

    def start(self) -> None:
        threading.Thread(target=self._run, name="autoscaling", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    # -- operations ----------------------------------------------------------------------------------------------

    def _register(self, request: AwsRequest) -> Json:
        params = request.params
        endpoint, variant = _place(params)
        now = self._region.clock.now()
        with self._lock:
            target = self._targets.get(params["ResourceId"])
            low = params.get("MinCapacity", target.bounds.low if target else None)
            high = params.get("MaxCapacity", target.bounds.high if target else None)
            if low is None or high is None:
                raise _invalid("MinCapacity and MaxCapacity are required for a new scalable target.")
            if low < 1:
                raise _invalid(f"MinCapacity of {DIMENSION} must be at least 1, not {low}.")
            if low > high:
                raise _invalid(f"Maximum capacity cannot be less than minimum capacity ({high} < {low}).")
            if target is None:
                endpoints = endpoints_of(self._region)
                if endpoints is None or endpoints.instances_of(endpoint, variant) is None:
                    what = f"The endpoint variant {params['ResourceId']}"
                    raise _invalid(f"{what} doesn't exist, is serverless, or is not in service.")
                target = Target(
                    params["ResourceId"], endpoint, variant, Bounds(low, high), now, self._arn(params["ResourceId"]),
                    params.get("RoleARN") or self._role(), {},
                )  # fmt: skip
                self._targets[target.resource] = target
            target.bounds = Bounds(low, high)
            never = dict.fromkeys(
                ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
            )
            target.suspended = {**never, **target.suspended, **(params.get("SuspendedState") or {})}
        return {"ScalableTargetARN": target.arn}

    def _describe_targets(self, request: AwsRequest) -> Json:
        params = request.params
        _namespace(params)
        wanted_ids = params.get("ResourceIds")
        with self._lock:
            found = [t.view() for t in self._targets.values() if not wanted_ids or t.resource in wanted_ids]
        return {"ScalableTargets": found if params.get("ScalableDimension", DIMENSION) == DIMENSION else []}

    def _deregister(self, request: AwsRequest) -> Json:
        with self._lock:
            del self._targets[self._target(request.params).resource]
        return {}

    def _put_policy(self, request: AwsRequest) -> Json:
        params = request.params
        _place(params)
        kind = params.get("PolicyType", "StepScaling")
        if kind != "TargetTrackingScaling":
            raise _invalid(f"The local region does not support the policy type {kind}, only TargetTrackingScaling.")
        config = params.get("TargetTrackingScalingPolicyConfiguration")
        if not config:
            raise _invalid("TargetTrackingScalingPolicyConfiguration is required for TargetTrackingScaling.")
        metric = (config.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
        if metric != METRIC:
            given = f"the metric {metric}" if metric else "CustomizedMetricSpecification"
            raise _invalid(f"The local region does not support {given}, only {METRIC}.")
        if config["TargetValue"] <= 0:
            raise _invalid("TargetValue must be above 0.")
        with self._lock:
            target = self._target(params)
            others = [name for name in target.policies if name != params["PolicyName"]]
            if others:  # AWS, too, has one policy for each predefined metric of a target
                raise _invalid(f"Only one TargetTrackingScaling policy for a metric: {others[0]} is there already.")
            base = target.arn.replace("scalable-target", "scaling-policy")
            target.policies[params["PolicyName"]] = policy = {
                "PolicyARN": f"{base}:policyName/{params['PolicyName']}",
                "PolicyName": params["PolicyName"],
                "ServiceNamespace": NAMESPACE,
                "ResourceId": target.resource,
                "ScalableDimension": DIMENSION,
                "PolicyType": kind,
                "TargetTrackingScalingPolicyConfiguration": config,
                "Alarms": [],
                "CreationTime": self._region.clock.now(),
            }
        return {"PolicyARN": policy["PolicyARN"], "Alarms": []}

    def _describe_policies(self, request: AwsRequest) -> Json:
        params = request.params
        _namespace(params)
        with self._lock:
            found = [
                policy
                for target in self._targets.values()
                if params.get("ResourceId") in (None, target.resource)
                for name, policy in target.policies.items()
                if not params.get("PolicyNames") or name in params["PolicyNames"]
            ]
        return {"ScalingPolicies": found}

    def _delete_policy(self, request: AwsRequest) -> Json:
        params = request.params
        with self._lock:
            target = self._target(params)
            if target.policies.pop(params["PolicyName"], None) is None:
                raise AwsError(
                    "ObjectNotFoundException", f"No scaling policy found: {params['PolicyName']} of {target.resource}"
                )
        return {}

    def _describe_activities(self, request: AwsRequest) -> Json:
        params = request.params
        _namespace(params)
        with self._lock:
            found = [
                activity
                for target in self._targets.values()
                if params.get("ResourceId") in (None, target.resource)
                for activity in reversed(target.activities)
            ]
        return {"ScalingActivities": found}

    def _target(self, params: Json) -> Target:
        _place(params)
        target = self._targets.get(params["ResourceId"])
        if target is None:
            raise AwsError(
                "ObjectNotFoundException",
                f"No scalable target found for service namespace: {NAMESPACE}, resource ID: {params['ResourceId']}, "
                f"scalable dimension: {DIMENSION}",
            )
        return target

    def _arn(self, resource: str) -> str:
        config = self._region.config
        name = hashlib.sha256(resource.encode()).hexdigest()[:32]
        return (
            f"arn:{config.partition}:application-autoscaling:{config.region_name}:{config.account_id}:"
            f"scalable-target/{name}"
        )

    def _role(self) -> str:
        config = self._region.config
        service = "sagemaker.application-autoscaling.amazonaws.com"
        name = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        return f"arn:{config.partition}:iam::{config.account_id}:role/aws-service-role/{service}/{name}"

    # -- the work ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            try:
                self.catch_up()
            except Exception:
                log.exception("autoscaling failed; it is tried again")

    def next_due(self, until: datetime) -> datetime | None:
        """The next minute, while there are invocations that it could scale by."""
        del until
        now = self._region.clock.now()
        with self._lock:
            targets = [target for target in self._targets.values() if target.policies]
        if not targets or not any(self._invocations(targets, now).values()):
            return None
        return max((self._looked or now) + _MINUTE, now + timedelta(microseconds=1))

    def catch_up(self) -> None:
        """Look at all targets, when a minute has passed."""
        with self._looking:
            now = self._region.clock.now()
            if self._looked is not None and now - self._looked < _MINUTE:
                return
            self._looked = now
            with self._lock:
                targets = list(self._targets.values())
            invocations = self._invocations(targets, now)
            for target in targets:
                self._look(target, invocations[target.resource], now)

    def busy(self) -> Iterable[str]:
        return ["autoscaling"] if self._looking.locked() else []

    def _invocations(self, targets: Iterable[Target], now: datetime) -> dict[str, list[Sample]]:
        keys = {target.resource: _metric(target) for target in targets}
        metrics = self._region.metrics
        if not keys or not isinstance(metrics, MotoMetrics):
            return {resource: [] for resource in keys}
        samples = metrics.samples(dict.fromkeys(keys.values(), now - WINDOW))
        return {resource: samples[key] for resource, key in keys.items()}

    def _look(self, target: Target, invocations: list[Sample], now: datetime) -> None:
        endpoints = endpoints_of(self._region)
        if endpoints is None or not endpoints.exists(target.endpoint):
            with self._lock:  # as on AWS, a target doesn't outlive its resource
                self._targets.pop(target.resource, None)
            return
        count = endpoints.instances_of(target.endpoint, target.variant)
        if count is None:
            return  # it is being changed: another minute
        goal, cause = target.bounds.clamp(count), "the capacity was outside MinCapacity and MaxCapacity"
        for name, policy in list(target.policies.items()) if goal == count else ():
            tracking = _tracking(policy["TargetTrackingScalingPolicyConfiguration"])
            goal = wanted(tracking, target.bounds, count, invocations, now, target.last_out, target.last_in)
            cause = f"the policy {name}: {METRIC} is {'above' if goal > count else 'below'} {tracking.target:g}"
        suspended = "DynamicScalingOutSuspended" if goal > count else "DynamicScalingInSuspended"
        if goal == count or target.suspended.get(suspended):
            return
        log.info("%s: %d -> %d instances (%s)", target.resource, count, goal, cause)
        failure = endpoints.scale(target.endpoint, target.variant, goal)
        if failure is None:
            return  # somebody else changes it
        if goal > count:
            target.last_out = now
        else:
            target.last_in = now
        target.activities.append(
            {
                "ActivityId": str(uuid.uuid4()),
                "ServiceNamespace": NAMESPACE,
                "ResourceId": target.resource,
                "ScalableDimension": DIMENSION,
                "Description": f"Setting desired instance count to {goal}.",
                "Cause": cause,
                "StartTime": now,
                "EndTime": self._region.clock.now(),
                "StatusCode": "Failed" if failure else "Successful",
                "StatusMessage": failure or f"Successfully set desired instance count to {goal}.",
            }
        )


def _metric(target: Target) -> MetricKey:
    return MetricKey(
        "AWS/SageMaker", "Invocations", (("EndpointName", target.endpoint), ("VariantName", target.variant))
    )


def _tracking(config: Json) -> Tracking:
    cooldowns = {
        name: int(config[key])
        for name, key in (("out_cooldown", "ScaleOutCooldown"), ("in_cooldown", "ScaleInCooldown"))
        if key in config
    }
    return Tracking(float(config["TargetValue"]), scales_in=not config.get("DisableScaleIn", False), **cooldowns)


def _namespace(params: Json) -> None:
    if params["ServiceNamespace"] != NAMESPACE:
        raise _invalid(
            f"The local region does not support the service namespace {params['ServiceNamespace']}, only {NAMESPACE}."
        )


def _place(params: Json) -> tuple[str, str]:
    """Endpoint and variant that a request is about."""
    _namespace(params)
    match = _RESOURCE.fullmatch(params["ResourceId"])
    if match is None:
        raise _invalid("Unsupported resource: ResourceId is endpoint/<endpoint>/variant/<variant>.")
    if params["ScalableDimension"] != DIMENSION:
        raise _invalid(f"The local region does not support {params['ScalableDimension']}, only {DIMENSION}.")
    return match[1], match[2]


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
