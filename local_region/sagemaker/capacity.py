"""Weights and instance counts of an endpoint that serves: UpdateEndpointWeightsAndCapacities and autoscaling."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from local_region.ports import AwsError, Json
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.records import Record, invalid, refuse_members
from local_region.sagemaker.serving import StartFailure
from local_region.sagemaker.variants import Variant

log = logging.getLogger(__name__)


class Teller(Protocol):
    """What the endpoints do for a change."""

    def set_status(self, record: Record, status: str, **state: Any) -> None: ...  # under the record's lock
    def tell(self, record: Record, kind: str = "Endpoint") -> None: ...


def check(record: Record, fleet: Fleet, changes: Sequence[Json]) -> None:
    """``ValidationException`` for a variant that is not there or has no such setting."""
    for change in changes:
        refuse_members(change, ("ServerlessUpdateConfig",), "DesiredWeightsAndCapacities")
        variant = fleet.named(change["VariantName"])
        if variant is None:
            raise invalid(f'Variant "{change["VariantName"]}" does not exist in endpoint "{record.arn}".')
        if "ServerlessConfig" in variant.config and "DesiredInstanceCount" in change:
            raise _serverless(variant)
        if "DesiredInstanceCount" in change and change["DesiredInstanceCount"] < 1:
            raise invalid(f"DesiredInstanceCount of variant {variant.name} must be at least 1.")


def _serverless(variant: Variant) -> AwsError:
    return invalid(f"Variant {variant.name} is serverless: it has no DesiredInstanceCount.")


def apply(teller: Teller, now: Any, record: Record, fleet: Fleet, changes: Sequence[Json]) -> None:
    """Updating → InService; when new processes don't come up Updating → RollingBack → InService, all as before."""
    pairs = [(variant, change) for change in changes if (variant := fleet.named(change["VariantName"])) is not None]
    before = {variant: (variant.weight, variant.instances) for variant, _ in pairs}
    for variant, change in pairs:
        variant.desired_weight = float(change.get("DesiredWeight", variant.weight))
        variant.desired_instances = int(change.get("DesiredInstanceCount", variant.instances))
        way = variant.desired_instances - variant.instances
        if way:
            text = f"Scaling {'out' if way > 0 else 'in'} desired instance count to {variant.desired_instances}."
            variant.status = [{"Status": "Updating", "StatusMessage": text, "StartTime": now}]
    if any(variant.status for variant, _ in pairs):
        teller.tell(record, "Endpoint Deployment")
    reason = ""
    try:
        for variant, _ in pairs:
            if variant.desired_instances != variant.instances:
                variant.scale(variant.desired_instances)
            variant.weight = variant.desired_weight
    except Exception as error:
        reason = (
            str(error) if isinstance(error, StartFailure) else f"InternalServerError: {type(error).__name__}: {error}"
        )
        log.warning(
            "endpoint %s stays as it was: %s", record.name, reason, exc_info=not isinstance(error, StartFailure)
        )
        with record.lock:
            teller.set_status(record, "RollingBack", FailureReason=reason[:1024])
        teller.tell(record)
        for variant, (weight, instances) in before.items():
            variant.weight = variant.desired_weight = weight
            variant.desired_instances = instances
            variant.scale(instances)
    for variant, _ in pairs:
        variant.status = []
    with record.lock:
        teller.set_status(record, "InService")
    teller.tell(record)
