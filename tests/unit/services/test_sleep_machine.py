"""Sleep, waking, deployments and SageMaker's own doing in any order, late and twice: always a legal state."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.domain.lifecycle import allows
from sluicegate.domain.sleep import endpoint_state
from sluicegate.services.steer import NotPossible
from tests.support.slumber import SlowSlumbering
from tests.support.stage import ENDPOINT, MODEL


class Endpoint(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stage = SlowSlumbering("idle_shutdown: 2h\nendpoint: {instance: ml.m5.large}\n")
        self.before: str | None = None
        self.delivered: list[tuple[str, str]] = []

    @initialize()
    def live(self) -> None:
        self.stage.live_version()
        self.before = "serving"

    # the world

    @rule(hours=st.sampled_from([0.1, 1, 3]))
    def wait(self, hours: float) -> None:
        self.stage.wait(hours=hours)

    @rule()
    def call(self) -> None:
        if self.stage.there:
            self.stage.call()

    @rule(failure=st.sampled_from(["", "", "no capacity"]))
    def sagemaker(self, failure: str) -> None:
        self.stage.world.tick()
        self.stage.sagemaker(failure)

    # what is delivered

    def deliver(self, kind: str, about: str = MODEL) -> None:
        self.stage.world.tick()
        self.delivered.append((kind, about))
        with contextlib.suppress(NotPossible):
            self.stage.attempt(kind, about)
        now = endpoint_state(self.stage.model())
        assert now == self.before or allows("endpoint", self.before, str(now)), (self.before, now)
        self.before = now

    @rule()
    def next_event(self) -> None:
        self.stage.collect()
        if self.stage.pending:
            self.deliver(*self.stage.pending.pop(0))

    @rule(data=st.data())
    def any_event(self, data: st.DataObject) -> None:
        self.stage.collect()
        if self.stage.pending:
            place = data.draw(st.integers(0, len(self.stage.pending) - 1))
            self.deliver(*self.stage.pending.pop(place))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        self.deliver(*data.draw(st.sampled_from(self.delivered)))

    @rule(kind=st.sampled_from(["reap", "wake", "tick", "person sleeps", "person wakes"]))
    def decide(self, kind: str) -> None:
        self.deliver(kind)

    @precondition(lambda self: len(self.stage.registry.versions(MODEL)) < 4)
    @rule()
    def approve(self) -> None:
        self.stage.add("approved")

    # what always holds

    @invariant()
    def a_version_is_live_and_its_config_kept(self) -> None:
        if self.before is None:
            return
        assert self.stage.live is not None
        assert self.stage.status(self.stage.live) == "live"
        assert f"{ENDPOINT}-v{self.stage.live}" in self.stage.endpoints.endpoint_configs
        sleep = self.stage.sleep
        if sleep is not None:
            assert sleep["state"] in ("asleep", "waking")
            assert sleep["config"] in self.stage.endpoints.endpoint_configs

    def teardown(self) -> None:
        """When nothing more happens, the endpoint is what the registry says, and so is what predictions are told."""
        if self.before is None:
            return
        stage = self.stage
        stage.world.tick()
        stage.play()
        state = stage.endpoints.states.get(ENDPOINT)
        routing = stage.routing
        assert [lane["version"] for lane in routing["lanes"]] == [stage.live]
        if stage.sleep is None:
            assert routing["state"] == "serving"
            assert state is not None
            assert state.free
            assert stage.serves() == stage.live
        else:
            assert (stage.sleep["state"], routing["state"]) == ("asleep", "asleep")
            assert state is None
            stage.world.tick()
            stage.attempt("wake", MODEL)
            stage.play()
            assert stage.sleep is None
            assert stage.serves() == stage.live


TestEndpoint = Endpoint.TestCase
TestEndpoint.settings = settings(max_examples=25, stateful_step_count=30)
