"""Endpoints for lanes of traffic beyond the champion's: brought up before traffic is sent there, dropped after it left.

Each further lane is an endpoint of its own (``names.lane_endpoint``) with the version's own endpoint config, serverless
or on instances: a lane comes and goes without a change to the champion's endpoint. Where all versions of an experiment
read alike, on instances, its lanes are variants of the champion's endpoint instead (``services.variants``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sluicegate.domain import names
from sluicegate.domain.errors import AlreadyExists, NotFound, Transient
from sluicegate.domain.items import LaneItem
from sluicegate.ports import RegistryReader
from sluicegate.ports_serving import Endpoints
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.endpoint_states import remove, state_of
from sluicegate.services.ledger import tags

log = logging.getLogger(__name__)

Word = Literal["ready", "busy"] | str


class Lanes:
    def __init__(self, registry: RegistryReader, endpoints: Endpoints, blueprint: Blueprint, prefix: str) -> None:
        self._registry = registry
        self._endpoints = endpoints
        self._blueprint = blueprint
        self._prefix = prefix

    def bring(self, model: str, lanes: Sequence[LaneItem], cause: str, now: datetime) -> Word:  # noqa: ARG002
        """``ready`` when all of ``lanes`` answer, ``busy`` while one comes up, ``failed:<why>`` when one can't.

        May be called again at any time. Raises ``Refused`` when SageMaker refuses a lane.
        """
        words = [self._one(model, lane) for lane in lanes if lane["endpoint"] != names.endpoint(self._prefix, model)]
        failed = next((word for word in words if word.startswith("failed:")), None)
        if failed is not None:
            return failed
        return "busy" if "busy" in words else "ready"

    def _one(self, model: str, lane: LaneItem) -> Word:
        state = state_of(self._endpoints, lane["endpoint"])
        if state is None:
            config = self._blueprint.config(self._registry.version(model, lane["version"]))
            try:
                self._endpoints.create(lane["endpoint"], config, tags(model))
            except AlreadyExists:
                log.info("endpoint %s is there already", lane["endpoint"])
            return "busy"
        if state.broken:
            return f"failed:{state.failure_reason or 'SageMaker gave no reason.'}"
        return "ready" if state.free else "busy"

    def drop(self, model: str, cause: str, keep_version: int | None, now: datetime) -> None:  # noqa: ARG002
        """Delete the endpoints of the lanes that ``cause`` (an experiment's or rollout's id) brought, but for
        ``keep_version``'s. Raises ``Transient`` when one can't be deleted now."""
        busy = []
        for number in self._versions(model, cause):
            name = names.lane_endpoint(self._prefix, model, number)
            state = state_of(self._endpoints, name)
            if number == keep_version or state is None or state.status == "Deleting":
                continue
            if not (state.free or state.broken) or not remove(self._endpoints, name):
                busy.append(f"{name} ({state.status})")
        if busy:
            raise Transient(f"can't be deleted now: {', '.join(busy)}")

    def gone(self, model: str) -> bool:
        """Whether the model's own endpoint is not there: where a version is live and awake, somebody deleted it."""
        return state_of(self._endpoints, names.endpoint(self._prefix, model)) is None

    def _versions(self, model: str, cause: str) -> list[int]:
        rollout = self._registry.model(model).get("rollout")
        if rollout is not None and rollout["id"] == cause:
            return [rollout["version"]]
        try:
            lanes = self._registry.experiment(model, cause)["lanes"]
        except NotFound:
            return []
        return [lane["version"] for lane in lanes if lane["slot"] != "champion"]
