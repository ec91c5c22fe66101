"""Guarded updates, decided: steps of a DeploymentConfig, and the rollout's moves by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.sagemaker.shifting import (
    AT_ONCE,
    Activate,
    BadDeployment,
    Finish,
    Plan,
    RollBack,
    Rollout,
    Step,
    Wait,
    plan_of,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def blue_green(kind: str, wait: int = 300, termination: int = 120, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait}
    for name in ("CanarySize", "LinearStepSize"):
        if name in more:
            unit, value = more.pop(name)
            routing[name] = {"Type": unit, "Value": value}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": termination, **more}
    return {"BlueGreenUpdatePolicy": policy}


def shares(plan: Plan) -> list[tuple[float, int]]:
    return [(round(step.share, 9), step.seconds) for step in plan.steps]


class TestPlans:
    def test_all_at_once_bakes_once(self) -> None:
        assert shares(plan_of(blue_green("ALL_AT_ONCE"), {"v": 1})) == [(1, 120)]

    def test_a_canary_then_the_rest(self) -> None:
        plan = plan_of(blue_green("CANARY", CanarySize=("CAPACITY_PERCENT", 10)), {"v": 1})
        assert shares(plan) == [(0.1, 300), (1, 120)]
        assert [step.what for step in plan.steps] == ["canary", "full"]

    @pytest.mark.parametrize(
        ("percent", "expected"),
        [(50, [0.5, 1]), (33, [0.33, 0.66, 0.99, 1]), (25, [0.25, 0.5, 0.75, 1]), (10, [k / 10 for k in range(1, 11)])],
    )
    def test_linear_steps_add_up(self, percent: int, expected: list[float]) -> None:
        plan = plan_of(blue_green("LINEAR", LinearStepSize=("CAPACITY_PERCENT", percent)), {"v": 1})
        assert shares(plan) == [(share, 300) for share in expected[:-1]] + [(1, 120)]

    def test_instances_are_counted_in_shares_of_all(self) -> None:
        plan = plan_of(blue_green("CANARY", CanarySize=("INSTANCE_COUNT", 1)), {"a": 4, "b": 2})
        assert shares(plan)[0] == (round(1 / 3, 9), 300)
        assert plan.steps[0].instances(3) == 1

    def test_rolling_bakes_after_every_batch(self) -> None:
        size = {"Type": "CAPACITY_PERCENT", "Value": 50}
        config = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 60}}
        assert shares(plan_of(config, {"v": 2})) == [(0.5, 60), (1, 60)]

    def test_alarms_alone(self) -> None:
        config = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}}
        assert plan_of(config, {"v": 1}) == Plan(AT_ONCE.steps, None, ("a", "b"))

    @pytest.mark.parametrize(
        ("config", "counts", "words"),
        [
            (blue_green("CANARY", CanarySize=("CAPACITY_PERCENT", 51)), {"v": 1}, "at most 50%"),
            (blue_green("CANARY", CanarySize=("INSTANCE_COUNT", 1)), {"v": 1}, r"100% of the 1 instance\(s\)"),
            (blue_green("CANARY", CanarySize=("INSTANCE_COUNT", 2)), {"a": 4, "b": 3}, "variant b"),
            (blue_green("LINEAR", LinearStepSize=("CAPACITY_PERCENT", 9)), {"v": 1}, "between 10% and 50%"),
            (blue_green("LINEAR", LinearStepSize=("INSTANCE_COUNT", 1)), {"v": 11}, "between 10% and 50%"),
            (blue_green("CANARY"), {"v": 1}, "CanarySize is required"),
            (blue_green("LINEAR", CanarySize=("CAPACITY_PERCENT", 10)), {"v": 1}, "CanarySize can only"),
            (blue_green("ALL_AT_ONCE", LinearStepSize=("CAPACITY_PERCENT", 10)), {"v": 1}, "LinearStepSize can only"),
            (
                blue_green("CANARY", CanarySize=("CAPACITY_PERCENT", 10), MaximumExecutionTimeoutInSeconds=420 - 0),
                {"v": 1},
                r"larger than the total waiting time of the deployment \(420 seconds\)",
            ),
            (
                {
                    "RollingUpdatePolicy": {
                        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 4},
                        "WaitIntervalInSeconds": 0,
                    }
                },
                {"v": 1},
                "between 5% and 50%",
            ),
            (
                {
                    "RollingUpdatePolicy": {
                        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                        "WaitIntervalInSeconds": 0,
                    }
                },
                {"a": 1, "b": 1},
                "several production variants",
            ),
            ({**blue_green("ALL_AT_ONCE"), "RollingUpdatePolicy": {"WaitIntervalInSeconds": 0}}, {"v": 1}, "Only one"),
        ],
    )
    def test_what_is_refused(self, config: dict[str, Any], counts: dict[str, int], words: str) -> None:
        with pytest.raises(BadDeployment, match=words):
            plan_of(config, counts)


CANARY = Plan((Step(0.1, 300, "W", "canary"), Step(1.0, 120, "T", "full")), 600, ("bad", "slow"))


class Clocked:
    """A rollout, driven as ``deployments`` drives it; ``seen`` are (second, share) of each activation."""

    def __init__(self, plan: Plan) -> None:
        self.rollout, self.now = Rollout(plan, NOW), NOW
        self.seen: list[tuple[int, float]] = []

    def go(self, seconds: int, tripped: Sequence[str] = ()) -> Wait | Finish | RollBack:
        self.now += timedelta(seconds=seconds)
        while True:
            move = self.rollout.look(self.now, tripped)
            if not isinstance(move, Activate):
                return move
            self.seen.append((round((self.now - NOW).total_seconds()), move.step.share))
            self.rollout.activated(self.now)


def test_a_canary_that_is_well_takes_all() -> None:
    run = Clocked(CANARY)
    assert run.go(0) == Wait(NOW + timedelta(seconds=300))
    assert run.go(299) == Wait(NOW + timedelta(seconds=300))
    assert run.go(1) == Wait(NOW + timedelta(seconds=420))
    assert run.go(120) == Finish()
    assert run.seen == [(0, 0.1), (300, 1.0)]


@pytest.mark.parametrize("at", [0, 10, 299, 300, 419])
def test_an_alarm_takes_it_back_from_every_bake(at: int) -> None:
    run = Clocked(CANARY)
    run.go(0)
    run.go(at)
    move = run.go(0, ["slow", "somebody else's"])
    assert isinstance(move, RollBack)
    assert "slow" in move.reason
    assert "somebody" not in move.reason
    assert run.go(10_000) == move  # for good


def test_an_alarm_that_is_on_at_the_beginning_lets_no_traffic_over() -> None:
    run = Clocked(CANARY)
    assert isinstance(run.go(0, ["bad"]), RollBack)
    assert run.seen == []


def test_an_alarm_wins_over_the_end_of_a_bake() -> None:
    run = Clocked(CANARY)
    run.go(0)
    run.go(300)
    assert isinstance(run.go(120, ["bad"]), RollBack)


def test_too_long_goes_back() -> None:
    run = Clocked(Plan((Step(1.0, 500, "T", "full"),), 600))
    run.go(0)
    assert run.go(0) == Wait(NOW + timedelta(seconds=500))
    late = Clocked(Plan((Step(0.5, 400, "W", "linear"), Step(1.0, 100, "T", "full")), 600))
    late.go(250)  # the new fleet took long to come up
    assert late.go(350) == RollBack(
        "The deployment exceeded MaximumExecutionTimeoutInSeconds (600). "
        "The endpoint was rolled back to its previous configuration."
    )


def test_the_end_of_time_is_waited_for_like_a_bakes() -> None:
    run = Clocked(Plan((Step(1.0, 500, "T", "full"),), 600))
    assert run.go(200) == Wait(NOW + timedelta(seconds=600))


@given(
    percent=st.integers(10, 50),
    looks=st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=40),
)
def test_whatever_the_looks_traffic_only_grows_and_an_end_is_an_end(
    percent: int, looks: list[tuple[int, bool]]
) -> None:
    config = blue_green("LINEAR", LinearStepSize=("CAPACITY_PERCENT", percent))
    config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "a"}]}
    run = Clocked(plan_of(config, {"v": 3}))
    ends = []
    for seconds, tripped in looks:
        move = run.go(seconds, ["a"] if tripped else [])
        if not isinstance(move, Wait):
            ends.append(move)
    assert len(set(ends)) <= 1
    given = [share for _, share in run.seen]
    assert given == sorted(set(given))
    assert all(0 < share <= 1 for share in given)
    if ends and isinstance(ends[0], Finish):
        assert given[-1] == 1
        # no step was given less than its bake
        assert all(later - earlier >= 300 for (earlier, _), (later, _) in zip(run.seen, run.seen[1:], strict=False))
