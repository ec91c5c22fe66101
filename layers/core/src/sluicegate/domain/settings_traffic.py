"""The parts of ``model.yaml`` about requests: whom they are for, what is kept of them, and what becomes of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sluicegate.domain.durations import Duration, duration_seconds, within
from sluicegate.domain.settings_reward import Reward

_Name = Annotated[str, Field(min_length=1, max_length=300)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Traffic(_Part):
    """Who is assigned to a lane while lanes share the requests."""

    subject: _Name | None = Field(
        default=None,
        description="The field of a record that names its subject, where the request has no header X-Subject; it may "
        "be a column, the id, or a field that the model doesn't know. By default every request is one.",
    )
    testers: bool = Field(default=True, description="Whether the header X-Lane may choose a lane.")


class PredictionLog(_Part):
    """What is kept of predictions. They are counted in any case."""

    sample: float = Field(default=1.0, ge=0, le=1, description="Share of the requests whose records are kept; 0: none.")
    records: bool = Field(
        default=True, description="Whether records, subjects and predictions are kept; false where they are sensitive."
    )

    @property
    def kept(self) -> bool:
        return self.records and self.sample > 0


class Feedback(_Part):
    """What may be said of a prediction afterwards, and for how long."""

    window: Annotated[Duration, within(60, 90 * 86400, "between 60s and 90d")] = Field(
        default="7d", description="How long after the prediction feedback is taken."
    )
    reward: Reward | None = Field(
        default=None,
        description="Takes rewards in this range, which are then the outcomes of experiments; by default labels are.",
    )

    @property
    def window_seconds(self) -> int:
        return duration_seconds(self.window)

    def routed(self) -> dict[str, Any]:
        """As ``routing/<model>.json`` says it."""
        found: dict[str, Any] = {"window_seconds": self.window_seconds, "kind": "label"}
        if self.reward is None:
            return found
        return {**found, "kind": "reward", "minimum": self.reward.min, "maximum": self.reward.max}
