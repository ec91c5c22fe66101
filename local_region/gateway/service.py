"""API Gateway's part of the local region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from local_region.gateway.reading import Reading
from local_region.gateway.registry import Registry
from local_region.gateway.serving import Serving
from local_region.ports import AwsRequest, Json, Region


class GatewayService:
    """``ports.Gateway`` and ``AwsService`` (read operations) for ``apigateway``."""

    service = "apigateway"

    def __init__(self, region: Region) -> None:
        self._region = region
        self._registry = Registry(lambda: region.clock.now())
        self._serving = Serving(region, self._registry)
        self._reading = Reading(self._registry)

    def start(self) -> None:
        """Nothing to start: threads are made as requests come."""

    def stop(self) -> None:
        self._serving.stop()

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return self._reading.operations()

    def put_rest_api(self, api_id: str | None, name: str, properties: Json, body: Json) -> str:
        return self._registry.put_api(api_id, name, properties, body)

    def delete_rest_api(self, api_id: str) -> None:
        self._registry.delete_api(api_id)

    def put_deployment(self, api_id: str, properties: Json) -> str:
        return self._registry.put_deployment(api_id, str(properties.get("Description", "")))

    def delete_deployment(self, api_id: str, deployment_id: str) -> None:
        self._registry.delete_deployment(api_id, deployment_id)

    def put_stage(self, api_id: str, stage: str, properties: Json) -> None:
        self._registry.put_stage(api_id, stage, properties)

    def delete_stage(self, api_id: str, stage: str) -> None:
        self._registry.delete_stage(api_id, stage)

    def put_gateway_response(self, api_id: str, response_type: str, properties: Json) -> None:
        self._registry.put_response(api_id, response_type, properties)

    def delete_gateway_response(self, api_id: str, response_type: str) -> None:
        self._registry.delete_response(api_id, response_type)

    def put_api_key(self, key_id: str | None, properties: Json) -> str:
        return self._registry.put_key(key_id, properties)

    def delete_api_key(self, key_id: str) -> None:
        self._registry.delete_key(key_id)

    def put_usage_plan(self, plan_id: str | None, properties: Json) -> str:
        return self._registry.put_plan(plan_id, properties)

    def delete_usage_plan(self, plan_id: str) -> None:
        self._registry.delete_plan(plan_id)

    def put_usage_plan_key(self, plan_id: str, key_id: str) -> None:
        self._registry.put_plan_key(plan_id, key_id)

    def delete_usage_plan_key(self, plan_id: str, key_id: str) -> None:
        self._registry.delete_plan_key(plan_id, key_id)

    def url(self, api_id: str, stage: str) -> str:
        return f"{self._region.config.endpoint}/_api/{api_id}/{stage}"

    def wsgi(self, environ: Json, start_response: Any) -> Sequence[bytes]:
        """Serves everything under ``/_api/``."""
        response = self._serving.answer(environ)
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Status"
        start_response(f"{response.status} {phrase}", response.headers)
        return [response.body]
