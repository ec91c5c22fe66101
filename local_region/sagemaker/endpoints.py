"""Endpoints: create, update (the new fleet beside the old, then a switch), weights, delete.

When an update fails, the old fleet keeps serving: Updating → RollingBack → InService, with the old config's name and a
``FailureReason``. SageMaker's ``UpdateRollbackFailed`` is for a rollback that failed too, which can't happen here: the
old fleet is never touched before the new one serves. ``Failed`` is for an endpoint that could not be created.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from local_region.ports import AwsRequest, Json, Region
from local_region.sagemaker.events import publish, upper
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.models import EndpointConfigs, Models, arn_of
from local_region.sagemaker.records import Record, Table, invalid, listed, refuse_members, tags_of
from local_region.sagemaker.serving import StartFailure

log = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25


class Endpoints:
    """CreateEndpoint and its kin. ``fleet_of`` is what serves a name now."""

    def __init__(self, region: Region, models: Models, configs: EndpointConfigs) -> None:
        self._region, self._models, self._configs = region, models, configs
        self.table = Table()
        self._fleets: dict[str, Fleet] = {}
        self._all: set[Fleet] = set()
        self._stopped = threading.Event()

    # -- what the runtime and the region use ---------------------------------------------------------------------

    def fleet_of(self, name: str) -> Fleet | None:
        return self._fleets.get(name)

    def start(self) -> None:
        threading.Thread(target=self._watch, name="endpoints", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        for fleet in list(self._all):
            fleet.stop()

    def _watch(self) -> None:
        """Start again what has died."""
        while not self._stopped.wait(_WATCH_SECONDS):
            for fleet in list(self._fleets.values()):
                for variant in fleet.variants.values():
                    variant.server.restart_if_dead()

    def next_due(self, until: datetime) -> datetime | None:
        del until
        return None

    def catch_up(self) -> None:
        """Nothing waits for an instant."""

    def busy(self) -> Iterable[str]:
        passing = ("Creating", "Updating", "RollingBack", "Deleting")
        return [f"endpoint {r.name}" for r in self.table.all() if r.state["EndpointStatus"] in passing]

    # -- operations ----------------------------------------------------------------------------------------------

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(params, ("DeploymentConfig",), "CreateEndpoint")
        config = self._configs.get(params["EndpointConfigName"])
        models = self._models_of(config)
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
        self.table.add(record, lambda: invalid(f'Cannot create already existing endpoint "{arn}".'))
        self._publish(record)
        self._thread("create", record, lambda: self._bring_up(record, config, models))
        return {"EndpointArn": arn}

    def update(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(
            params, ("DeploymentConfig", "RetainDeploymentConfig", "ExcludeRetainedVariantProperties"), "UpdateEndpoint"
        )
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
            record.state.pop("FailureReason", None)
            now = self._region.clock.now()
            record.state.update(
                PendingDeploymentSummary={
                    "EndpointConfigName": config.name,
                    "StartTime": now,
                    "ProductionVariants": [
                        {"VariantName": v["VariantName"]} for v in config.request["ProductionVariants"]
                    ],
                }
            )
            self._set_status(record, "Updating")
        self._publish(record)
        retain = bool(params.get("RetainAllVariantProperties"))
        self._thread("update", record, lambda: self._replace(record, config, models, retain))
        return {"EndpointArn": record.arn}

    def update_weights(self, request: AwsRequest) -> Json:
        params = request.params
        record = self._get(params["EndpointName"])
        with record.lock:
            self._require_in_service(record)
            fleet = self._fleets[record.name]
            for change in params["DesiredWeightsAndCapacities"]:
                refuse_members(change, ("ServerlessUpdateConfig",), "DesiredWeightsAndCapacities")
                if change["VariantName"] not in fleet.variants:
                    raise invalid(f'Variant "{change["VariantName"]}" does not exist in endpoint "{record.arn}".')
            self._set_status(record, "Updating")
        self._publish(record)
        self._thread("weights", record, lambda: self._apply_weights(record, fleet, params))
        return {"EndpointArn": record.arn}

    def delete(self, request: AwsRequest) -> Json:
        record = self._get(request.params["EndpointName"])
        with record.lock:
            if record.state["EndpointStatus"] not in ("InService", "Failed", "OutOfService"):
                raise invalid(f'Cannot update in-progress endpoint "{record.arn}".')
            self._set_status(record, "Deleting")
        self._publish(record)
        self._thread("delete", record, lambda: self._tear_down(record))
        return {}

    def describe(self, request: AwsRequest) -> Json:
        return self.view(self._get(request.params["EndpointName"]))

    def view(self, record: Record) -> Json:
        answer = record.view("DescribeEndpoint")
        fleet = self._fleets.get(record.name)
        if fleet is not None:
            answer["ProductionVariants"] = fleet.summaries()
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
        return {v["ModelName"]: self._models.get(v["ModelName"]) for v in config.request["ProductionVariants"]}

    def _require_in_service(self, record: Record) -> None:
        status = record.state["EndpointStatus"]
        if status == "Failed":
            raise invalid(f'Cannot update failed endpoint "{record.arn}": delete it and create it again.')
        if status != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{record.arn}" (it is {status}).')

    def _set_status(self, record: Record, status: str, **state: Any) -> None:
        """Under the record's lock."""
        now = self._region.clock.now()
        record.modified = now
        record.state.update(EndpointStatus=status, LastModifiedTime=now, **state)

    def _publish(self, record: Record) -> None:
        with record.lock:
            changes: Json = {"EndpointStatus": upper(record.state["EndpointStatus"])}
        fleet = self._fleets.get(record.name)
        if fleet is not None:
            changes["ProductionVariants"] = [
                {key: value for key, value in summary.items() if key != "DeployedImages"}
                for summary in fleet.summaries()
            ]
        publish(self._region, "Endpoint", record, changes)

    def _thread(self, what: str, record: Record, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception as error:
                log.exception("%s of endpoint %s failed within the region", what, record.name)
                with record.lock:
                    old = record.name in self._fleets
                    reason = f"InternalServerError: {type(error).__name__}: {error}"
                    self._set_status(record, "InService" if old else "Failed", FailureReason=reason)
                self._publish(record)

        threading.Thread(target=run, name=f"{what} {record.name}", daemon=True).start()

    def _launch(self, record: Record, config: Record, models: dict[str, Record]) -> Fleet:
        fleet = Fleet(self._region, record.name, config, models)
        self._all.add(fleet)
        try:
            fleet.start()
        except StartFailure:
            self._all.discard(fleet)
            raise
        if self._stopped.is_set():
            fleet.stop()
        return fleet

    def _bring_up(self, record: Record, config: Record, models: dict[str, Record]) -> None:
        try:
            fleet = self._launch(record, config, models)
        except StartFailure as error:
            with record.lock:
                self._set_status(record, "Failed", FailureReason=str(error)[:1024])
        else:
            with record.lock:
                self._fleets[record.name] = fleet
                self._set_status(record, "InService")
        self._publish(record)

    def _replace(self, record: Record, config: Record, models: dict[str, Record], retain: bool) -> None:
        old = self._fleets[record.name]
        try:
            new = self._launch(record, config, models)
        except StartFailure as error:
            with record.lock:
                self._set_status(record, "RollingBack", FailureReason=str(error)[:1024])
            self._publish(record)
            with record.lock:
                record.state.pop("PendingDeploymentSummary", None)
                self._set_status(record, "InService")
            self._publish(record)
            return
        if retain:
            for name in old.variants.keys() & new.variants.keys():
                new.variants[name].weight = old.variants[name].weight
                new.variants[name].instances = old.variants[name].instances
        with record.lock:
            self._fleets[record.name] = new  # one assignment: a request finds the old fleet or the new one
            record.state.pop("PendingDeploymentSummary", None)
            self._set_status(record, "InService", EndpointConfigName=config.name)
        self._publish(record)
        old.drain()
        self._all.discard(old)

    def _apply_weights(self, record: Record, fleet: Fleet, params: Json) -> None:
        with record.lock:
            for change in params["DesiredWeightsAndCapacities"]:
                variant = fleet.variants[change["VariantName"]]
                variant.weight = float(change.get("DesiredWeight", variant.weight))
                variant.instances = int(change.get("DesiredInstanceCount", variant.instances))
            self._set_status(record, "InService")
        self._publish(record)

    def _tear_down(self, record: Record) -> None:
        fleet = self._fleets.pop(record.name, None)
        if fleet is not None:
            fleet.drain()
            self._all.discard(fleet)
        self.table.remove(record)
