"""Endpoints: create, update (``deployments`` does it), weights, delete.

When an update fails, the old fleet keeps serving: Updating → RollingBack → InService, with the old config's name and a
``FailureReason``. SageMaker's ``UpdateRollbackFailed`` is for a rollback that failed too, which can't happen here: the
old fleet is there until the new one has baked. ``Failed`` is for an endpoint that could not be created.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from local_region.ports import AwsRequest, Json, Region
from local_region.sagemaker import capacity
from local_region.sagemaker.capturing import Captures
from local_region.sagemaker.deployments import Deployment
from local_region.sagemaker.events import publish, upper
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.mirroring import Mirror
from local_region.sagemaker.models import EndpointConfigs, Models, arn_of
from local_region.sagemaker.records import Record, Table, invalid, listed, tags_of
from local_region.sagemaker.serving import StartFailure
from local_region.sagemaker.shifting import AT_ONCE, BadDeployment, Plan, plan_of
from local_region.sagemaker.traffic import Traffic

log = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25


class Endpoints:
    """CreateEndpoint and its kin. ``traffic_of`` is what serves a name now."""

    def __init__(self, region: Region, models: Models, configs: EndpointConfigs) -> None:
        self._region, self._models, self._configs = region, models, configs
        self.table = Table()
        self._traffic: dict[str, Traffic] = {}
        self._deployments: dict[str, Deployment] = {}
        self._all: set[Fleet] = set()
        self._stopped = threading.Event()
        self.captures = Captures(region)
        self.mirror = Mirror()

    # -- what the runtime and the region use ---------------------------------------------------------------------

    def traffic_of(self, name: str) -> Traffic | None:
        return self._traffic.get(name)

    def exists(self, name: str) -> bool:
        return self.table.find(name) is not None

    def instances_of(self, name: str, variant: str) -> int | None:
        """Of a variant that can be scaled now; None when it can't: not in service, serverless, or not there."""
        record, traffic = self.table.find(name), self._traffic.get(name)
        if record is None or traffic is None or record.state["EndpointStatus"] != "InService":
            return None
        found = traffic.blue.named(variant)
        return found.instances if found is not None and "ServerlessConfig" not in found.config else None

    def scale(self, name: str, variant: str, instances: int) -> str | None:
        """Bring a variant to so many instances, here and now. Why it could not, "" when it could; None when it isn't
        in service (any more)."""
        record, traffic = self.table.find(name), self._traffic.get(name)
        if record is None or traffic is None:
            return None
        fleet, change = traffic.blue, {"VariantName": variant, "DesiredInstanceCount": instances}
        with record.lock:
            if record.state["EndpointStatus"] != "InService":
                return None
            record.state.pop("FailureReason", None)
            self.set_status(record, "Updating")
        self.tell(record)
        capacity.apply(self, self._region.clock.now(), record, fleet, [change])
        return str(record.state.get("FailureReason", ""))

    def start(self) -> None:
        self.captures.start()
        threading.Thread(target=self._watch, name="endpoints", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        for deployment in list(self._deployments.values()):
            deployment.stop()
        self.mirror.stop()
        for fleet in list(self._all):
            fleet.stop()
        self.captures.stop()

    def _watch(self) -> None:
        """Start again what has died."""
        while not self._stopped.wait(_WATCH_SECONDS):
            for traffic in list(self._traffic.values()):
                for fleet in traffic.fleets():
                    for variant in fleet.all_variants():
                        for server in variant.servers:
                            server.restart_if_dead()

    # timeline.Timekeeper

    def next_due(self, until: datetime) -> datetime | None:
        del until
        ends = [end for each in list(self._deployments.values()) if (end := each.waits_until) is not None]
        return min(ends, default=None)

    def catch_up(self) -> None:
        self.captures.hurry()
        for deployment in list(self._deployments.values()):
            deployment.catch_up()

    def busy(self) -> Iterable[str]:
        baking = {name for name, each in list(self._deployments.items()) if each.waits_until is not None}
        passing = ("Creating", "Updating", "RollingBack", "Deleting")
        found = [r.name for r in self.table.all() if r.state["EndpointStatus"] in passing and r.name not in baking]
        return [*(f"endpoint {name}" for name in found), *self.mirror.busy(), *self.captures.busy()]

    # -- operations ----------------------------------------------------------------------------------------------

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        config = self._configs.get(params["EndpointConfigName"])
        models = self._models_of(config)
        deployment = params.get("DeploymentConfig")
        if deployment:
            self._plan(deployment, config, config)
        now, name = self._region.clock.now(), params["EndpointName"]
        arn = arn_of(self._region, "endpoint", name)
        stored = {"EndpointName": name}
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "EndpointArn": arn,
            "EndpointConfigName": config.name,
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        if deployment:
            record.state["LastDeploymentConfig"] = deployment
        self.table.add(record, lambda: invalid(f'Cannot create already existing endpoint "{arn}".'))
        self.tell(record)
        self._thread("create", record, lambda: self._bring_up(record, config, models))
        return {"EndpointArn": arn}

    def update(self, request: AwsRequest) -> Json:
        params = request.params
        record = self._get(params["EndpointName"])
        config = self._configs.get(params["EndpointConfigName"])
        models = self._models_of(config)
        with record.lock:
            self._require_in_service(record)
            if params["EndpointConfigName"] == record.state["EndpointConfigName"]:
                raise invalid(
                    f'Cannot update endpoint "{record.arn}" to the endpoint configuration that it already has '
                    f"({config.name})."
                )
            if _serverless(config) and not _serverless(self._traffic[record.name].blue.config):
                raise invalid(
                    "Updating a real-time inference endpoint to a serverless endpoint is not supported "
                    f'("{record.arn}" has instances).'
                )
            deployment = params.get("DeploymentConfig")
            if params.get("RetainDeploymentConfig"):
                if deployment:
                    raise invalid("Give DeploymentConfig or RetainDeploymentConfig, not both.")
                deployment = record.state.get("LastDeploymentConfig")
            traffic = self._traffic[record.name]
            plan = self._plan(deployment, traffic.blue.config, config) if deployment else AT_ONCE
            record.state.pop("FailureReason", None)
            if deployment:
                record.state["LastDeploymentConfig"] = deployment
            record.state["PendingDeploymentSummary"] = {
                "EndpointConfigName": config.name,
                "StartTime": self._region.clock.now(),
                "ProductionVariants": [{"VariantName": v["VariantName"]} for v in config.request["ProductionVariants"]],
            }
            self.set_status(record, "Updating")
            kept = _kept(params)
            made = self._deployments[record.name] = Deployment(
                self._region,
                record,
                traffic,
                config,
                plan,
                lambda: self._launch(record, config, models, kept),
                self._retire,
                self,
            )
        self.tell(record)

        def run() -> None:
            try:
                made.run()
            finally:
                with record.lock:
                    # else the next one has begun, while this one drained
                    if self._deployments.get(record.name) is made:
                        del self._deployments[record.name]

        self._thread("update", record, run)
        return {"EndpointArn": record.arn}

    def _plan(self, deployment: Json, old: Record, new: Record) -> Plan:
        """``ValidationException`` for what SageMaker (or the region) doesn't do."""
        variants = new.request["ProductionVariants"]
        for config in (old, new):
            if _serverless(config):
                raise invalid(
                    "DeploymentConfig: deployment guardrails only apply to real-time and asynchronous inference "
                    f"endpoints; {config.name} is serverless."
                )
        names = [{v["VariantName"] for v in config.request["ProductionVariants"]} for config in (old, new)]
        if names[0] != names[1]:
            raise invalid(
                "DeploymentConfig: the new endpoint configuration must have the variant names of the old one "
                f"({', '.join(sorted(names[0]))}), not {', '.join(sorted(names[1]))}."
            )
        try:
            plan = plan_of(deployment, {v["VariantName"]: v["InitialInstanceCount"] for v in variants})
        except BadDeployment as error:
            raise invalid(str(error)) from None
        missing = [name for name in plan.alarms if not self._region.alarms.exists(name)]
        if missing:
            raise invalid(f"Could not find the alarms of AutoRollbackConfiguration: {', '.join(missing)}.")
        return plan

    def update_weights(self, request: AwsRequest) -> Json:
        params = request.params
        record = self._get(params["EndpointName"])
        with record.lock:
            self._require_in_service(record)
            fleet = self._traffic[record.name].blue
            changes = params["DesiredWeightsAndCapacities"]
            capacity.check(record, fleet, changes)
            record.state.pop("FailureReason", None)
            self.set_status(record, "Updating")
        self.tell(record)
        now = self._region.clock.now()
        self._thread("weights", record, lambda: capacity.apply(self, now, record, fleet, changes))
        return {"EndpointArn": record.arn}

    def delete(self, request: AwsRequest) -> Json:
        record = self._get(request.params["EndpointName"])
        with record.lock:
            if record.state["EndpointStatus"] not in ("InService", "Failed", "OutOfService"):
                raise invalid(f'Cannot update in-progress endpoint "{record.arn}".')
            self.set_status(record, "Deleting")
        self.tell(record)
        self._thread("delete", record, lambda: self._tear_down(record))
        return {}

    def describe(self, request: AwsRequest) -> Json:
        return self.view(self._get(request.params["EndpointName"]))

    def view(self, record: Record) -> Json:
        answer = record.view("DescribeEndpoint")
        traffic = self._traffic.get(record.name)
        if traffic is not None:
            answer |= traffic.blue.described()
        return answer

    def list(self, request: AwsRequest) -> Json:
        page, token = listed(request.params, self.table.all(), lambda record: record.state["EndpointStatus"])
        keys = ("EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        return {"Endpoints": [{"EndpointName": r.name, **{k: r.state[k] for k in keys}} for r in page], **token}

    # -- work ----------------------------------------------------------------------------------------------------

    def _get(self, name: str) -> Record:
        return self.table.get(
            name, lambda: invalid(f'Could not find endpoint "{arn_of(self._region, "endpoint", name)}".')
        )

    def _models_of(self, config: Record) -> dict[str, Record]:
        request = config.request
        variants = (*request["ProductionVariants"], *(request.get("ShadowProductionVariants") or ()))
        return {v["ModelName"]: self._models.get(v["ModelName"]) for v in variants}

    def _require_in_service(self, record: Record) -> None:
        status = record.state["EndpointStatus"]
        if status == "Failed":
            raise invalid(f'Cannot update failed endpoint "{record.arn}": delete it and create it again.')
        if status != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{record.arn}" (it is {status}).')

    def set_status(self, record: Record, status: str, **state: Any) -> None:
        """Under the record's lock."""
        now = self._region.clock.now()
        record.modified = now
        record.state.update(EndpointStatus=status, LastModifiedTime=now, **state)

    def tell(self, record: Record, kind: str = "Endpoint") -> None:
        """The event: ``SageMaker <kind> State Change``."""
        with record.lock:
            changes: Json = {"EndpointStatus": upper(record.state["EndpointStatus"])}
        traffic = self._traffic.get(record.name)
        if traffic is not None:
            for key, summaries in traffic.blue.described().items():
                if key != "DataCaptureConfig":
                    changes[key] = [{k: v for k, v in each.items() if k != "DeployedImages"} for each in summaries]
        publish(self._region, kind, record, changes)

    def _thread(self, what: str, record: Record, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception as error:
                log.exception("%s of endpoint %s failed within the region", what, record.name)
                with record.lock:
                    old = record.name in self._traffic
                    reason = f"InternalServerError: {type(error).__name__}: {error}"
                    self.set_status(record, "InService" if old else "Failed", FailureReason=reason)
                self.tell(record)

        threading.Thread(target=run, name=f"{what} {record.name}", daemon=True).start()

    def _launch(self, record: Record, config: Record, models: dict[str, Record], kept: frozenset[str]) -> Fleet:
        """The new fleet, up. ``kept``: the properties of variants that it takes over from the one that serves."""
        fleet = Fleet(self._region, record.name, config, models)
        serving = self._traffic.get(record.name)
        if serving is not None and kept:
            fleet.take_over(serving.blue, kept)
        self._all.add(fleet)
        try:
            fleet.start()
        except StartFailure:
            self._all.discard(fleet)
            raise
        if self._stopped.is_set():
            fleet.stop()
        return fleet

    def _retire(self, fleet: Fleet) -> None:
        fleet.drain()
        self._all.discard(fleet)

    def _bring_up(self, record: Record, config: Record, models: dict[str, Record]) -> None:
        try:
            fleet = self._launch(record, config, models, frozenset())
        except StartFailure as error:
            with record.lock:
                self.set_status(record, "Failed", FailureReason=str(error)[:1024])
        else:
            with record.lock:
                self._traffic[record.name] = Traffic(fleet)
                self.set_status(record, "InService")
        self.tell(record)

    def _tear_down(self, record: Record) -> None:
        traffic = self._traffic.pop(record.name, None)
        if traffic is not None:
            self._retire(traffic.blue)
        self.table.remove(record)


def _serverless(config: Record) -> bool:
    return any("ServerlessConfig" in variant for variant in config.request["ProductionVariants"])


def _kept(params: Json) -> frozenset[str]:
    """The variant properties that an update leaves as they are."""
    if not params.get("RetainAllVariantProperties"):
        return frozenset()
    excluded = {each["VariantPropertyType"] for each in params.get("ExcludeRetainedVariantProperties") or []}
    return frozenset({"DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"} - excluded)
