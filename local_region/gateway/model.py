"""APIs, stages, keys and usage plans as the region keeps them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local_region.gateway.definition import Definition, GatewayResponse
from local_region.gateway.routing import Routes
from local_region.ports import Json


class TokenBucket:
    """``rate`` tokens a second, at most ``burst`` at once. Thread-safe; the time is monotonic seconds."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._tokens, self._at = burst, time.monotonic()
        self._lock = threading.Lock()

    def take(self, now: float | None = None) -> bool:
        """Whether there was a token to take at ``now`` (default: the monotonic clock)."""
        at = time.monotonic() if now is None else now
        with self._lock:
            self._tokens = min(self.burst, self._tokens + max(0.0, at - self._at) * self.rate)
            self._at = at
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True


def bucket_of(throttle: Mapping[str, Any] | None) -> TokenBucket | None:
    """The bucket for ``RateLimit``/``BurstLimit`` (a burst that isn't given is the rate, and at least one)."""
    if not throttle or ("RateLimit" not in throttle and "BurstLimit" not in throttle):
        return None
    burst = float(throttle.get("BurstLimit", max(1.0, float(throttle.get("RateLimit", 1)))))
    return TokenBucket(float(throttle.get("RateLimit", burst)), burst)


def period_start(now: datetime, period: str) -> datetime:
    """When the quota period of ``now`` began: midnight UTC, Sunday or the first of the month, as AWS counts."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "WEEK":
        return day - timedelta(days=(day.weekday() + 1) % 7)
    return day.replace(day=1) if period == "MONTH" else day


@dataclass
class Quota:
    """``limit`` requests of one key in one period."""

    limit: int
    period: str
    offset: int = 0
    _began: datetime | None = None
    _used: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, now: datetime) -> bool:
        began = period_start(now, self.period)
        with self._lock:
            if began != self._began:
                self._used = self.offset if self._began is None else 0
                self._began = began
            if self._used >= self.limit:
                return False
            self._used += 1
            return True


@dataclass
class ApiKey:
    id: str
    name: str
    value: str
    enabled: bool
    properties: Json
    created: datetime
    updated: datetime


class UsagePlan:
    """Who may call which stages how often. Buckets and quotas are each key's own."""

    def __init__(self, plan_id: str, properties: Json) -> None:
        self.id = plan_id
        self.keys: set[str] = set()
        self._lock = threading.Lock()
        self.configure(properties)

    def configure(self, properties: Json) -> None:
        self.properties = properties
        self.name = str(properties.get("UsagePlanName", self.id))
        self.stages = {(str(item["ApiId"]), str(item["Stage"])) for item in properties.get("ApiStages") or []}
        self._buckets: dict[str, TokenBucket | None] = {}
        self._quotas: dict[str, Quota | None] = {}

    def bucket(self, key_id: str) -> TokenBucket | None:
        with self._lock:
            if key_id not in self._buckets:
                self._buckets[key_id] = bucket_of(self.properties.get("Throttle"))
            return self._buckets[key_id]

    def quota(self, key_id: str) -> Quota | None:
        with self._lock:
            if key_id not in self._quotas:
                given = self.properties.get("Quota")
                limits = (
                    Quota(int(given["Limit"]), str(given.get("Period", "DAY")), int(given.get("Offset", 0)))
                    if given and "Limit" in given
                    else None
                )
                self._quotas[key_id] = limits
            return self._quotas[key_id]


@dataclass
class Deployed:
    """An API as it was when it was deployed."""

    id: str
    definition: Definition
    routes: Routes
    description: str
    created: datetime


@dataclass
class Stage:
    name: str
    deployed: Deployed
    properties: Json
    created: datetime
    updated: datetime
    #: (resource path or *, verb or *) → bucket
    throttles: dict[tuple[str, str], TokenBucket]

    @property
    def variables(self) -> dict[str, str] | None:
        return {key: str(value) for key, value in (self.properties.get("Variables") or {}).items()} or None

    def throttle(self, path: str, verb: str) -> TokenBucket | None:
        if not self.throttles:
            return None
        return self.throttles.get((path, verb)) or self.throttles.get((path, "*")) or self.throttles.get(("*", "*"))


@dataclass
class RestApi:
    id: str
    name: str
    properties: Json
    definition: Definition
    created: datetime
    deployments: dict[str, Deployed] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    #: from AWS::ApiGateway::GatewayResponse; the body's own are in the definition
    responses: dict[str, GatewayResponse] = field(default_factory=dict)


def stage_throttles(properties: Json) -> dict[tuple[str, str], TokenBucket]:
    """The buckets of ``MethodSettings``. ``/*`` stands for every path; ``~1`` for a slash in paths."""
    buckets = {}
    for setting in properties.get("MethodSettings") or []:
        given = {
            "RateLimit" if name == "ThrottlingRateLimit" else "BurstLimit": setting[name]
            for name in ("ThrottlingRateLimit", "ThrottlingBurstLimit")
            if name in setting
        }
        bucket = bucket_of(given)
        if bucket is not None:
            path = str(setting.get("ResourcePath", "/*")).replace("~1", "/")
            path = "*" if path in ("/*", "*") else "/" + path.strip("/")
            buckets[path, str(setting.get("HttpMethod", "*")).upper()] = bucket
    return buckets
