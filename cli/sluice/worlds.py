"""A declared world: what its lanes truly do, and how traffic and outcomes come. Read from YAML, for simulation."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sluicegate.domain.durations import Duration, duration_seconds, within
from sluicegate.domain.settings_experiment import Experiment
from sluicegate.domain.yaml_text import YamlError, load

#: looks of one simulated experiment
MOST_LOOKS = 5_000
Name = Annotated[str, Field(min_length=1, max_length=60)]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class BadWorld(Exception):
    """Every mistake, a line each."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LaneWorld(_Part):
    """What a lane truly does. ``rate`` of a conversion; ``mean`` and ``deviation`` of rewards."""

    rate: Rate | None = None
    mean: float | None = Field(default=None, allow_inf_nan=False)
    deviation: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    errors: Rate = 0.0
    latency: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False)

    @property
    def value(self) -> float:
        """What an exposure without an error brings on average."""
        return self.rate if self.rate is not None else self.mean or 0.0


class Change(_Part):
    """From ``at`` on (since the start) a lane is different in what is given."""

    at: Duration
    lane: Name
    rate: Rate | None = None
    mean: float | None = Field(default=None, allow_inf_nan=False)
    deviation: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    errors: Rate | None = None
    latency: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False)


class World(_Part):
    """``traffic``: requests an hour that take part. ``delay``: how long outcomes take on average (exponential).

    A subject asks ``requests_per_subject`` times on average (geometric), all between two looks; ``subject_effect`` is
    the share of the outcomes' variance that lies between subjects (intraclass correlation).
    """

    lanes: dict[Name, LaneWorld] = Field(min_length=2, max_length=10)
    champion: Name | None = None
    changes: list[Change] = Field(default=[], max_length=100)
    traffic: float = Field(gt=0, le=1e8, allow_inf_nan=False)
    arrivals: Literal["random", "even"] = "random"
    requests_per_subject: float = Field(default=1.0, ge=1, le=10_000, allow_inf_nan=False)
    subject_effect: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    delay: Annotated[Duration, within(0, 90 * 86400, "between 0s and 90d")] = "0s"
    experiment: Experiment = Experiment()

    @model_validator(mode="after")
    def _fits(self) -> World:
        wanted, other = ("rate", "mean") if self.experiment.goal == "conversion" else ("mean", "rate")
        for name, lane in self.lanes.items():
            if getattr(lane, wanted) is None or getattr(lane, other) is not None:
                raise ValueError(f"lanes.{name}: accepted with goal {self.experiment.goal} is {wanted}, not {other}")
        if self.subject_effect and self.requests_per_subject == 1:
            raise ValueError(
                f"subject_effect: given {self.subject_effect:g}; accepted with requests_per_subject above 1, without "
                "which no two outcomes are of one subject"
            )
        if self.champion is not None and self.champion not in self.lanes:
            raise ValueError(f"champion: given {self.champion!r}; accepted is one of {', '.join(self.lanes)}")
        for place, change in enumerate(self.changes):
            if change.lane not in self.lanes:
                known = ", ".join(self.lanes)
                raise ValueError(f"changes[{place}].lane: given {change.lane!r}; accepted is one of {known}")
            if getattr(change, other) is not None:
                raise ValueError(f"changes[{place}].{other}: accepted with goal {self.experiment.goal} is {wanted}")
        if self.looks > MOST_LOOKS:
            raise ValueError(f"experiment.look_every: {self.looks} looks until max_duration; accepted are {MOST_LOOKS}")
        reward = self.experiment.reward
        for moment in (0.0, *(float(duration_seconds(change.at)) for change in self.changes)):
            for name, lane in self.at(moment).items():
                low, high = lane.value - lane.deviation, lane.value + lane.deviation
                if wanted == "mean" and not reward.min <= low <= high <= reward.max:
                    raise ValueError(
                        f"lanes.{name}: mean ± deviation is {low:g} to {high:g}; accepted is what lies within "
                        f"experiment.reward, {reward.min:g} to {reward.max:g}"
                    )
        return self

    @property
    def first(self) -> str:
        """The champion: by default the lane that is named first."""
        return self.champion or next(iter(self.lanes))

    @property
    def step(self) -> int:
        """Seconds between looks."""
        return duration_seconds(self.experiment.look_every)

    @property
    def looks(self) -> int:
        return -(-duration_seconds(self.experiment.max_duration) // self.step)

    def at(self, seconds: float) -> dict[str, LaneWorld]:
        """The lanes ``seconds`` after the start."""
        lanes = dict(self.lanes)
        for change in sorted(self.changes, key=lambda one: duration_seconds(one.at)):
            if duration_seconds(change.at) <= seconds:
                given = change.model_dump(exclude_none=True, exclude={"at", "lane"})
                lanes[change.lane] = lanes[change.lane].model_copy(update=given)
        return lanes


def read_world(text: str) -> World:
    """The world that ``text`` (YAML) declares. Raises ``BadWorld``."""
    try:
        document = load(text)
    except YamlError as error:
        raise BadWorld(str(error)) from error
    if not isinstance(document, dict):
        raise BadWorld("a world is keys with values: lanes, traffic, delay, changes, experiment")
    try:
        return World.model_validate(document)
    except ValidationError as error:
        raise BadWorld("\n".join(_line(item) for item in error.errors(include_url=False))) from error


def _line(item: Any) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "missing":
        return f"{path}: is needed"
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown key"
    said = str(item.get("ctx", {}).get("error", item["msg"]))
    if item["type"] == "value_error" and not isinstance(item["input"], str):
        return f"{path}.{said}" if path else said
    return f"{path}: given {json.dumps(item['input'], default=str)[:80]}; {said}"
