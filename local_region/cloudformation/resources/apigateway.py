"""API Gateway (REST), served by ``local_region.gateway``."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002, E501

from __future__ import annotations

from collections.abc import Iterator

from local_region.cloudformation.resources.base import Env, Handler, expects, unsupported, words
from local_region.cloudformation.scope import Made
from local_region.gateway.definition import problems as body_problems
from local_region.ports import Json


class RestApi(Handler):
    type = "AWS::ApiGateway::RestApi"
    honoured = words("Name Description Body BinaryMediaTypes ApiKeySourceType Tags")
    recorded = words("EndpointConfiguration Parameters FailOnWarnings Mode")
    required = words("Body")
    attributes = words("RestApiId RootResourceId")

    def check(self, properties: Json) -> Iterator[str]:
        yield from expects("ApiKeySourceType", properties.get("ApiKeySourceType"), "HEADER")
        if isinstance(properties.get("Body"), dict):
            yield from body_problems(properties["Body"])

    def create(self, env: Env, properties: Json) -> Made:
        return self._put(env, None, properties)

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return self._put(env, made.physical_id, new)

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_rest_api(made.physical_id)

    def _put(self, env: Env, api_id: str | None, properties: Json) -> Made:
        body = properties["Body"]
        name = properties.get("Name") or (body.get("info") or {}).get("title") or env.stack_name
        made = env.region.gateway.put_rest_api(api_id, str(name), properties, body)
        return Made(made, {"RestApiId": made, "RootResourceId": f"{made}"[:10]})


class Deployment(Handler):
    """What a stage serves: the API as it was when the deployment was made."""

    type = "AWS::ApiGateway::Deployment"
    honoured = words("RestApiId Description StageName")
    required = words("RestApiId")
    replaces = words("RestApiId")
    attributes = words("DeploymentId")

    def create(self, env: Env, properties: Json) -> Made:
        made = env.region.gateway.put_deployment(properties["RestApiId"], properties)
        # SAM's templates name the stage "Stage" here (a stage nobody uses) and declare the real one by itself.
        stage = properties.get("StageName")
        if stage:
            env.region.gateway.put_stage(properties["RestApiId"], stage, {"DeploymentId": made})
        return Made(made, {"DeploymentId": made})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_deployment(properties["RestApiId"], made.physical_id)


class Stage(Handler):
    type = "AWS::ApiGateway::Stage"
    honoured = words("RestApiId StageName DeploymentId Description Variables MethodSettings AccessLogSetting Tags")
    recorded = words("TracingEnabled DocumentationVersion")
    required = words("RestApiId StageName DeploymentId")
    replaces = words("RestApiId StageName")

    def check(self, properties: Json) -> Iterator[str]:
        settings = properties.get("MethodSettings")
        for index, setting in enumerate(settings if isinstance(settings, list) else []):
            yield from unsupported(
                f"MethodSettings[{index}]",
                setting,
                "HttpMethod ResourcePath ThrottlingRateLimit ThrottlingBurstLimit MetricsEnabled LoggingLevel DataTraceEnabled",
            )

    def create(self, env: Env, properties: Json) -> Made:
        env.region.gateway.put_stage(properties["RestApiId"], properties["StageName"], properties)
        return Made(properties["StageName"])

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return self.create(env, new)

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_stage(properties["RestApiId"], made.physical_id)


class ApiKey(Handler):
    type = "AWS::ApiGateway::ApiKey"
    honoured = words("Name Description Enabled Value GenerateDistinctId StageKeys Tags")
    recorded = words("CustomerId")
    replaces = words("Name Value GenerateDistinctId")
    attributes = words("APIKeyId")
    name_property = "Name"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("Name") or env.name()
        made = env.region.gateway.put_api_key(None, {**properties, "Name": name})
        return Made(made, {"APIKeyId": made})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.region.gateway.put_api_key(made.physical_id, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_api_key(made.physical_id)


class UsagePlan(Handler):
    type = "AWS::ApiGateway::UsagePlan"
    honoured = words("UsagePlanName Description ApiStages Quota Throttle Tags")
    attributes = words("Id")
    name_property = None

    def check(self, properties: Json) -> Iterator[str]:
        stages = properties.get("ApiStages")
        for index, stage in enumerate(stages if isinstance(stages, list) else []):
            yield from unsupported(f"ApiStages[{index}]", stage, "ApiId Stage")

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("UsagePlanName") or env.name()
        made = env.region.gateway.put_usage_plan(None, {**properties, "UsagePlanName": name})
        return Made(made, {"Id": made})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.region.gateway.put_usage_plan(made.physical_id, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_usage_plan(made.physical_id)


class UsagePlanKey(Handler):
    type = "AWS::ApiGateway::UsagePlanKey"
    honoured = required = replaces = words("KeyId KeyType UsagePlanId")
    attributes = words("Id")

    def check(self, properties: Json) -> Iterator[str]:
        yield from expects("KeyType", properties.get("KeyType"), "API_KEY")

    def create(self, env: Env, properties: Json) -> Made:
        env.region.gateway.put_usage_plan_key(properties["UsagePlanId"], properties["KeyId"])
        made = f"{properties['KeyId']}:{properties['UsagePlanId']}"
        return Made(made, {"Id": made})

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_usage_plan_key(properties["UsagePlanId"], properties["KeyId"])


class Account(Handler):
    """The account-wide logging role: the region writes its own logs, so it is only recorded."""

    type = "AWS::ApiGateway::Account"
    honoured = frozenset()
    recorded = words("CloudWatchRoleArn")
    attributes = words("Id")

    def create(self, env: Env, properties: Json) -> Made:
        return Made(env.name(), {"Id": env.name()})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        """Nothing was made."""


class GatewayResponse(Handler):
    type = "AWS::ApiGateway::GatewayResponse"
    honoured = words("RestApiId ResponseType ResponseParameters ResponseTemplates StatusCode")
    required = words("RestApiId ResponseType")
    replaces = words("RestApiId ResponseType")
    attributes = words("Id")

    def create(self, env: Env, properties: Json) -> Made:
        env.region.gateway.put_gateway_response(properties["RestApiId"], properties["ResponseType"], properties)
        return Made(env.name(), {"Id": env.name()})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.region.gateway.put_gateway_response(new["RestApiId"], new["ResponseType"], new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.gateway.delete_gateway_response(properties["RestApiId"], properties["ResponseType"])
