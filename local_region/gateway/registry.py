"""What the gateway knows: APIs, keys, usage plans. Readers on the request path take no lock."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from local_region.gateway.definition import Definition, compile_body, gateway_response
from local_region.gateway.model import ApiKey, Deployed, RestApi, Stage, UsagePlan, stage_throttles
from local_region.gateway.routing import Routes
from local_region.ports import AwsError, Json

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def _missing(what: str) -> AwsError:
    return AwsError("NotFoundException", f"Invalid {what} identifier specified", 404)


class Registry:
    """Thread-safe for writers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._made = 0
        self.apis: dict[str, RestApi] = {}
        self.keys: dict[str, ApiKey] = {}
        self.plans: dict[str, UsagePlan] = {}
        #: (key value, api id, stage) → what opens it; rebuilt whenever a key or plan changes
        self._doors: dict[tuple[str, str, str], tuple[ApiKey, UsagePlan]] = {}

    def _id(self, seed: str, length: int = 10) -> str:
        """Ten letters and digits; the same calls in the same order give the same ids, so addresses outlive restarts."""
        self._made += 1
        number = int.from_bytes(hashlib.sha256(f"{seed}/{self._made}".encode()).digest()[:16], "big")
        text = ""
        for _ in range(length):
            number, index = divmod(number, len(_LETTERS))
            text += _LETTERS[index]
        return text

    def api(self, api_id: str) -> RestApi:
        if api_id not in self.apis:
            raise _missing("API")
        return self.apis[api_id]

    def stage(self, api_id: str, name: str) -> Stage:
        stages = self.api(api_id).stages
        if name not in stages:
            raise _missing("stage")
        return stages[name]

    def key(self, key_id: str) -> ApiKey:
        if key_id not in self.keys:
            raise _missing("API Key")
        return self.keys[key_id]

    def plan(self, plan_id: str) -> UsagePlan:
        if plan_id not in self.plans:
            raise _missing("Usage Plan")
        return self.plans[plan_id]

    # -- APIs ---------------------------------------------------------------------------------------------------

    def put_api(self, api_id: str | None, name: str, properties: Json, body: Json) -> str:
        try:
            definition = self._identified(compile_body(body, properties))
        except ValueError as error:
            raise AwsError("BadRequestException", str(error)) from error
        with self._lock:
            if api_id is None:
                made = self._id(name)
                self.apis[made] = RestApi(made, name, properties, definition, self._now())
                return made
            api = self.api(api_id)
            api.name, api.properties, api.definition = name, properties, definition
            return api_id

    @staticmethod
    def _identified(definition: Definition) -> Definition:
        def resource_id(path: str) -> str:
            return hashlib.sha256(path.encode()).hexdigest()[:6]

        methods = tuple(replace(method, resource_id=resource_id(method.path)) for method in definition.methods)
        return replace(definition, methods=methods)

    def delete_api(self, api_id: str) -> None:
        with self._lock:
            self.api(api_id)
            del self.apis[api_id]

    def put_deployment(self, api_id: str, description: str) -> str:
        """Freeze the API as it is; stages serve deployments."""
        with self._lock:
            api = self.api(api_id)
            made = self._id(api_id, 6)
            routes = Routes(api.definition.methods)
            api.deployments[made] = Deployed(made, api.definition, routes, description, self._now())
            return made

    def delete_deployment(self, api_id: str, deployment_id: str) -> None:
        with self._lock:
            api = self.api(api_id)
            users = [stage.name for stage in api.stages.values() if stage.deployed.id == deployment_id]
            # SAM leaves a stage "Stage" behind that only its first deployment serves; it goes with the deployment.
            if users and users != ["Stage"]:
                raise AwsError(
                    "BadRequestException", "Active stages pointing to this deployment must be moved or deleted"
                )
            for name in users:
                del api.stages[name]
            if api.deployments.pop(deployment_id, None) is None:
                raise _missing("Deployment")

    def put_stage(self, api_id: str, name: str, properties: Json) -> None:
        with self._lock:
            api = self.api(api_id)
            deployment = properties.get("DeploymentId") or self.put_deployment(api_id, "")
            if deployment not in api.deployments:
                raise _missing("Deployment")
            before = api.stages.get(name)
            now = self._now()
            throttles = stage_throttles(properties)
            created = before.created if before else now
            api.stages[name] = Stage(name, api.deployments[deployment], properties, created, now, throttles)

    def delete_stage(self, api_id: str, name: str) -> None:
        with self._lock:
            self.stage(api_id, name)
            del self.api(api_id).stages[name]

    def put_response(self, api_id: str, kind: str, properties: Json) -> None:
        with self._lock:
            self.api(api_id).responses[kind] = gateway_response(properties)

    def delete_response(self, api_id: str, kind: str) -> None:
        with self._lock:
            if self.api(api_id).responses.pop(kind, None) is None:
                raise _missing("response type")

    # -- keys and plans -----------------------------------------------------------------------------------------

    def put_key(self, key_id: str | None, properties: Json) -> str:
        with self._lock:
            before = self.key(key_id) if key_id else None
            value = str(properties.get("Value") or (before.value if before else secrets.token_urlsafe(30)))
            if before is None and not 20 <= len(value) <= 128:
                raise AwsError("BadRequestException", "API Key value should be between 20 and 128 characters")
            if any(key.value == value and key is not before for key in self.keys.values()):
                raise AwsError("ConflictException", "API Key already exists", 409)
            name = str(properties.get("Name") or (before.name if before else ""))
            enabled = str(properties.get("Enabled", "false")).lower() == "true"
            made = key_id or self._id(f"key/{name}")
            now = self._now()
            self.keys[made] = ApiKey(made, name, value, enabled, properties, before.created if before else now, now)
            self._open()
            return made

    def delete_key(self, key_id: str) -> None:
        with self._lock:
            self.key(key_id)
            del self.keys[key_id]
            for plan in self.plans.values():
                plan.keys.discard(key_id)
            self._open()

    def put_plan(self, plan_id: str | None, properties: Json) -> str:
        with self._lock:
            for item in properties.get("ApiStages") or []:
                self.stage(str(item["ApiId"]), str(item["Stage"]))
            if plan_id is None:
                plan_id = self._id("plan", 6)
                self.plans[plan_id] = UsagePlan(plan_id, properties)
            else:
                plan = self.plan(plan_id)
                plan.configure({"UsagePlanName": plan.name, **properties})
            self._open()
            return plan_id

    def delete_plan(self, plan_id: str) -> None:
        with self._lock:
            self.plan(plan_id)
            del self.plans[plan_id]
            self._open()

    def put_plan_key(self, plan_id: str, key_id: str) -> None:
        with self._lock:
            self.key(key_id)
            self.plan(plan_id).keys.add(key_id)
            self._open()

    def delete_plan_key(self, plan_id: str, key_id: str) -> None:
        with self._lock:
            if key_id not in self.plan(plan_id).keys:
                raise _missing("Usage Plan Key")
            self.plan(plan_id).keys.discard(key_id)
            self._open()

    def _open(self) -> None:
        self._doors = {
            (self.keys[key_id].value, api_id, stage): (self.keys[key_id], plan)
            for plan in self.plans.values()
            for key_id in plan.keys
            if key_id in self.keys and self.keys[key_id].enabled
            for api_id, stage in plan.stages
        }

    def admission(self, value: str | None, api_id: str, stage: str) -> tuple[ApiKey, UsagePlan] | None:
        """The key and plan with which ``value`` opens a stage, or None."""
        return self._doors.get((value, api_id, stage)) if value else None
