"""The parts of ``model.yaml`` that say which rows are learned from, and how much each counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Name = Annotated[str, Field(min_length=1, max_length=300)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Split(_Part):
    """Shares of the rows: by a stable hash, or by time, the newest held out."""

    validation: float = Field(default=0.15, ge=0.01, le=0.5, description="Share that early stopping watches.")
    holdout: float = Field(default=0.15, ge=0.01, le=0.5, description="Share that no training ever sees.")
    by: Literal["hash", "time"] = Field(
        default="hash", description="hash: a row stays on its side for ever. time: the newest rows are held out."
    )
    column: _Name | None = Field(default=None, description="by: time needs the date or number that orders the rows.")

    @model_validator(mode="after")
    def _leaves_rows_to_train(self) -> Split:
        if self.validation + self.holdout > 0.8:
            raise ValueError("validation and holdout together may be at most 0.8")
        if self.by == "time" and self.column is None:
            raise ValueError("by: time needs column, the date or number that orders the rows")
        if self.by == "hash" and self.column is not None:
            raise ValueError("column needs by: time")
        return self

    def prepared(self) -> dict[str, Any]:
        """What a data set depends on. The usual way is not named, as before there was another."""
        return self.model_dump(mode="json", exclude={"by", "column"} if self.by == "hash" else None)


class Weights(_Part):
    """How much each row counts when it is learned from."""

    classes: Literal["balanced"] | None = Field(
        default=None, description="balanced: every class counts as much as any other, however few rows it has."
    )
    column: _Name | None = Field(default=None, description="A column of weights from 0 on; never a feature.")

    @model_validator(mode="after")
    def _one(self) -> Weights:
        if (self.classes is None) == (self.column is None):
            raise ValueError("accepted is either classes: balanced or column: <name>")
        return self
