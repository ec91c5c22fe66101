"""What the services ask of what serves: endpoints, how often they are called, what watches and scales them.

The rest, and which errors there are: ``sluicegate.ports``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True)
class EndpointState:
    """``status`` as SageMaker says it. Of an update under way: ``pending_config`` is where it leads, ``stage`` what is
    done now, in words, ``baking_since`` when the last shift of traffic was over and the waiting began."""

    name: str
    status: str
    config: str
    pending_config: str | None = None
    baking_since: datetime | None = None
    stage: str = ""
    failure_reason: str = ""
    created: datetime | None = None
    arn: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)  # of the variants that serve: what was asked for last
    instances: Mapping[str, int] = field(default_factory=dict)  # the same; none of a serverless variant

    @property
    def free(self) -> bool:
        return self.status == "InService"

    @property
    def broken(self) -> bool:
        """Only deleting it helps."""
        return self.status in ("Failed", "OutOfService", "UpdateRollbackFailed")


@dataclass(frozen=True)
class Serverless:
    memory_mb: int
    max_concurrency: int


@dataclass(frozen=True)
class Instances:
    """``most``: autoscaling goes up to so many, at ``requests`` a minute for each. ``capture``: percent of the requests
    that SageMaker writes to ``capture_to``."""

    type: str
    count: int
    most: int | None = None
    requests: int = 0
    capture: int = 0
    capture_to: str = ""


@dataclass(frozen=True)
class VariantSpec:
    """A production variant. SageMaker sends it its ``weight`` over the sum of all, of the requests that name none."""

    name: str
    model_name: str
    size: Serverless | Instances
    weight: float = 1.0


#: of a guarded update, in seconds
LONGEST_UPDATE = 28_800
_TERMINATION_SECONDS, _START_SECONDS = 120, 1800


@dataclass(frozen=True)
class BlueGreen:
    """SageMaker's own guarded update. ``strategy``: all_at_once | canary | linear; ``percent`` is the first share, or
    each step; each is kept for ``wait_seconds``; an alarm of ``alarms`` takes the update back."""

    strategy: str
    percent: int
    wait_seconds: int
    alarms: Sequence[str]

    @property
    def termination_seconds(self) -> int:
        """How long the old fleet stays after it lost all traffic; alarms still count then."""
        return self.wait_seconds if self.strategy == "all_at_once" else _TERMINATION_SECONDS

    @property
    def longest_seconds(self) -> int:
        """When it has to be over: fleets that come up slowly get half an hour beside the waits. More than
        ``LONGEST_UPDATE`` SageMaker doesn't give."""
        waits = -(-100 // self.percent) if self.strategy == "linear" else 1
        return waits * self.wait_seconds + self.termination_seconds + _START_SECONDS


class Endpoints(Protocol):
    def create_config(self, name: str, variants: Sequence[VariantSpec], tags: Mapping[str, str]) -> None:
        """Data are captured, of all variants, as the first one's size says. Raises ``AlreadyExists``."""

    def config_variant(self, name: str) -> str: ...  # NotFound
    def delete_config(self, name: str) -> None: ...  # NotFound
    def endpoint(self, name: str) -> EndpointState: ...  # NotFound
    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None: ...  # AlreadyExists
    def update(self, name: str, config: str, guard: BlueGreen | None = None, keep: bool = False) -> None:
        """``keep``: variants that stay keep their weight and as many instances as they have now. Raises ``Conflict``
        while the endpoint is busy."""

    def weigh(self, name: str, weights: Mapping[str, float]) -> None: ...  # by variant; Conflict: busy
    def delete(self, name: str) -> None: ...
    def tags(self, arn: str) -> Mapping[str, str]: ...


class Calls(Protocol):
    """How often a variant of an endpoint was called, as far as it is known yet."""

    def count(self, endpoint: str, variant: str, since: datetime, until: datetime) -> int: ...


@dataclass(frozen=True)
class AlarmSpec:
    """Raised when ``statistic`` (Sum, Maximum, p99) of one of the last ``minutes`` reaches ``threshold``; silence is
    good."""

    name: str
    description: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    threshold: float
    minutes: int = 1


@dataclass(frozen=True)
class AlarmState:
    name: str
    value: str  # OK | ALARM | INSUFFICIENT_DATA
    reason: str = ""


class Alarms(Protocol):
    def put(self, spec: AlarmSpec, tags: Mapping[str, str]) -> None: ...
    def states(self, names: Sequence[str]) -> list[AlarmState]: ...  # of those that there are
    def delete(self, names: Sequence[str]) -> None: ...  # those that there are
    def latency_ms(self, endpoint: str, variant: str, until: datetime, span: timedelta) -> float | None:
        """The 99th percentile of the model's latency over ``span``; None when nothing was asked."""


class Scaling(Protocol):
    def keep(self, endpoint: str, variant: str, minimum: int, maximum: int, requests: int) -> None: ...
    def stop(self, endpoint: str, variant: str) -> None: ...  # one that doesn't scale is stopped
