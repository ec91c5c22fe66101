"""The range of rewards, as ``feedback`` and ``experiment`` of model.yaml name it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Reward(BaseModel):
    """The range that a reward may have; what is outside is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    min: float = Field(default=0.0, ge=-1e9, le=1e9, allow_inf_nan=False)
    max: float = Field(default=1.0, ge=-1e9, le=1e9, allow_inf_nan=False)

    @model_validator(mode="after")
    def _rises(self) -> Reward:
        if not self.min < self.max:
            raise ValueError(f"min is {self.min:g} and max {self.max:g}: accepted is a max above min")
        return self
