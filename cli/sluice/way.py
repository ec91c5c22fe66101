"""How far a version is on its way in, in words: a share of the requests after the other, each watched for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.output import span_text

Json = Mapping[str, Any]


def way_text(way: Json) -> str:
    """How far a version on its way in is, as ``way_in`` of the API's model says.

    >>> way_text({"version": 3, "stage": "shifting", "percent": 10, "left_seconds": 70, "least_seconds": 370})
    'version 3 has 10 % of the requests, watched for another 1m 10s; with the other shares 6m 10s at least'
    >>> way_text({"version": 3, "stage": "shifting", "percent": 100, "left_seconds": 0, "least_seconds": 0})
    'version 3 has 100 % of the requests, watched for long enough; the next look, within a minute, moves it on'
    """
    said, least = f"version {way['version']}", int(way.get("least_seconds") or 0)
    match way["stage"]:
        case "bringing":
            watched = f"; then it is watched for {span_text(least)} in all" if least else ""
            return f"{said}: an endpoint of its own comes up beside the one that serves{watched}"
        case "shifting":
            has, left = f"{said} has {way['percent']} % of the requests", int(way["left_seconds"])
            if left == 0:
                return f"{has}, watched for long enough; the next look, within a minute, moves it on"
            more = f"; with the other shares {span_text(least)} at least" if least > left else "; then it takes over"
            return f"{has}, watched for another {span_text(left)}{more}"
        case "switching":
            return f"{said} has all of the requests; the model's endpoint switches to it"
    return f"{said}: SageMaker updates the endpoint"


@dataclass
class Way:
    """``observe`` is given the model's ``way_in`` again and again."""

    status: str = ""
    _told: tuple[Any, ...] = ()

    def observe(self, way: Json) -> list[str]:
        """The line that is new when its stage or share changes; sets ``status``, which counts the time down."""
        self.status = way_text(way)
        now = (way["version"], way["stage"], way.get("percent"))
        if now == self._told or way["stage"] == "updating":  # of that there is a line already
            return []
        self._told = now
        return [self.status]
