"""Event source mappings that exist, and the sources at work for the enabled ones."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from local_region.functions import describe, sqs_store
from local_region.functions.model import Function
from local_region.functions.packages import invalid
from local_region.functions.sqs_records import check_mapping
from local_region.functions.sqs_source import SqsSource
from local_region.ports import AwsError, InvocationResult, Json, Region


@dataclass
class Mapping:
    mapping_id: str
    properties: Json  # CloudFormation's
    function: Function  # as it was when the mapping was made; only its name and ARN are used
    modified: datetime
    source: SqsSource | None = None

    def describe(self) -> Json:
        last = self.source.last_result if self.source else "No records processed"
        arn = self.function.arn
        return describe.mapping(self.mapping_id, self.properties, arn, self.source is not None, last, self.modified)


def _enabled(properties: Json) -> bool:
    return str(properties.get("Enabled", True)).lower() != "false"


class Mappings:
    """``call(function name, payload, patience)`` invokes synchronously."""

    def __init__(self, region: Region, call: Callable[[str, bytes, float], InvocationResult]) -> None:
        self._region = region
        self._call = call
        self._lock = threading.RLock()
        self._mappings: dict[str, Mapping] = {}

    def put(self, mapping_id: str | None, properties: Json, function: Function, create_only: bool = False) -> Mapping:
        """Create, or replace the mapping ``mapping_id``."""
        arn = str(properties.get("EventSourceArn") or "")
        if not arn.startswith("arn:") or arn.split(":")[2] != "sqs":
            raise invalid(f"The local region maps SQS queues only; {arn or 'no EventSourceArn'} is not supported.")
        config = self._region.config
        queues = sqs_store.Queues(config.account_id, config.region_name)
        try:
            queue = queues.get(arn)
        except AwsError as error:
            raise invalid(
                f"Error occurred while ReceiveMessage. SQS Error Code: {error.code}. SQS Error Message: {error.message}"
            ) from error
        check_mapping(properties, bool(queue.fifo_queue))
        if int(queue.visibility_timeout) < function.spec.timeout:
            raise invalid(
                f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than "
                f"Function timeout: {function.spec.timeout} seconds"
            )
        with self._lock:
            for other in self._mappings.values():
                same = (other.properties["EventSourceArn"], other.function.spec.name) == (arn, function.spec.name)
                if same and other.mapping_id != mapping_id and create_only:
                    raise AwsError(
                        "ResourceConflictException",
                        f'The event source arn ("{arn}") and function ("{function.spec.name}") provided mapping '
                        f"already exists. Please update or delete the existing mapping with UUID {other.mapping_id}",
                        409,
                        {"Type": "User"},
                    )
            mapping = Mapping(mapping_id or str(uuid.uuid4()), dict(properties), function, self._region.clock.now())
            previous = self._mappings.get(mapping.mapping_id)
            if previous and previous.source:
                previous.source.stop()
            if _enabled(properties):
                name = function.spec.name
                mapping.source = SqsSource(
                    queues,
                    properties,
                    config.region_name,
                    lambda payload, patience: self._call(name, payload, patience),
                    self._region.clock,
                )
                mapping.source.start()
            self._mappings[mapping.mapping_id] = mapping
        return mapping

    def get(self, mapping_id: str) -> Mapping:
        with self._lock:
            mapping = self._mappings.get(mapping_id)
        if mapping is None:
            raise AwsError(
                "ResourceNotFoundException", "The resource you requested does not exist.", 404, {"Type": "User"}
            )
        return mapping

    def all(self, function_name: str | None = None, source_arn: str | None = None) -> list[Mapping]:
        with self._lock:
            found = list(self._mappings.values())
        return [
            mapping
            for mapping in found
            if function_name in (None, mapping.function.spec.name)
            and source_arn in (None, mapping.properties["EventSourceArn"])
        ]

    def delete(self, mapping_id: str) -> Mapping:
        mapping = self.get(mapping_id)
        with self._lock:
            self._mappings.pop(mapping_id, None)
        self._stop(mapping)
        return mapping

    def function_deleted(self, name: str) -> None:
        """The mapping stays, as on Lambda, and polls no more."""
        for mapping in self.all(name):
            self._stop(mapping)

    @staticmethod
    def _stop(mapping: Mapping) -> None:
        source, mapping.source = mapping.source, None
        if source is not None:
            source.stop()

    # timeline.Timekeeper

    def next_due(self) -> datetime | None:
        dues = [due for _, source in self._sources() if (due := source.next_due()) is not None]
        return min(dues, default=None)

    def busy(self) -> list[str]:
        return [f"the queue of function {name}" for name, source in self._sources() if source.busy()]

    def _sources(self) -> list[tuple[str, SqsSource]]:
        return [
            (mapping.function.spec.name, source) for mapping in self.all() if (source := mapping.source) is not None
        ]

    def stop(self) -> None:
        for mapping in self.all():
            self._stop(mapping)
