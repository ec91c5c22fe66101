"""Brings an endpoint to sleep and back, as the registry says. Part of ``services.rollout``, which owns the endpoint.

Every step may be done again. The endpoint that has to go is older than the decision, the one that was woken is younger:
so a step that comes late never deletes what was made after it was decided. Endpoints that are busy (being deleted,
still coming up) are looked at again by their next event, and each minute.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.errors import AlreadyExists, Conflict, Refused
from sluicegate.domain.items import ErrorItem, ModelItem, VersionItem, moment, stamp
from sluicegate.domain.lifecycle import allows
from sluicegate.domain.sleep_items import SleepItem
from sluicegate.ports_serving import Endpoints, EndpointState
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.endpoint_states import remove
from sluicegate.services.ledger import AGAIN, Ledger, Step, refusal, tags
from sluicegate.services.outcomes import settled
from sluicegate.services.routing import RoutingTable

log = logging.getLogger(__name__)


class Unwakeable(Exception):
    """The version that should serve after waking can't: ``error`` says why."""

    def __init__(self, version: int, error: ErrorItem) -> None:
        super().__init__(error["detail"])
        self.version, self.error = version, error


class Slumber:
    def __init__(
        self, ledger: Ledger, endpoints: Endpoints, blueprint: Blueprint, routing: RoutingTable, prefix: str
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._endpoints = endpoints
        self._blueprint = blueprint
        self._routing = routing
        self._prefix = prefix

    def go_on(self, item: ModelItem, state: EndpointState | None, now: datetime) -> str | None:
        """The next thing for an endpoint that sleeps or wakes: asleep | waking | busy. None: it is awake again, and the
        routing says so. Raises `Unwakeable` when another version than the live one was to wake and can't."""
        sleep = item.get("sleep")
        assert sleep is not None
        if sleep["state"] == "asleep":
            item = self._choose(item, sleep, now)
            return self._asleep(item, item.get("sleep") or sleep, state, now)
        return self._waking(item, sleep, state, now)

    # asleep

    def _choose(self, item: ModelItem, sleep: SleepItem, now: datetime) -> ModelItem:
        """A version that was approved meanwhile serves when the endpoint wakes. Nothing waits for that: its run lets go
        of the model, so the next data train."""
        model, version = item["model"], self._next(item)
        number = version["version"]
        if number == sleep["version"]:
            return self._chosen(item, version, now) if item.get("settling") else item
        try:
            config = self._blueprint.config(version)
        except Refused as error:
            raise Unwakeable(number, refusal(error)) from error

        def plan(found: ModelItem) -> Step | None:
            lying = found.get("sleep")
            if lying is None or self._next(found)["version"] != number:
                return None
            fields: dict[str, Any] = {"sleep": {**lying, "version": number, "config": config}, "settling": True}
            if found.get("active_run") == version["run"]:
                fields["active_run"] = None
            return Step(f"Version {number} serves when the endpoint wakes.", fields)

        self._ledger.step(model, now, plan)
        return self._chosen(self._registry.model(model), version, now)

    def _chosen(self, item: ModelItem, version: VersionItem, now: datetime) -> ModelItem:
        """What follows the choice of ``version``: also when a first try broke off before it."""
        model = item["model"]
        self._routing.publish(model)
        self._ledger.look_again(model, f"run:{version['run']}", now)
        if item.get("settling"):
            self._ledger.step(model, now, lambda found: settled(found, item))
        return self._registry.model(model)

    def _next(self, item: ModelItem) -> VersionItem:
        """The version that serves when the endpoint wakes: the one that is wished for, else the live one."""
        model, desired = item["model"], item.get("desired_version")
        if desired is not None and desired != item.get("live_version"):
            version = self._registry.version(model, desired)
            if version["status"] == "approved":
                return version
        return self._registry.version(model, int(item["live_version"] or 0))

    def _asleep(self, item: ModelItem, sleep: SleepItem, state: EndpointState | None, now: datetime) -> str | None:
        model = item["model"]
        if not sleep["gone"]:
            self._routing.publish(model)  # before the endpoint goes, so that requests find another way
        if state is None:
            if not sleep["gone"]:
                self._change(model, now, "asleep", {"gone": True})
            return "asleep"
        if self._younger(state, sleep):
            return self._serving(item, state, now)  # somebody made it by hand
        return self._remove(state)

    def _remove(self, state: EndpointState) -> str:
        if not (state.free or state.broken):
            return "busy"
        if not remove(self._endpoints, state.name):
            return "busy"
        log.info("endpoint %s is deleted, its config %s is kept", state.name, state.config)
        return "asleep"

    # waking

    def _waking(self, item: ModelItem, sleep: SleepItem, state: EndpointState | None, now: datetime) -> str | None:
        if state is None:
            return self._create(item, now)
        if not self._younger(state, sleep):
            self._remove(state)
            return "busy"
        if state.broken:
            return self._broken(item, state, now)
        return self._serving(item, state, now)

    def _create(self, item: ModelItem, now: datetime) -> str:
        model, version = item["model"], self._next(item)
        name = names.endpoint(self._prefix, model)
        try:
            config = self._blueprint.config(version)
            self._routing.publish(model)
            self._endpoints.create(name, config, tags(model))
        except (AlreadyExists, Conflict) as error:
            log.info("endpoint %s is busy: %s", name, error)
            return "busy"
        except Refused as error:
            return self._failed(item, version["version"], refusal(error), now)
        return "waking"

    def _broken(self, item: ModelItem, state: EndpointState, now: datetime) -> str:
        number = names.config_version(self._prefix, item["model"], state.config)
        reason = state.failure_reason or "SageMaker gave no reason."
        self._remove(state)
        error = ErrorItem(
            title="Deployment failed",
            detail=reason,
            remedy=f"The endpoint's log in CloudWatch says more. When the cause is gone, {AGAIN}",
        )
        return self._failed(item, number, error, now)

    def _failed(self, item: ModelItem, number: int | None, error: ErrorItem, now: datetime) -> str:
        """The version that is live can't be woken either: it sleeps on until somebody asks for it again."""
        if number is not None and number != item.get("live_version"):
            raise Unwakeable(number, error)
        model = item["model"]
        fields = {"state": "asleep", "since": stamp(now), "asleep_at": stamp(now), "gone": False}
        self._change(model, now, "waking", {**fields, "error": error["detail"]})
        self._routing.publish(model)
        return "asleep"

    def _serving(self, item: ModelItem, state: EndpointState, now: datetime) -> str | None:
        if not state.free:
            return "busy"

        def plan(found: ModelItem) -> Step | None:
            sleep = found.get("sleep")
            if sleep is None or not allows("endpoint", sleep["state"], "serving") or not self._younger(state, sleep):
                return None
            return Step("The endpoint is awake.", {"sleep": None, "awake_since": stamp(now), "settling": True})

        self._ledger.step(item["model"], now, plan)
        self._routing.publish(item["model"])
        return None

    def _change(self, model: str, now: datetime, state: str, fields: dict[str, Any]) -> None:
        """Of a sleep that is still ``state``."""

        def plan(found: ModelItem) -> Step | None:
            sleep = found.get("sleep")
            if sleep is None or sleep["state"] != state:
                return None
            changed = {**sleep, **fields}
            said = fields.get("error")
            message = f"The endpoint could not be woken: {said}" if said else found.get("message") or ""
            return Step(message, {"sleep": changed})

        self._ledger.step(model, now, plan)

    @staticmethod
    def _younger(state: EndpointState, sleep: SleepItem) -> bool:
        return state.created is not None and state.created > moment(sleep["asleep_at"])
