"""Versions and endpoint through any interleaving: decisions; late, doubled, missing events; failures, alarms, crashes.

Whatever happens, every version's history keeps to the table of moves, a model that has a champion keeps one, and when
things come to rest the endpoint serves what the registry says, which is no version that was rejected.
"""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.domain import lifecycle
from sluicegate.domain.errors import NotFound, Transient
from sluicegate.services.steer import NotPossible
from tests.support.fakes import Crash
from tests.support.stage import ANN, DOCUMENT, ENDPOINT, MODEL, Stage

OTHER = DOCUMENT.replace(b'{"columns": []}', b'{"columns": [1]}', 1)
SETTINGS = [
    "",
    "deployment: {strategy: canary, bake: 2m}\n",
    "deployment: {strategy: linear, percent: 50, bake: 1m}\n",
    "endpoint: {instance: ml.m5.large}\ndeployment: {strategy: canary, bake: 2m}\n",
    "endpoint: {instance: ml.m5.large}\ndeployment: {bake: 1m, keep: 3}\n",
]
_MOST_VERSIONS = 5
place = st.integers(min_value=0, max_value=30)


class Versions(RuleBasedStateMachine):
    stage: Stage

    @initialize(text=st.sampled_from(SETTINGS))
    def begin(self, text: str) -> None:
        self.stage = Stage(text)
        self.old: list[tuple[str, str]] = []
        self.had_champion = False

    # what happens

    @precondition(lambda self: len(self.stage.registry.versions(MODEL)) < _MOST_VERSIONS)
    @rule(status=st.sampled_from(["approved", "approved", "pending_approval", "rejected"]), alike=st.booleans())
    def register(self, status: str, alike: bool) -> None:
        crash, self.stage.world.crash_after = self.stage.world.crash_after, None  # registering is another's work
        self.stage.add(status, DOCUMENT if alike else OTHER)
        self.stage.world.crash_after = crash if crash is None else max(crash, len(self.stage.world.effects) + 1)

    @rule(
        action=st.sampled_from(["approve", "reject", "deploy", "deploy"]),
        number=st.integers(min_value=1, max_value=_MOST_VERSIONS),
    )
    def decide(self, action: str, number: int) -> None:
        try:
            getattr(self.stage.steer(), action)(MODEL, number, ANN, self.stage.world.tick())
        except (NotPossible, NotFound, Crash):
            self.stage.world.crash_after = None

    @rule(at=place, again=st.booleans())
    def deliver(self, at: int, again: bool) -> None:
        """Any event that is on the way, whatever came before it; perhaps it comes again later."""
        self.stage.collect()
        if self.stage.pending:
            event = self.stage.pending.pop(at % len(self.stage.pending))
            self.old.append(event)
            if again:
                self.stage.pending.append(event)
            self._attempt(*event)

    @precondition(lambda self: self.old)
    @rule(at=place)
    def deliver_old_news(self, at: int) -> None:
        self._attempt(*self.old[at % len(self.old)])

    @rule()
    def lose(self) -> None:
        """A ring or the endpoint's event never comes: the next tick has to do. An approval does come, once at least."""
        self.stage.collect()
        self.stage.pending = [event for event in self.stage.pending if event[0] == "package"]

    @rule(minutes=st.integers(min_value=1, max_value=4))
    def tick(self, minutes: int) -> None:
        for _ in range(minutes):
            self.stage.world.now = self.stage.world.now.replace(microsecond=0)
            for _second in range(59):
                self.stage.world.tick()
            self._attempt("tick", "")

    @rule(fails=st.sampled_from(["", "", "no capacity"]))
    def sagemaker_ends_something(self, fails: str) -> None:
        self.stage.sagemaker(fails)

    @rule(number=st.integers(min_value=1, max_value=_MOST_VERSIONS), value=st.sampled_from(["ALARM", "OK"]))
    def alarm(self, number: int, value: str) -> None:
        self.stage.alarms.values[f"{ENDPOINT}-v{number}-errors"] = value

    @rule(effects=st.integers(min_value=1, max_value=12))
    def crash_soon(self, effects: int) -> None:
        self.stage.world.crash_after = len(self.stage.world.effects) + effects

    @rule(number=st.integers(min_value=1, max_value=_MOST_VERSIONS), approval=st.sampled_from(["Approved", "Rejected"]))
    def decide_in_sagemaker(self, number: int, approval: str) -> None:
        """A person at SageMaker's console, who does what it allows."""
        arn = next((arn for arn in self.stage.packages.packages if arn.endswith(f"/{number}")), None)
        if arn is not None:
            crash, self.stage.world.crash_after = self.stage.world.crash_after, None
            self.stage.packages.decide(arn, approval, "")
            self.stage.world.crash_after = crash if crash is None else max(crash, len(self.stage.world.effects) + 1)

    def _attempt(self, kind: str, about: str) -> None:
        try:
            self.stage.attempt(kind, about)
        except Transient:
            self.stage.pending.append((kind, about))  # Lambda delivers it again

    # what holds all the time

    @invariant()
    def histories_keep_to_the_table(self) -> None:
        for version in self.stage.registry.versions(MODEL):
            statuses = [line["status"] for line in version["history"]]
            for before, after in itertools.pairwise(statuses):
                same_again = before == after == "deploying"  # a line that says how far it is
                assert same_again or lifecycle.allows("version", before, after), statuses

    @invariant()
    def a_model_keeps_a_champion(self) -> None:
        live = self.stage.live
        self.had_champion = self.had_champion or live is not None
        if not self.had_champion:
            return
        assert live is not None
        assert self.stage.status(live) == "live"
        assert [v["version"] for v in self.stage.registry.versions(MODEL) if v["status"] == "live"] == [live]
        assert self.stage.endpoints.states[ENDPOINT].config in self.stage.endpoints.endpoint_configs

    @invariant()
    def nothing_rejected_is_wanted(self) -> None:
        wanted = self.stage.model().get("desired_version")
        assert wanted is None or self.stage.status(wanted) != "rejected"

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        stage = self.stage
        stage.world.crash_after = None
        stage.alarms.values.clear()
        stage.play()
        live = stage.live
        assert stage.serves() == live
        up = [name for name, state in stage.endpoints.states.items() if state.status != "Failed"]
        assert up == ([ENDPOINT] if live is not None else [])
        if live is not None:
            assert [(lane["version"], lane["weight"]) for lane in stage.lanes] == [(live, 1.0)]
            assert stage.storage.json(f"routing/{MODEL}.json")["coming"] == []
            assert f"{ENDPOINT}-{live:08x}" in stage.jobs.models
        assert stage.alarms.specs == {}
        model = stage.model()
        for name in ("traffic", "rollout", "telling", "deploying_version"):
            assert model.get(name) is None, name
        assert model.get("desired_version") in (None, live)
        statuses = {version["version"]: version["status"] for version in stage.registry.versions(MODEL)}
        assert set(statuses.values()) <= {"live", "retired", "failed", "rejected", "pending_approval"}, statuses


Versions.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestVersions = Versions.TestCase
