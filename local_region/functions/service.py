"""Lambda (``ports.Functions`` and the AWS service ``lambda``)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import IO

from local_region.events.targets import Deliverer
from local_region.functions import api, sqs_store
from local_region.functions.asynchronous import AsyncCalls, Settings
from local_region.functions.fleet import Fleet
from local_region.functions.mappings import Mappings
from local_region.functions.measuring import Measuring
from local_region.functions.model import MAX_ASYNC_PAYLOAD, MAX_SYNC_PAYLOAD, Function
from local_region.functions.registry import Registry
from local_region.functions.worker import Invocation, LogWriter
from local_region.ports import AwsError, AwsRequest, FunctionSpec, InvocationResult, Json, Region

#: how long a caller who asked for the log waits for its last line (seconds)
_TAIL_SECONDS = 2.0


class FunctionsService:
    """Functions in processes of their own; see ``ports.Functions`` for the methods that other parts use."""

    service = "lambda"

    def __init__(self, region: Region) -> None:
        self._region = region
        self._started = False

    def start(self) -> None:
        """Ready to take functions. Runs until ``stop``."""
        region = self._region
        sqs_store.install()  # at once: moto's queues are used by many threads before a mapping reads one
        self.registry = Registry(region)
        self._logs = LogWriter(region)
        self.fleet = Fleet(region, self._logs)
        self._measuring = Measuring(region)
        deliverer = Deliverer(region, self._forward)
        self._calls = AsyncCalls(
            region, self._settings, self._attempt, deliverer, dropped=self._measuring.event_dropped
        )
        self.mappings = Mappings(region, self._batch)
        self._operations = api.operations(self)
        for part in (self._logs, self.fleet, self._calls):
            part.start()
        self._started = True

    def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        for part in (self.mappings, self._calls, self.fleet, self._logs):
            part.stop()

    # timeline.Timekeeper

    def next_due(self, until: datetime) -> datetime | None:
        del until
        if not self._started:
            return None
        dues = [due for due in (self._calls.next_due(), self.mappings.next_due()) if due is not None]
        return min(dues, default=None)

    def catch_up(self) -> None:
        if self._started:
            sqs_store.clock_moved()
            self._calls.catch_up()

    def busy(self) -> list[str]:
        if not self._started:
            return []
        logging = ["the functions' logs"] if self._logs.pending else []
        return [*self._calls.busy(), *self.mappings.busy(), *logging]

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return self._operations if self._started else api.operations(self)

    # Functions and what belongs to them

    def put_function(self, spec: FunctionSpec) -> str:
        function = self.registry.put(spec)
        self.fleet.retire(spec.name, function.revision)
        return function.arn

    def configure(self, function: Function, spec: FunctionSpec) -> Function:
        """A new configuration for the same code."""
        changed = self.registry.configure(function, spec)
        self.fleet.retire(spec.name, changed.revision)
        return changed

    def delete_function(self, name: str) -> None:
        function = self.registry.delete(name)
        self.mappings.function_deleted(function.spec.name)
        self.fleet.retire(function.spec.name, None)

    def publish_layer(self, name: str, content_zip: Callable[[], IO[bytes]], properties: Json) -> str:
        return self.registry.publish_layer(name, content_zip, properties).arn

    def delete_layer_version(self, arn: str) -> None:
        self.registry.delete_layer(arn)

    def put_event_source_mapping(self, mapping_id: str | None, properties: Json) -> str:
        function = self.registry.find(str(properties["FunctionName"]))
        return self.mappings.put(mapping_id, properties, function).mapping_id

    def delete_event_source_mapping(self, mapping_id: str) -> None:
        self.mappings.delete(mapping_id)

    def put_invoke_config(self, function_name: str, properties: Json) -> None:
        self.registry.put_invoke_config(function_name, properties)

    def delete_invoke_config(self, function_name: str) -> None:
        self.registry.delete_invoke_config(function_name)

    def add_permission(self, function_name: str, statement_id: str, properties: Json) -> None:
        self.registry.add_permission(function_name, statement_id, properties)

    def remove_permission(self, function_name: str, statement_id: str) -> None:
        self.registry.remove_permission(function_name, statement_id)

    def permits(self, name_or_arn: str, service: str, source_arn: str) -> bool:
        """Whether the function's resource policy lets ``service`` invoke it for ``source_arn``."""
        return self.registry.permits(name_or_arn, service, source_arn)

    # Calls

    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
        return self.invoke_now(self.registry.find(name_or_arn), payload)

    def invoke_now(
        self,
        function: Function,
        payload: bytes,
        request_id: str | None = None,
        patience: float | None = None,
        with_tail: bool = False,
        client_context: str = "",
    ) -> InvocationResult:
        """One call. ``patience``: seconds to wait for a place; None for a synchronous caller's."""
        if len(payload) > MAX_SYNC_PAYLOAD:
            raise too_large(MAX_SYNC_PAYLOAD)
        call = Invocation(request_id or str(uuid.uuid4()), payload or b"{}", client_context)
        try:
            self.fleet.run(function, call, patience)
        except AwsError as error:
            if error.code == "TooManyRequestsException":
                self._measuring.throttled(function.spec.name)
            raise
        self._measuring.ran(function.spec.name, call)
        tail = ""
        if with_tail:
            call.logged.wait(_TAIL_SECONDS)
            tail = call.tail()
        return InvocationResult(call.answer, call.error, log_tail=tail)

    def invoke_async(self, name_or_arn: str, payload: bytes) -> None:
        self.queue(self.registry.find(name_or_arn), payload)

    def queue(self, function: Function, payload: bytes) -> str:
        """Accept an asynchronous call; returns its request id."""
        if len(payload) > MAX_ASYNC_PAYLOAD:
            raise too_large(MAX_ASYNC_PAYLOAD)
        request_id = str(uuid.uuid4())
        self._measuring.event_received(function.spec.name)
        self._calls.put(function.spec.name, payload or b"{}", request_id)
        return request_id

    def head_object(self, bucket: str, key: str) -> None:
        """``KeyError`` when there is no such object."""
        self._region.objects.head(bucket, key)

    def open_object(self, bucket: str, key: str) -> IO[bytes]:
        return self._region.objects.open(bucket, key)

    def _settings(self, name: str) -> Settings | None:
        function = self.registry.get(name)
        return None if function is None else Settings(function, self.registry.invoke_config(name) or {})

    def _attempt(self, function: Function, payload: bytes, request_id: str) -> InvocationResult:
        return self.invoke_now(function, payload, request_id)

    def _batch(self, name: str, payload: bytes, patience: float) -> InvocationResult:
        function = self.registry.find(name)
        # The call must be over before its messages become visible again.
        return self.invoke_now(function, payload, patience=max(patience - function.spec.timeout, 1.0))

    def _forward(self, bus: str, envelope: Json) -> None:
        self._region.client("events").put_events(
            Entries=[
                {
                    "EventBusName": bus,
                    "Source": envelope["source"],
                    "DetailType": envelope["detail-type"],
                    "Resources": envelope["resources"],
                    "Detail": json.dumps(envelope["detail"]),
                }
            ]
        )


def too_large(limit: int) -> AwsError:
    return AwsError(
        "RequestTooLargeException", f"Request must be smaller than {limit} bytes for the InvokeFunction operation", 413
    )
