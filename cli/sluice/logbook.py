"""CloudWatch logs of the stack, read and made readable."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import CliError
from sluice.target import Target

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HIDDEN = frozenset(
    {
        *("timestamp", "level", "message", "service", "location", "cold_start", "xray_trace_id"),
        *("function_name", "function_arn", "function_memory_size", "function_request_id"),
        *("exception_name", "stack_trace"),
    }
)


@dataclass(frozen=True)
class Entry:
    """One log event; ``at`` in milliseconds since 1970."""

    at: int
    source: str
    text: str
    event_id: str


def seconds_of(text: str) -> float:
    """``90s``, ``15m``, ``2h`` or ``1d`` in seconds.

    >>> seconds_of("15m")
    900.0
    """
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if match is None:
        raise CliError(f"{text} is not a length of time.", "Write it like 90s, 15m, 2h or 1d.")
    return float(match[1]) * _UNITS[match[2]]


def functions(target: Target) -> dict[str, str]:
    """Logical id and name of each function of the stack."""
    return {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for item in target.resources()
        if item["ResourceType"] == "AWS::Lambda::Function"
    }


def groups_for(target: Target, what: str | None) -> dict[str, str]:
    """Log group and the short name to show, for nothing (all functions), ``job``, ``endpoint`` or a function.

    Raises:
        CliError: no such function.
    """
    if what == "job":
        kinds = {"TrainingJobs": "training", "TransformJobs": "transform", "ProcessingJobs": "processing"}
        return {f"/aws/sagemaker/{group}": kind for group, kind in kinds.items()}
    if what == "endpoint":
        pages = target.client("logs").get_paginator("describe_log_groups")
        prefix = "/aws/sagemaker/Endpoints/"
        return {
            group["logGroupName"]: group["logGroupName"].removeprefix(prefix)
            for page in pages.paginate(logGroupNamePrefix=prefix)
            for group in page["logGroups"]
        }
    known = functions(target)
    if what is None:
        return {f"/aws/lambda/{name}": logical for logical, name in known.items()}
    plain = _plain(what)
    chosen = {
        f"/aws/lambda/{name}": logical
        for logical, name in known.items()
        if plain in (_plain(logical), _plain(name)) or _plain(logical) == plain + "function"
    }
    if not chosen:
        raise CliError(
            f"There is no function {what} in the stack {target.stack_name}.",
            f"It has {', '.join(sorted(known))}; also `job` and `endpoint`.",
        )
    return chosen


def read(target: Target, groups: dict[str, str], since: float, follow: bool) -> Iterator[Entry]:
    """Entries of all groups by time, from ``since`` seconds ago; with ``follow`` it goes on until interrupted."""
    logs = target.client("logs")
    start = int((time.time() - since) * 1000)
    starts = dict.fromkeys(groups, start)
    seen: set[str] = set()
    while True:
        entries: list[Entry] = []
        for group, name in groups.items():
            for entry in _events(logs, group, name, starts[group]):
                if entry.event_id not in seen:
                    seen.add(entry.event_id)
                    entries.append(entry)
                    # One second back: events that come late share a time with those already shown.
                    starts[group] = max(starts[group], entry.at - 1000)
        yield from sorted(entries, key=lambda entry: entry.at)
        if not follow:
            return
        time.sleep(0.5 if target.is_local else 2.0)


def _events(logs: Any, group: str, name: str, start: int) -> Iterator[Entry]:
    from botocore.exceptions import ClientError

    try:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start):
            for event in page["events"]:
                source = f"{name} {event['logStreamName'].partition('/')[0]}" if "sagemaker" in group else name
                yield Entry(event["timestamp"], source, event["message"].rstrip("\n"), event["eventId"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise  # a function that never ran has no log group yet


def pretty(entry: Entry) -> str:
    """One line: time, source, level, message and the structured fields that are not always there."""
    clock = datetime.fromtimestamp(entry.at / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    return f"{clock} {entry.source}  {pretty_text(entry.text)}"


def pretty_text(text: str) -> str:
    """A structured (JSON) line as ``LEVEL message  key=value …``; anything else as it is."""
    if not text.startswith("{"):
        return text
    try:
        data = json.loads(text)
    except ValueError:
        return text
    if isinstance(data, dict) and "log" in data and "message" not in data:
        # records of predictions and feedback pass through a function's log on their way to the bucket
        return f"… {data['log']} of {data.get('model')} for the log, {len(text):,} characters (--raw shows them)"
    if not isinstance(data, dict) or "message" not in data:
        return text
    message = data["message"] if isinstance(data["message"], str) else json.dumps(data["message"], ensure_ascii=False)
    extra = [f"{key}={_value(value)}" for key, value in data.items() if key not in _HIDDEN and value is not None]
    parts = [str(data.get("level", "INFO")), message, *([" ".join(extra)] if extra else [])]
    stack = data.get("exception") or data.get("stack_trace")
    if isinstance(stack, str):
        parts = [part for part in parts if "exception=" not in part] + ["\n" + stack]
    return " ".join(parts)


def _value(value: Any) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False, default=str)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
