"""FilterLogEvents as CloudWatch Logs answers it. moto looks at no prefix of stream names, and where it can't read a
pattern it passes every event."""

from __future__ import annotations

import functools
import inspect
import json
from typing import Any

from moto.logs import models as moto_logs
from moto.logs import responses as moto_responses

from local_region.front.errors import not_implemented
from local_region.ports import AwsError
from local_region.stores.filter_patterns import UnknownPattern, compiled


def install() -> None:
    """Put it in the place of moto's, for all of the process."""
    whole = inspect.unwrap(moto_responses.LogsResponse.filter_log_events)

    @functools.wraps(whole)
    def filter_log_events(response: Any) -> str:
        prefix = response._get_param("logStreamNamePrefix")
        if prefix is None:
            return str(whole(response))
        if response._get_param("logStreamNames"):
            text = "Cannot specify both logStreamNames and logStreamNamePrefix"
            raise AwsError("InvalidParameterException", text)
        group = response.logs_backend.groups.get(response._get_param("logGroupName"))
        names = [name for name in group.streams if name.startswith(prefix)] if group is not None else [prefix]
        if not names:
            return json.dumps({"events": [], "searchedLogStreams": []})
        asked = response._get_param

        def param(name: str, if_none: Any = None) -> Any:
            return names if name == "logStreamNames" else asked(name, if_none)

        response._get_param = param
        return str(whole(response))

    class Filter:
        """In the place of moto's, which is made for each event: one pattern is read once."""

        def __init__(self, pattern: str | None) -> None:
            self.matches = _compiled(pattern or "")

    setattr(moto_responses.LogsResponse, "filter_log_events", filter_log_events)  # noqa: B010 (a method of moto's class)
    setattr(moto_logs, "EventMessageFilter", Filter)  # noqa: B010


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    return compiled(pattern)


def refuse_unread(operation: str, body: bytes) -> None:
    """``AwsError`` 501 for a read of logs that would come back unfiltered."""
    try:
        asked = json.loads(body)
    except ValueError:
        return  # moto says so in AWS's words
    try:
        compiled(str(asked.get("filterPattern") or ""))
    except UnknownPattern as error:
        raise not_implemented("logs", f"{operation} with {error}") from error
    commands = [part.split()[0] for part in str(asked.get("queryString") or "").split("|") if part.split()]
    unread = [command for command in commands if command not in {"fields", "sort", "limit"}]
    if unread:
        text = f"StartQuery with the command {unread[0]}; the region's queries have fields, sort and limit"
        raise not_implemented("logs", text)
