"""EventBridge: events matched with rules and delivered to their targets (``ports.EventBus``).

moto stores buses, rules and targets and matches patterns; it never delivers (see ``silence_moto``).
"""

from __future__ import annotations

import copy
import json
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from moto.core.exceptions import JsonRESTError
from moto.events import models as moto_events

from local_region.events import envelope as shapes
from local_region.events.delivery import Delivery
from local_region.events.schedule import BadSchedule, parse
from local_region.events.scheduler import Scheduler
from local_region.events.targets import KINDS, Deliverer, kind_of
from local_region.ports import AwsError, AwsRequest, Json, Region

_log = logging.getLogger(__name__)
_THREADS = 4
_KEPT = 1000


@runtime_checkable
class _Permits(Protocol):
    def permits(self, name_or_arn: str, service: str, source_arn: str) -> bool: ...


def silence_moto() -> None:
    """moto's own delivery breaks on a Lambda target and ignores half of a target's settings: switch it off."""

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        del self, original_event, transform_input

    moto_events.Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


class EventBusService:
    """Takes over from moto what concerns delivery; the front sends moto the other operations."""

    service = "events"

    def __init__(self, region: Region) -> None:
        self._region = region
        self._recent: deque[Json] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._pending = 0  # deliveries accepted and not over, those that wait for another try included
        self._started = False

    def start(self) -> None:
        silence_moto()
        region = self._region
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="event-delivery")
        self._timers: set[threading.Timer] = set()
        self._deliverer = Deliverer(region, self._forward)
        self._scheduler = Scheduler(region.clock, self._schedules, self._fire)
        self._started = True
        self._scheduler.start()

    def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        self._scheduler.stop()
        with self._lock:
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # timeline.Timekeeper

    def next_due(self, until: datetime) -> datetime | None:
        del until
        return self._scheduler.next_due() if self._started else None

    def catch_up(self) -> None:
        if self._started:
            self._scheduler.catch_up()

    def busy(self) -> Iterable[str]:
        with self._lock:
            pending = self._pending
        return [f"{pending} deliveries of events"] if pending else []

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return {
            "PutEvents": self._put_events,
            "PutTargets": self._put_targets,
            "PutRule": self._put_rule,
            "ListRules": self._list_rules,
            "TestEventPattern": self._test_event_pattern,
        }

    @property
    def _backend(self) -> Any:
        config = self._region.config
        return moto_events.events_backends[config.account_id][config.region_name]

    # Events

    def publish(self, source: str, detail_type: str, detail: Json, resources: Sequence[str] = ()) -> None:
        """An event of an AWS service on the default bus, now."""
        self._accept("default", self._envelope(source, detail_type, detail, resources, self._region.clock.now()))

    def recent(self) -> list[Json]:
        """The last 1,000 events, oldest first: ``{event, bus, rules, deliveries: [{rule, target, arn, status,
        attempts, error}]}``; status is ``pending``, ``delivered``, ``dead-lettered`` or ``failed``."""
        with self._lock:
            return copy.deepcopy(list(self._recent))

    def _envelope(
        self, source: str, detail_type: str, detail: Json, resources: Sequence[str], moment: datetime
    ) -> Json:
        config = self._region.config
        return shapes.envelope(
            source, detail_type, detail, resources, moment, config.account_id, config.region_name, str(uuid.uuid4())
        )

    def _accept(self, bus_name: str, event: Json, only_rule: str | None = None) -> None:
        """Match and hand to the delivery threads. ``only_rule``: a scheduled rule's own event."""
        bus = self._backend.event_buses.get(bus_name)
        entry: Json = {"event": event, "bus": bus_name, "rules": [], "deliveries": []}
        rules = [] if bus is None else list(bus.rules.values())
        deliveries = []
        for rule in rules:
            if only_rule is not None:
                if rule.name != only_rule:
                    continue
            elif rule.state == "DISABLED" or rule.scheduled_expression or not rule.event_pattern.matches_event(event):
                continue
            entry["rules"].append(rule.name)
            for target in list(rule.targets):
                note = {"rule": rule.name, "target": target["Id"], "arn": target["Arn"], "status": "pending"}
                note |= {"attempts": 0, "error": None}
                entry["deliveries"].append(note)
                deliveries.append(Delivery(event, rule.name, rule.arn, copy.deepcopy(target), note))
        with self._lock:
            self._recent.append(entry)
            self._pending += len(deliveries)
        for delivery in deliveries:
            self._submit(delivery)

    def _submit(self, delivery: Delivery) -> None:
        if self._started:
            self._pool.submit(self._deliver, delivery)

    def _deliver(self, delivery: Delivery) -> None:
        try:
            delay = delivery.attempt(self._deliverer, self._permitted, self._region.config.retry_delays)
        except Exception as error:  # noqa: BLE001 - a bug in one delivery must not be lost in the pool
            _log.exception("delivery of %s to %s failed", delivery.event["id"], delivery.target["Arn"])
            delivery.note |= {"status": "failed", "error": str(error)}
            self._over()
            return
        if delay is None:
            if delivery.note["status"] == "failed":
                _log.error("%s: %s → %s: %s", *delivery.about())
            self._over()
            return

        def again() -> None:
            with self._lock:
                self._timers.discard(timer)
            self._submit(delivery)

        timer = threading.Timer(delay, again)
        timer.daemon = True
        with self._lock:
            self._timers.add(timer)
        timer.start()

    def _over(self) -> None:
        with self._lock:
            self._pending -= 1

    def _permitted(self, arn: str, rule_arn: str) -> bool:
        functions = self._region.functions
        if kind_of(arn) != "lambda" or not isinstance(functions, _Permits):
            return True
        return functions.permits(arn, "events.amazonaws.com", rule_arn)

    def _forward(self, bus: str, event: Json) -> None:
        """An event passed on to another bus (or made by a destination): what it lacks is filled in."""
        if bus not in self._backend.event_buses:
            raise AwsError("ResourceNotFoundException", f"Event bus {bus} does not exist.", 400)
        base = self._envelope(
            event["source"], event["detail-type"], event["detail"], event["resources"], self._region.clock.now()
        )
        self._accept(bus, {**base, **event})

    # Schedules

    def _schedules(self) -> list[tuple[str, str, bool]]:
        rules = list(self._backend.event_buses["default"].rules.values())
        return [
            (rule.name, rule.scheduled_expression, rule.state != "DISABLED")
            for rule in rules
            if rule.scheduled_expression
        ]

    def _fire(self, name: str, moment: datetime) -> None:
        rule = self._backend.event_buses["default"].rules.get(name)
        if rule is not None:
            event = self._envelope("aws.events", "Scheduled Event", {}, [rule.arn], moment)
            self._accept("default", event, only_rule=name)

    # The API

    def _put_events(self, request: AwsRequest) -> Json:
        entries = request.params["Entries"]
        if sum(shapes.entry_size(entry) for entry in entries) > shapes.MAX_ENTRIES_SIZE:
            raise AwsError("ValidationException", "Total size of the entries in the request is over the limit.")
        results = [self._put_event(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _put_event(self, entry: Json) -> Json:
        problem = shapes.entry_problem(entry)
        if problem is not None:
            return {"ErrorCode": problem[0], "ErrorMessage": problem[1]}
        if entry["Source"].startswith("aws."):
            text = "Source is not valid. Reason: only AWS services may use a source that begins with 'aws.'"
            return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": text}
        moment = entry.get("Time") or self._region.clock.now()
        resources = entry.get("Resources") or []
        event = self._envelope(entry["Source"], entry["DetailType"], json.loads(entry["Detail"]), resources, moment)
        bus = str(entry.get("EventBusName") or "default").rsplit("/", 1)[-1]
        self._accept(bus, event)  # AWS accepts, and drops, an event for a bus that doesn't exist
        return {"EventId": event["id"]}

    def _put_targets(self, request: AwsRequest) -> Json:
        params = request.params
        for target in params["Targets"]:
            if kind_of(target["Arn"]) is None:
                raise AwsError(
                    "ValidationException",
                    f"The local region can't deliver to {target['Arn']} (target {target['Id']}). "
                    f"It delivers to: {', '.join(KINDS)}.",
                )
            if sum(target.get(name) is not None for name in ("Input", "InputPath", "InputTransformer")) > 1:
                raise AwsError(
                    "ValidationException",
                    f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}.",
                )
        _moto(self._backend.put_targets, params["Rule"], params.get("EventBusName"), params["Targets"])
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _put_rule(self, request: AwsRequest) -> Json:
        params = request.params
        expression = params.get("ScheduleExpression")
        if expression:
            try:
                parse(expression)
            except BadSchedule as error:
                text = f"Parameter ScheduleExpression is not valid. {expression}: {error}."
                raise AwsError("ValidationException", text) from error
        rule = _moto(
            self._backend.put_rule,
            params["Name"],
            description=params.get("Description"),
            event_bus_arn=params.get("EventBusName"),
            event_pattern=params.get("EventPattern"),
            role_arn=params.get("RoleArn"),
            scheduled_expression=expression,
            state=params.get("State"),
            tags=params.get("Tags"),
        )
        if self._started:
            self._scheduler.wake()
        return {"RuleArn": rule.arn}

    def _list_rules(self, request: AwsRequest) -> Json:
        """moto's rules as DescribeRule has them; a list of them has no ``CreatedBy``."""
        params = request.params
        bus, prefix = params.get("EventBusName"), params.get("NamePrefix")
        rules, token = _moto(
            self._backend.list_rules,
            prefix=prefix,
            event_bus_arn=bus,
            next_token=params.get("NextToken"),
            limit=params.get("Limit"),
        )
        shown = [{name: value for name, value in rule.describe().items() if name != "CreatedBy"} for rule in rules]
        return {"Rules": shown, **({"NextToken": token} if token else {})}

    def _test_event_pattern(self, request: AwsRequest) -> Json:
        pattern = _moto(moto_events.EventPattern.load, request.params["EventPattern"])
        return {"Result": pattern.matches_event(json.loads(request.params["Event"]))}


def _moto(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call moto, its errors as ours."""
    try:
        return call(*args, **named)
    except JsonRESTError as error:
        raise AwsError(str(error.error_type), str(error.message)) from error
