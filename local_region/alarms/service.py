"""Evaluates metric alarms every few seconds and acts on what changes.

moto keeps alarms and answers for them, but leaves them in their first state for ever. ``start`` puts narrow hooks into
its classes, which ``stop`` takes out again: a new alarm begins in INSUFFICIENT_DATA (one that is put again keeps its
state), alarms that the region can't evaluate are refused, each change of a state comes to be acted on, and statistics
are of exactly the dimensions that were asked for.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch import models as moto_cloudwatch
from moto.cloudwatch.exceptions import ValidationError
from moto.sns.models import sns_backends

from local_region.alarms.evaluation import OPERATORS, STATISTICS, Rule, Sample, evaluate, may_breach
from local_region.alarms.messages import (
    Change,
    event_detail,
    function_payload,
    notification,
    reason_data,
    situation,
)
from local_region.alarms.sources import QUEUE_NAMESPACE, QueueMetrics
from local_region.events.targets import kind_of
from local_region.ports import Region
from local_region.stores.metrics import MetricKey, MotoMetrics

_log = logging.getLogger(__name__)
#: seconds between evaluations. CloudWatch's are a minute apart; nobody wants to wait that long here.
INTERVAL = 5.0
#: how often CloudWatch looks at an alarm, for one whose clock is moved ahead
_MINUTE = timedelta(minutes=1)
#: how far ahead the values of a queue are foreseen
_FORESEEN = timedelta(hours=2)
_NEVER = datetime.min.replace(tzinfo=UTC)
_PERCENTILE = re.compile(r"p(\d{1,2}(\.\d+)?|100)")
_ACTIONS = {"OK": "ok_actions", "ALARM": "alarm_actions", "INSUFFICIENT_DATA": "insufficient_data_actions"}


def unsupported(alarm: Mapping[str, Any]) -> str | None:
    """Why the region can't evaluate an alarm, given as ``put_metric_alarm``'s arguments; None when it can."""
    if alarm.get("rule"):
        return "composite alarms (AlarmRule)"
    if alarm.get("metric_data_queries") or alarm.get("threshold_metric_id"):
        return "alarms on Metrics (metric math, Metrics Insights, anomaly detection); give MetricName and Namespace"
    if alarm.get("comparison_operator") not in OPERATORS:
        return f"the ComparisonOperator {alarm.get('comparison_operator')} (one of anomaly detection)"
    if not (alarm.get("metric_name") and alarm.get("namespace") and alarm.get("period")):
        return "alarms without MetricName, Namespace and Period"
    wanted = alarm.get("statistic") or alarm.get("extended_statistic")
    if wanted not in STATISTICS and not _PERCENTILE.fullmatch(str(wanted)):
        return f"the statistic {wanted} (it has {', '.join(sorted(STATISTICS))} and percentiles such as p99)"
    return None


class AlarmsService:
    """One thread. It sleeps while there are no alarms."""

    def __init__(self, region: Region, interval: float = INTERVAL) -> None:
        self._region = region
        self._interval = interval
        self._queues = QueueMetrics(region)
        self._changes: deque[Change] = deque()
        self._looking = threading.Lock()
        self._went_off: dict[str, datetime] = {}  # by name, the last time
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._hooks: list[tuple[Any, str, Any]] = []

    def start(self) -> None:
        self._install()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2.0)
        while self._hooks:
            owner, name, original = self._hooks.pop()
            setattr(owner, name, original)

    # moto's side

    @property
    def _backend(self) -> Any:
        return moto_cloudwatch.cloudwatch_backends[self._region.config.account_id][self._region.config.region_name]

    def _hook(self, owner: type, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        self._hooks.append((owner, name, original))
        setattr(owner, name, functools.wraps(original)(make(original)))

    def _install(self) -> None:
        def putting(original: Any) -> Any:
            def put_metric_alarm(backend: Any, **alarm: Any) -> Any:
                reason = unsupported(alarm)
                if reason is not None:
                    raise ValidationError(f"The local region does not support {reason}.")
                before = backend.alarms.get(alarm["name"])
                made = original(backend, **alarm)
                if before is None:
                    made.state_value = "INSUFFICIENT_DATA"
                else:
                    for name in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
                        setattr(made, name, getattr(before, name))
                    made.history = before.history
                self._wake.set()
                return made

            return put_metric_alarm

        def updating(original: Any) -> Any:
            def update_state(alarm: Any, reason: str, reason_data: str, state_value: str) -> None:
                before = situation(alarm)
                original(alarm, reason, reason_data or "{}", state_value)
                if state_value == "ALARM":
                    self._went_off[alarm.name] = self._region.clock.now()
                if before.value != state_value:
                    self._changes.append(Change(alarm, before, situation(alarm)))
                    self._wake.set()

            return update_state

        def filtering(original: Any) -> Any:
            def filtered(datum: Any, namespace: Any, name: Any, dimensions: Any, *args: Any, **more: Any) -> bool:
                if namespace is None and name is None and dimensions and len(dimensions) != len(datum.dimensions):
                    return False  # GetMetricStatistics: a metric with one more dimension is another metric
                return bool(original(datum, namespace, name, dimensions, *args, **more))

            return filtered

        self._hook(moto_cloudwatch.MetricDatumBase, "filter", filtering)
        self._hook(moto_cloudwatch.CloudWatchBackend, "put_metric_alarm", putting)
        self._hook(moto_cloudwatch.Alarm, "update_state", updating)

    # evaluation

    def _run(self) -> None:
        while not self._stopped:
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the thread that all alarms hang on; it is logged and tried again
                _log.exception("the evaluation of alarms failed")
            self._wake.wait(self._interval if self._backend.alarms else None)
            self._wake.clear()

    def look(self) -> None:
        """Evaluate every alarm once and act on the changes."""
        with self._looking:
            self._act()  # on what somebody else set (SetAlarmState), before it is evaluated away
            alarms = list(self._backend.alarms.values())
            if not alarms:
                return
            now = self._region.clock.now()
            self._queues.sample(sorted({_queue(key_of(alarm)) for alarm in alarms} - {""}), now)
            samples = self._samples(alarms, now)
            for alarm in alarms:
                rule = rule_of(alarm)
                verdict = evaluate(rule, samples.get(key_of(alarm), ()), now)
                if verdict.state is not None and verdict.state != alarm.state_value:
                    _log.info("alarm %s: %s -> %s: %s", alarm.name, alarm.state_value, verdict.state, verdict.reason)
                    alarm.update_state(verdict.reason, reason_data(rule, verdict, now), verdict.state)
            self._act()

    def _samples(self, alarms: Sequence[Any], now: datetime) -> dict[MetricKey, list[Sample]]:
        """The values that the alarms look at, as far back as the one that looks farthest."""
        since: dict[MetricKey, datetime] = {}
        for alarm in alarms:
            key, oldest = key_of(alarm), now - rule_of(alarm).window()
            since[key] = min(since.get(key, oldest), oldest)
        metrics = self._region.metrics
        return metrics.samples(since) if isinstance(metrics, MotoMetrics) else {}

    def exists(self, name: str) -> bool:
        return name in self._backend.alarms

    def tripped(self, names: Sequence[str], since: datetime) -> list[str]:
        """Those of ``names`` that are in ALARM, or went off since."""
        alarms = self._backend.alarms
        now_on = {name for name in names if name in alarms and alarms[name].state_value == "ALARM"}
        return [name for name in names if name in now_on or self._went_off.get(name, _NEVER) >= since]

    # timeline.Timekeeper

    def next_due(self, until: datetime) -> datetime | None:
        """The first whole minute from now at which an alarm's state will be another one if no value comes in."""
        with self._looking:
            now = self._region.clock.now()
            alarms = list(self._backend.alarms.values())
            samples = self._samples(alarms, now)
            first = until
            for alarm in alarms:
                first = min(first, self._turns(alarm, samples.get(key_of(alarm), []), now, first))
            return first if first < until else None

    def _turns(self, alarm: Any, known: Sequence[Sample], now: datetime, until: datetime) -> datetime:
        """When one alarm's state changes; ``until`` when it doesn't before. A queue with messages has a value each
        minute and an age that grows: it is looked at again after a while at the latest."""
        rule, key = rule_of(alarm), key_of(alarm)
        queue = _queue(key)
        coming = self._queues.expected(queue, key.name, now, min(until, now + _FORESEEN)) if queue else []
        if not known and not coming and evaluate(rule, (), now).state in (None, alarm.state_value):
            return until
        if alarm.state_value == "OK" and rule.missing == "notBreaching" and not may_breach(rule, (*known, *coming)):
            return until
        # beyond its window no value that is there now counts
        last = now + (_FORESEEN if coming else rule.window() + _MINUTE)
        at = now + _MINUTE
        while at < min(until, last):
            oldest = at - rule.window()
            recent = [sample for sample in (*known, *coming) if oldest <= sample.at <= at]
            state = evaluate(rule, recent, at).state
            if state is not None and state != alarm.state_value:
                return at
            at += _MINUTE
        return min(until, last) if coming else until

    def catch_up(self) -> None:
        self.look()

    def busy(self) -> Sequence[str]:
        return ["the actions of alarms"] if self._changes else []

    # actions

    def _act(self) -> None:
        while self._changes:
            change = self._changes.popleft()
            arn = change.alarm.alarm_arn
            self._region.events.publish("aws.cloudwatch", "CloudWatch Alarm State Change", event_detail(change), [arn])
            if not change.alarm.actions_enabled:
                continue
            for action in getattr(change.alarm, _ACTIONS[change.after.value]) or ():
                try:
                    self._perform(action, change)
                except Exception:  # noqa: BLE001 - a subscriber's protocol may raise anything; other actions follow
                    _log.exception("the action %s of alarm %s failed", action, change.alarm.name)

    def _perform(self, action: str, change: Change) -> None:
        config = self._region.config
        kind = kind_of(action)
        if kind == "sns":
            subject, message = notification(change, config)
            sns_backends[config.account_id][config.region_name].publish(message, arn=action, subject=subject)
        elif kind == "lambda":
            self._region.functions.invoke_async(action, json.dumps(function_payload(change, config)).encode())
        else:
            _log.warning("alarm %s: the local region has no action %s", change.alarm.name, action)


def key_of(alarm: Any) -> MetricKey:
    """The metric of one of moto's alarms."""
    dimensions = tuple(sorted((dimension.name, dimension.value) for dimension in alarm.dimensions))
    return MetricKey(alarm.namespace, alarm.metric_name, dimensions, alarm.unit or None)


def rule_of(alarm: Any) -> Rule:
    """The numbers of one of moto's alarms, as numbers."""
    periods = int(alarm.evaluation_periods)
    return Rule(
        alarm.statistic or alarm.extended_statistic,
        int(alarm.period),
        periods,
        int(alarm.datapoints_to_alarm or periods),
        alarm.comparison_operator,
        float(alarm.threshold),
        alarm.treat_missing_data or "missing",
    )


def _queue(key: MetricKey) -> str:
    if key.namespace != QUEUE_NAMESPACE or len(key.dimensions) != 1 or key.dimensions[0][0] != "QueueName":
        return ""
    return key.dimensions[0][1]
