"""What a version leaves behind once it serves no more: its endpoint config and its SageMaker Model.

The artifact, the data set and the package stay for ever, so a version can be deployed again: both are made from them.
"""

from __future__ import annotations

import logging

from sluicegate.domain import names
from sluicegate.domain.errors import Conflict, NotFound
from sluicegate.domain.items import ModelItem, VersionItem
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Jobs, Registry
from sluicegate.ports_serving import Endpoints, EndpointState
from sluicegate.services.variants import serves

log = logging.getLogger(__name__)

_DONE_WITH = ("retired", "failed", "rejected")


class Cleanup:
    def __init__(self, registry: Registry, endpoints: Endpoints, jobs: Jobs, prefix: str) -> None:
        self._registry = registry
        self._endpoints = endpoints
        self._jobs = jobs
        self._prefix = prefix

    def clean(self, item: ModelItem, state: EndpointState | None) -> None:
        """Endpoint configs and SageMaker Models of versions that serve no more, but for the way back, for lanes of
        traffic, and for what the endpoint still names."""
        model = item["model"]
        kept: set[object] = {
            item.get(name) for name in ("live_version", "previous_version", "desired_version", "deploying_version")
        }
        versions = self._registry.versions(model)
        served = sorted(
            (one for one in versions if one["status"] == "retired" and one.get("live_since")),
            key=lambda one: one.get("live_since") or "",
            reverse=True,
        )
        keep = parse_settings(item.get("settings") or "").deployment.keep
        kept |= {one["version"] for one in served[:keep]}
        traffic = item.get("traffic")
        if traffic is not None:
            shadow = traffic["shadow"]
            kept |= {lane["version"] for lane in [*traffic["lanes"], *([shadow] if shadow is not None else [])]}
        rollout, experiment = item.get("rollout"), item.get("experiment")
        if rollout is not None:
            kept.add(rollout["version"])
        if experiment is not None:
            kept |= {lane["version"] for lane in self._registry.experiment(model, experiment)["lanes"]}
        if state is not None:
            configs = (state.config, state.pending_config)
            kept |= {serves(self._registry, self._prefix, model, config) for config in configs}
        for version in versions:
            number = version["version"]
            if version["status"] not in _DONE_WITH or number in kept or version.get("released"):
                continue
            # somebody may have brought it back since the list was read
            if self._registry.version(model, number)["status"] != version["status"]:
                continue
            self._forget(model, version)
            try:
                self._registry.commit(
                    [Change("version", model, number, set={"released": True}, status_in=(version["status"],))]
                )
            except Conflict:
                log.info("version %s of %s was brought back", number, model)

    def _forget(self, model: str, version: VersionItem) -> None:
        config = names.endpoint_config(self._prefix, model, version["version"])
        job = names.training_job(self._prefix, model, version["run"])
        for delete, name in ((self._endpoints.delete_config, config), (self._jobs.delete_model, job)):
            try:
                delete(name)
            except NotFound:
                log.info("%s is gone already", name)
