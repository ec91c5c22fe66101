"""A version's endpoint config: how it is served, under its own name. Made once, kept while it may be needed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from sluicegate.domain import algorithms, names
from sluicegate.domain.errors import AlreadyExists
from sluicegate.domain.items import VersionItem
from sluicegate.domain.settings import Endpoint, ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Jobs, RegistryReader, Storage
from sluicegate.ports_serving import Endpoints, Instances, Serverless, VariantSpec
from sluicegate.services import serving_model
from sluicegate.services.endpoint_states import state_of
from sluicegate.services.ledger import tags, trained_by
from sluicegate.services.routing import variant_of

log = logging.getLogger(__name__)


class Blueprint:
    def __init__(
        self, registry: RegistryReader, storage: Storage, endpoints: Endpoints, jobs: Jobs, prefix: str, region: str
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._endpoints = endpoints
        self._jobs = jobs
        self._prefix = prefix
        self._region = region

    def config(self, version: VersionItem) -> str:
        """The name of the version's endpoint config, which is there from now on.

        Where the version scales, it begins with as many instances as serve now: a fleet that comes up under load has to
        carry that before anything scales it ("Update endpoints that use auto scaling", Amazon SageMaker Developer
        Guide). With less to do it scales in by itself.
        """
        name = names.endpoint_config(self._prefix, version["model"], version["version"])
        spec = self.variant(version, variant_of(version))
        if isinstance(spec.size, Instances) and spec.size.most is not None:
            count = min(spec.size.most, max(spec.size.count, self._serving(version["model"])))
            spec = replace(spec, size=replace(spec.size, count=count))
        self.make(name, version["model"], [spec])
        return name

    def _serving(self, model: str) -> int:
        """The instances of the model's endpoint, of its largest variant."""
        state = state_of(self._endpoints, names.endpoint(self._prefix, model))
        return max(state.instances.values(), default=0) if state is not None else 0

    def make(self, name: str, model: str, variants: Sequence[VariantSpec]) -> None:
        """The endpoint config is there from now on."""
        try:
            self._endpoints.create_config(name, variants, tags(model))
        except AlreadyExists:
            log.info("endpoint config %s is there already", name)

    def variant(self, version: VersionItem, name: str, weight: float = 1.0) -> VariantSpec:
        """The version as a variant of that name; its SageMaker Model is there from now on."""
        job = names.training_job(self._prefix, version["model"], version["run"])
        if any(line["status"] in ("retired", "failed") for line in version["history"]):
            self._remake(version, job)  # it served before, and may have been tidied up since
        return VariantSpec(name, job, self.size(version), weight)

    def size(self, version: VersionItem) -> Serverless | Instances:
        endpoint = self._settings(version).endpoint
        if endpoint.instance is not None:
            scales = endpoint.max is not None and endpoint.max > endpoint.min
            capture = endpoint.data_capture.percent if endpoint.data_capture is not None else 0
            return Instances(
                endpoint.instance,
                endpoint.min,
                endpoint.max if scales else None,
                endpoint.requests_per_instance if scales else 0,
                capture,
                self._storage.uri(f"data-capture/{version['model']}") if capture else "",
            )
        size = endpoint.serverless or Endpoint().serverless
        if size is None:
            raise ValueError("an endpoint is serverless or has an instance type")
        return Serverless(size.memory_mb, size.max_concurrency)

    def _settings(self, version: VersionItem) -> ModelSettings:
        """Those that the version was trained with."""
        return parse_settings(self._registry.run(version["model"], version["run"]).get("settings") or "")

    def _remake(self, version: VersionItem, name: str) -> None:
        """The SageMaker Model of a version that comes back, from its artifact, which is kept."""
        run = self._registry.run(version["model"], version["run"])
        algorithm = algorithms.of(self._settings(version))
        job = trained_by(run, self._prefix)
        serving_model.make(self._jobs, self._storage, self._region, self._prefix, run, name, job, algorithm)
