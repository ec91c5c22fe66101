"""API Gateway's read operations, in the shapes that its API answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_region.gateway.model import ApiKey, RestApi, Stage, UsagePlan
from local_region.gateway.registry import Registry
from local_region.ports import AwsError, AwsRequest, Json


def _tags(properties: Json) -> dict[str, str]:
    tags = properties.get("Tags") or []
    if isinstance(tags, dict):
        return {key: str(value) for key, value in tags.items()}
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags}


def _api(item: RestApi) -> Json:
    answer: Json = {
        "id": item.id,
        "name": item.name,
        "createdDate": item.created,
        "apiKeySource": "HEADER",
        "endpointConfiguration": {
            "types": (item.properties.get("EndpointConfiguration") or {}).get("Types") or ["EDGE"]
        },
        "disableExecuteApiEndpoint": False,
        "tags": _tags(item.properties),
    }
    if item.definition.binary_types:
        answer["binaryMediaTypes"] = list(item.definition.binary_types)
    if "Description" in item.properties:
        answer["description"] = str(item.properties["Description"])
    return answer


def _stage(item: Stage) -> Json:
    return {
        "deploymentId": item.deployed.id,
        "stageName": item.name,
        "description": str(item.properties.get("Description", "")),
        "cacheClusterEnabled": False,
        "methodSettings": {},
        "variables": item.variables or {},
        "tracingEnabled": str(item.properties.get("TracingEnabled", "false")).lower() == "true",
        "tags": _tags(item.properties),
        "createdDate": item.created,
        "lastUpdatedDate": item.updated,
    }


def _key(item: ApiKey, registry: Registry, *, with_value: bool) -> Json:
    stages = [
        f"{api}/{stage}" for plan in registry.plans.values() if item.id in plan.keys for api, stage in plan.stages
    ]
    answer: Json = {
        "id": item.id,
        "name": item.name,
        "enabled": item.enabled,
        "createdDate": item.created,
        "lastUpdatedDate": item.updated,
        "stageKeys": sorted(stages),
        "tags": _tags(item.properties),
    }
    if "Description" in item.properties:
        answer["description"] = str(item.properties["Description"])
    return answer | ({"value": item.value} if with_value else {})


def _plan(item: UsagePlan) -> Json:
    answer: Json = {
        "id": item.id,
        "name": item.name,
        "apiStages": [{"apiId": api, "stage": stage} for api, stage in sorted(item.stages)],
        "tags": _tags(item.properties),
    }
    throttle, quota = item.properties.get("Throttle"), item.properties.get("Quota")
    if "Description" in item.properties:
        answer["description"] = str(item.properties["Description"])
    if throttle:
        answer["throttle"] = {
            "burstLimit": int(throttle.get("BurstLimit", 0)),
            "rateLimit": float(throttle.get("RateLimit", 0)),
        }
    if quota:
        answer["quota"] = {
            "limit": int(quota.get("Limit", 0)),
            "offset": int(quota.get("Offset", 0)),
            "period": str(quota.get("Period", "DAY")),
        }
    return answer


def _page(items: list[Json], params: Json, size: int = 25) -> Json:
    try:
        start = int(params.get("position") or 0)
    except ValueError as error:
        raise AwsError("BadRequestException", "Invalid position parameter") from error
    end = start + min(int(params.get("limit") or size), 500)
    return {"items": items[start:end], **({"position": str(end)} if end < len(items) else {})}


class Reading:
    """The operations of ``AwsService`` for ``apigateway``: APIs are declared in templates, and read here."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        handlers: dict[str, Callable[[Json], Json]] = {
            "GetRestApis": self._apis,
            "GetRestApi": lambda params: _api(self._registry.api(params["restApiId"])),
            "GetStages": self._stages,
            "GetStage": lambda params: _stage(self._registry.stage(params["restApiId"], params["stageName"])),
            "GetApiKeys": self._keys,
            "GetApiKey": self._one_key,
            "GetUsagePlans": self._plans,
            "GetUsagePlan": lambda params: _plan(self._registry.plan(params["usagePlanId"])),
            "GetUsagePlanKeys": self._plan_keys,
            "GetResources": self._resources,
            "GetDeployments": self._deployments,
        }
        return {name: _taking_params(handler) for name, handler in handlers.items()}

    def _apis(self, params: Json) -> Json:
        return _page([_api(item) for item in list(self._registry.apis.values())], params)

    def _stages(self, params: Json) -> Json:
        stages = list(self._registry.api(params["restApiId"]).stages.values())
        wanted = params.get("deploymentId")
        return {"item": [_stage(item) for item in stages if wanted in (None, item.deployed.id)]}

    def _keys(self, params: Json) -> Json:
        with_value = bool(params.get("includeValues"))
        prefix = params.get("nameQuery") or ""
        found = [item for item in list(self._registry.keys.values()) if item.name.startswith(prefix)]
        return _page([_key(item, self._registry, with_value=with_value) for item in found], params)

    def _one_key(self, params: Json) -> Json:
        item = self._registry.key(params["apiKey"])
        return _key(item, self._registry, with_value=bool(params.get("includeValue")))

    def _plans(self, params: Json) -> Json:
        wanted = params.get("keyId")
        found = [item for item in list(self._registry.plans.values()) if wanted is None or wanted in item.keys]
        return _page([_plan(item) for item in found], params)

    def _plan_keys(self, params: Json) -> Json:
        keys = [self._registry.key(key_id) for key_id in sorted(self._registry.plan(params["usagePlanId"]).keys)]
        return _page([{"id": item.id, "type": "API_KEY", "name": item.name} for item in keys], params)

    def _resources(self, params: Json) -> Json:
        by_path: dict[str, Json] = {}
        for method in self._registry.api(params["restApiId"]).definition.methods:
            entry = by_path.setdefault(
                method.path,
                {
                    "id": method.resource_id,
                    "path": method.path,
                    "pathPart": method.path.rsplit("/", 1)[-1],
                    "resourceMethods": {},
                },
            )
            details: dict[str, Any] = {"httpMethod": method.verb, "apiKeyRequired": method.key_required}
            entry["resourceMethods"][method.verb] = details
        return _page(list(by_path.values()), params)

    def _deployments(self, params: Json) -> Json:
        items = self._registry.api(params["restApiId"]).deployments.values()
        return _page(
            [{"id": item.id, "description": item.description, "createdDate": item.created} for item in items], params
        )


def _taking_params(handler: Callable[[Json], Json]) -> Callable[[AwsRequest], Json]:
    return lambda request: handler(request.params)
