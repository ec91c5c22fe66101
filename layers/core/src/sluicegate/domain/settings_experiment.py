"""The part ``experiment`` of model.yaml: how champion and challengers are compared, and who decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sluicegate.domain import experiment
from sluicegate.domain.durations import Duration, duration_seconds, within
from sluicegate.domain.settings_reward import Reward

#: the share of the reward's range that is worth finding when model.yaml says none
_WORTH_FINDING = 0.02
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Guardrails(_Part):
    """What a better goal may not be bought with."""

    errors: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = Field(
        default=0.01, description="How much more of its requests a challenger may fail: 0.01 is one more in 100."
    )
    latency: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = Field(
        default=0.2, description="How much longer it may take, relative to the champion: 0.2 is a fifth more."
    )


class BanditPolicy(_Part):
    """How a bandit shares traffic."""

    policy: Literal["thompson", "ucb1", "epsilon_greedy"] = "thompson"
    epsilon: Share = Field(default=0.1, description="epsilon_greedy: the share that is spread over all lanes.")
    discount: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="What outcomes are worth one look later."
    )
    detect_changes: bool = Field(default=True, description="Forget what was before a change that is shown.")
    floor: float = Field(default=0.001, ge=0, le=0.5, allow_inf_nan=False, description="The least share of a lane.")
    warm_up: int = Field(default=100, ge=1, le=1_000_000, description="Outcomes of each lane at equal shares first.")


class Experiment(_Part):
    """A comparison of a new version with the champion on live traffic."""

    mode: Literal["ab", "bandit"] = Field(
        default="ab", description="ab: fixed shares until it is decided; bandit: traffic follows what does well."
    )
    traffic: Share = Field(
        default=0.2, description="The share of traffic that challengers get together; a bandit finds it by itself."
    )
    goal: Literal["conversion", "mean"] = Field(
        default="conversion", description="conversion: outcomes of 0 or 1; mean: rewards within reward."
    )
    direction: Literal["maximise", "minimise"] = "maximise"
    reward: Reward = Reward()
    no_outcome: Literal["zero", "unknown"] | None = Field(
        default=None,
        description="What an exposure counts whose outcome_window closes without one: zero (the default of conversion) "
        "or nothing (unknown, the default of mean).",
    )
    alpha: float = Field(
        default=0.05, gt=0, le=0.5, allow_inf_nan=False, description="How often equal lanes may be told apart."
    )
    power: float = Field(
        default=0.8, ge=0.5, lt=1, allow_inf_nan=False, description="How often minimum_effect is to be found."
    )
    minimum_effect: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="The difference worth finding, in the goal's own unit: 0.02 of a conversion is two percentage "
        "points. By default a fiftieth of reward's range.",
    )
    minimum_exposure: int = Field(
        default=200, ge=50, le=10_000_000, description="Outcomes that each lane needs before anything is decided."
    )
    horizon: int | None = Field(
        default=None,
        ge=100,
        le=100_000_000,
        description="Outcomes of the lane with the least traffic at which it ends; by default it may go on.",
    )
    max_duration: Annotated[Duration, within(3600, 90 * 86400, "between 1h and 90d")] = "14d"
    look_every: Annotated[Duration, within(60, 7 * 86400, "between 60s and 7d")] = "1h"
    outcome_window: Annotated[Duration, within(0, 30 * 86400, "between 0s and 30d")] = Field(
        default="24h", description="How long after a prediction its outcome may come."
    )
    guardrails: Guardrails = Guardrails()
    decision: Literal["automatic", "manual"] = Field(
        default="automatic", description="Whether a decision is carried out by itself or waits for a person."
    )
    bandit: BanditPolicy = BanditPolicy()

    @model_validator(mode="after")
    def _fits(self) -> Experiment:
        if self.goal == "conversion" and (self.reward.min, self.reward.max) != (0.0, 1.0):
            raise ValueError("reward: a conversion is 0 or 1; remove reward, or name goal mean")
        if self.silence == "zero" and not self.reward.min <= 0 <= self.reward.max:
            raise ValueError("no_outcome: zero is outside reward; accepted is unknown")
        if self.effect >= self.reward.max - self.reward.min:
            raise ValueError("minimum_effect: accepted is less than the range of reward")
        if self.mode == "bandit":
            alone = {"traffic": "it shares traffic by itself", "horizon": "it ends at max_duration"}
            for key, why in alone.items():
                if key in self.model_fields_set and getattr(self, key) is not None:
                    raise ValueError(f"{key}: has no effect with mode bandit, {why}; remove it")
        elif "bandit" in self.model_fields_set:
            raise ValueError("bandit: has no effect with mode ab; remove it, or name mode bandit")
        if duration_seconds(self.outcome_window) >= duration_seconds(self.max_duration):
            raise ValueError("outcome_window: accepted is less than max_duration, or no outcome would count")
        return self

    @property
    def silence(self) -> experiment.Silence:
        return self.no_outcome or ("zero" if self.goal == "conversion" else "unknown")

    @property
    def effect(self) -> float:
        """The difference worth finding, absolute."""
        span = self.reward.max - self.reward.min
        return self.minimum_effect if self.minimum_effect is not None else _WORTH_FINDING * span

    def design(self, champion: str, challengers: Sequence[str]) -> experiment.Design:
        """What an experiment of these lanes is to find out. A bandit begins with equal shares."""
        if self.mode == "bandit":
            shares = dict.fromkeys((champion, *challengers), 1 / (len(challengers) + 1))
        else:
            shares = {champion: 1 - self.traffic} | dict.fromkeys(challengers, self.traffic / len(challengers))
        return experiment.Design(
            champion=champion,
            shares=shares,
            mode=self.mode,
            goal=self.goal,
            direction=self.direction,
            low=self.reward.min,
            high=self.reward.max,
            silence=self.silence,
            alpha=self.alpha,
            power=self.power,
            minimum_effect=self.effect,
            minimum_exposure=self.minimum_exposure,
            horizon=self.horizon,
            max_duration=float(duration_seconds(self.max_duration)),
            outcome_window=float(duration_seconds(self.outcome_window)),
            errors=self.guardrails.errors,
            latency=self.guardrails.latency,
            bandit=experiment.Bandit(
                policy=self.bandit.policy,
                epsilon=self.bandit.epsilon,
                discount=self.bandit.discount,
                floor=self.bandit.floor,
                warm_up=self.bandit.warm_up,
                detect_changes=self.bandit.detect_changes,
            ),
        )
