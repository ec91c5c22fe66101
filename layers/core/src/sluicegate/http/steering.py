"""The routes that change something: a table of method and path → what is done. Each needs the admin key.

A route gets a ``Call`` and returns a status and JSON. Errors of the services become problems here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sluicegate.domain.errors import Conflict, NotFound, Transient, UserError
from sluicegate.http.answers import Json, Problem, answer
from sluicegate.http.requests import Request, request_id_of
from sluicegate.services.catalog import shaped
from sluicegate.services.steer import By, Decided, NotPossible, Steer

_LARGEST_BODY = 64 * 1024
_LONGEST = {"who": 100, "why": 500}
_LARGEST_VERSION = 999_999


@dataclass(frozen=True)
class Call:
    """``body`` is the request's JSON without who and why, ``now`` when it came in."""

    parameters: Mapping[str, str]
    body: Json
    by: By
    now: datetime

    @property
    def model(self) -> str:
        return self.parameters["model"]

    @property
    def version(self) -> int:
        given = self.parameters["version"]
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= _LARGEST_VERSION):
            raise Problem(
                400, f"A version is a whole number from 1 to {_LARGEST_VERSION:,} such as 3, not {given[:40]!r}."
            )
        return int(given)


@dataclass(frozen=True)
class Route:
    """``keys`` are those that the body may have beside who and why; None leaves that to ``run``."""

    run: Callable[[Call], tuple[int, Json]]
    keys: frozenset[str] | None = field(default_factory=frozenset)


Routes = Mapping[tuple[str, str], Route]


def version_routes(steer: Steer) -> dict[tuple[str, str], Route]:
    def told(call: Call, decided: Decided) -> tuple[int, Json]:
        body = {"model": call.model, "done": decided.done, "message": decided.message}
        return (202 if decided.done else 200), body | {"version": shaped("version", decided.version)}

    path = "/models/{model}/versions/{version}"
    return {
        ("POST", f"{path}/approve"): Route(lambda c: told(c, steer.approve(c.model, c.version, c.by, c.now))),
        ("POST", f"{path}/reject"): Route(lambda c: told(c, steer.reject(c.model, c.version, c.by, c.now))),
        ("POST", f"{path}/deploy"): Route(lambda c: told(c, steer.deploy(c.model, c.version, c.by, c.now))),
    }


def handle(event: Mapping[str, Any], routes: Routes, admin_key: str, log: Callable[[Json], None]) -> Json:
    """The proxy answer; ``log`` gets one line a request. ``admin_key`` is the id of the key that may change things."""
    line: Json = {"request_id": request_id_of(event)}
    try:
        request = Request(event)
        line |= {"method": request.method, "path": request.path[:200]}
        caller = _caller(event, admin_key)
        line["caller"] = caller
        status, body = _run(request, routes, caller)
    except Problem as problem:
        log(line | {"status": problem.status, "detail": problem.detail[:300]})
        return problem.to_answer(request_id_of(event))
    log(line | {"status": status})
    return answer(status, body)


def _caller(event: Mapping[str, Any], admin_key: str) -> str:
    """Who calls: API Gateway says which key it accepted, or whose signature."""
    identity = (event.get("requestContext") or {}).get("identity") or {}
    if identity.get("userArn"):
        return str(identity["userArn"])
    if admin_key and identity.get("apiKeyId") == admin_key:
        return f"admin key {admin_key}"
    raise Problem(
        403,
        "This changes what serves: it needs the admin key, and the key of this request is another. Its id is the "
        "stack's output AdminApiKeyId; aws apigateway get-api-key --include-value --api-key <id> shows it.",
        title="Admin key needed",
    )


def _run(request: Request, routes: Routes, caller: str) -> tuple[int, Json]:
    route, parameters = _find(request, routes)
    body = _body(request)
    given = {name: _text(body.pop(name, ""), name) for name in ("who", "why")}
    if route.keys is not None:
        unknown = sorted(set(body) - route.keys)
        if unknown:
            accepted = ", ".join(["why", "who", *sorted(route.keys)])
            raise Problem(400, f"Unknown in the body: {unknown[0][:60]!r}; accepted are {accepted}.")
    by = By(f"{given['who']} ({caller})" if given["who"] else caller, given["why"])
    call = Call(parameters, body, by, datetime.fromtimestamp(request.time_ms / 1000, UTC))
    try:
        return route.run(call)
    except NotFound as error:
        what = f"There is no model {call.parameters.get('model', '')[:80]!r}"
        version = call.parameters.get("version")
        detail = f"{what}." if version is None else f"{what}, or it has no version {version[:10]}."
        raise Problem(404, f"{detail} GET models lists the models.") from error
    except NotPossible as error:
        raise Problem(409, str(error)[:1000], title="Not possible") from error
    except UserError as error:
        raise Problem(400, f"{error.detail} {error.remedy}".strip()[:2000], title=error.title) from error
    except (Transient, Conflict) as error:
        raise Problem(503, f"It could not be done now: {error}"[:300], headers={"Retry-After": "2"}) from error


def _find(request: Request, routes: Routes) -> tuple[Route, dict[str, str]]:
    others = []
    for (method, template), route in routes.items():
        parameters = _match(template, request.segments)
        if parameters is None:
            continue
        if method == request.method:
            return route, parameters
        others.append(method)
    if others:
        allowed = ", ".join(sorted(others))
        raise Problem(405, f"{request.method} is not possible here, only {allowed}.", headers={"Allow": allowed})
    raise Problem(404, f"There is nothing at {request.path[:200]}. GET openapi.json lists what there is.")


def _match(template: str, segments: list[str]) -> dict[str, str] | None:
    parts = [part for part in template.split("/") if part]
    if len(parts) != len(segments):
        return None
    found: dict[str, str] = {}
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            found[part.strip("{}")] = segment
        elif part != segment:
            return None
    return found


def _body(request: Request) -> Json:
    raw = request.body(_LARGEST_BODY)
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Problem(400, f"The body is not JSON: {error}"[:300]) from error
    if not isinstance(body, dict):
        raise Problem(400, 'The body is no JSON object; accepted is one such as {"why": "better on new customers"}.')
    return body


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST[name] or not value.isprintable():
        raise Problem(400, f"{name}: accepted is text on one line of at most {_LONGEST[name]} characters.")
    return value.strip()
