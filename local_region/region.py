"""Builds every part of the local region, starts them in order and stops them in the reverse order."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from local_region.clock import RegionClock
from local_region.ports import (
    Alarms,
    AwsService,
    Clock,
    EventBus,
    Functions,
    Gateway,
    Identities,
    RegionConfig,
)
from local_region.state import StartupError
from local_region.timeline import Timekeeper, Timeline

log = logging.getLogger(__name__)

#: where CloudFormation packages (``sam deploy --s3-bucket``, ``make up``) go
DEPLOYMENTS_BUCKET = "sluicegate-deployments"
#: the owner's credentials; anything that isn't a role's key is the owner's
OWNER_KEY = "LOCALREGIONOWNER0000"
OWNER_SECRET = "local-region-owner-secret"  # noqa: S105 - it guards nothing, see identities

#: part → class, in the order in which they start: each may use those before it
_PARTS = {
    "identities": "local_region.identities.service:IdentitiesService",
    "bus": "local_region.events.bus:EventBusService",
    "functions": "local_region.functions.service:FunctionsService",
    "subscriptions": "local_region.stores.subscriptions:Subscriptions",
    "gateway": "local_region.gateway.service:GatewayService",
    "alarms": "local_region.alarms.service:AlarmsService",
    "sagemaker": "local_region.sagemaker.service:SageMakerService",
    "autoscaling": "local_region.autoscaling.service:AutoscalingService",
    "sagemaker_runtime": "local_region.sagemaker.runtime:SageMakerRuntimeService",
    "cloudformation": "local_region.cloudformation.service:CloudFormationService",
}


class LocalRegion:
    """``ports.Region``. ``start`` returns when the port answers."""

    def __init__(self, config: RegionConfig) -> None:
        self.config = config
        self._time = RegionClock(config.state_dir / "clock.json")
        self.clock: Clock = self._time
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()
        self._session: Any = None
        self._started: list[tuple[str, Callable[[], None]]] = []

        from local_region.front.moto_gate import configure

        configure(config)
        # From here on moto may be imported: it has read its settings.
        from local_region.front.recent import RecentCalls, RecentEvents
        from local_region.processes.service import ZygoteProcesses
        from local_region.stores.logs import MotoLogs
        from local_region.stores.metrics import MotoMetrics
        from local_region.stores.moto_time import follow
        from local_region.stores.objects import MotoObjects

        follow(self.clock)
        self.objects = MotoObjects(config)
        self.logs = MotoLogs(config, self.clock)
        self.metrics = MotoMetrics(config, self.clock)
        self.processes = ZygoteProcesses()
        self.recent = RecentEvents(self.clock)
        self.calls = RecentCalls(self.clock)
        self.events: EventBus = self.recent
        self.parts = {name: _build(name, target, self) for name, target in _PARTS.items()}
        self.recent.bus = self.parts["bus"]
        self.identities = cast("Identities", self.parts["identities"])
        self.functions = cast("Functions", self.parts["functions"])
        self.gateway = cast("Gateway", self.parts["gateway"])
        self.alarms = cast("Alarms", self.parts["alarms"])
        self.timeline = Timeline(self._time, self._timekeepers)

    def start(self) -> None:
        """Listen, then start the parts. On an error everything that was started is stopped again."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        from local_region.front.server import HttpServer
        from local_region.stores.objects import join_parts_on_disk, spool_objects

        began = time.perf_counter()
        spool_objects()
        join_parts_on_disk()
        self.processes.warm("function")
        self._started.append(("processes", self.processes.stop))
        front = self._front()
        server = HttpServer(front, self.config.host, self.config.port)
        self._started.append(("http", server.stop))
        self.objects.create_bucket(DEPLOYMENTS_BUCKET, self.config.region_name)
        for name, part in self.parts.items():
            part.start()
            self._started.append((name, part.stop))
        server.start()
        self.processes.warm("xgboost")
        log.info("listening on %s after %.2f s", self.config.endpoint, time.perf_counter() - began)

    def _timekeepers(self) -> list[Timekeeper]:
        return [cast("Timekeeper", part) for part in self.parts.values() if hasattr(part, "next_due")]

    def stop(self) -> None:
        """Stop everything that was started, the last first; one part's failure doesn't keep the others running."""
        self.timeline.stop()
        # The server before all others: no new work while its workers are taken down.
        order = self._started[::-1]
        order.sort(key=lambda item: item[0] != "http")
        for name, stop in order:
            try:
                stop()
            except Exception:
                log.exception("stopping %s failed", name)
        self._started.clear()

    def client(self, service: str) -> Any:
        """A boto3 client onto this region as its owner; made once for each service, safe to share among threads."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = self._new_client(service)
            return self._clients[service]

    def _new_client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        if self._session is None:
            self._session = boto3.Session(
                aws_access_key_id=OWNER_KEY,
                aws_secret_access_key=OWNER_SECRET,
                region_name=self.config.region_name,
            )
        settings = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, max_pool_connections=50)
        return self._session.client(service, endpoint_url=self.config.endpoint, config=settings)

    def _front(self) -> Any:
        from local_region.front.app import Front
        from local_region.front.control import Control
        from local_region.front.downloads import Downloads
        from local_region.front.moto_gate import MotoGate
        from local_region.front.own import OwnService
        from local_region.front.s3_events import ObjectEvents

        object_events = ObjectEvents(self.recent.publish, self.config.account_id)
        object_events.install()
        moto = MotoGate(self.config.account_id, self.config.region_name)
        own = [cast("AwsService", part) for part in self.parts.values() if hasattr(part, "operations")]
        runtime = self.parts["sagemaker_runtime"]
        kept = {"sagemaker": self.calls}
        return Front(
            bound_host=self.config.host,
            region_name=self.config.region_name,
            control=Control(self.config, self.timeline, self.recent, self.calls, self.processes.running),
            services={part.service: OwnService(part, self.identities, kept.get(part.service)) for part in own},
            invoke_endpoint=runtime.invoke_raw,
            gateway=cast("Any", self.gateway).wsgi,
            moto=moto,
            downloads=Downloads(self.objects, moto),
            identities=self.identities,
            object_events=object_events,
            recent=self.recent,
            before_metrics=self.metrics.flush,
        )


def _build(name: str, target: str, region: LocalRegion) -> Any:
    """Parts are imported here, after moto has its settings."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)(region)
    except ImportError as error:
        raise StartupError(f"its {name} can't be loaded ({error}); install requirements/region.txt") from error
