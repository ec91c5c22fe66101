"""Whatever happens to a model with an experiment: it has its champion, it serves no rejected version, and all ends.

What can happen: looks that come late, twice or not at all; events of endpoints that are lost, doubled or reordered;
lanes that fail; people who start, stop, decide, deploy and reject; functions that end after any of their effects.
"""

from __future__ import annotations

import contextlib
import itertools
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.domain import lifecycle
from sluicegate.domain.errors import Transient
from sluicegate.services.experiment_terms import CannotStart
from sluicegate.services.steer import By, NotPossible
from tests.support.contest import MODEL, contest
from tests.support.fakes import Crash

ENDPOINT = "sluicegate-churn"
SETTINGS = """
deployment: {{strategy: {strategy}}}
experiment: {{no_outcome: unknown, look_every: 30m, max_duration: 12h, outcome_window: 1h, minimum_exposure: 50}}
"""
OVER = ("promoted", "kept", "stopped", "inconclusive", "failed")
ADA = By("ada")


class Contested(RuleBasedStateMachine):
    @initialize(
        strategy=st.sampled_from(["all_at_once", "canary", "experiment", "shadow"]),
        instances=st.booleans(),
        adopted=st.booleans(),
    )
    def begin(self, strategy: str, instances: bool, adopted: bool) -> None:
        self.flow = contest(settings=SETTINGS.format(strategy=strategy), instances=instances)
        if instances and adopted:  # SageMaker's guardrails gave two versions one variant's name before
            self.flow.endpoints.delete_config(f"{ENDPOINT}-v2")
            self.flow.registry.items["version", MODEL, 2]["variant"] = "v3"
        self.late: list[tuple[str, str, Any]] = []
        self.asked = 0

    # what the world does

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.flow.world.now += timedelta(minutes=minutes)

    @rule(copies=st.integers(1, 2))
    def the_schedule_comes(self, copies: int) -> None:
        for _ in range(copies):
            self._deliver("look", "look", self.flow.world.now)

    @rule()
    def the_schedule_comes_late(self) -> None:
        self._deliver("look", "look", self.flow.world.now - timedelta(minutes=20))

    @rule()
    def rollouts_are_taken_on(self) -> None:
        self._deliver("tick", "tick", None)

    @rule(place=st.integers(0, 20), fate=st.sampled_from(["once", "twice", "lost", "late"]))
    def something_is_delivered(self, place: int, fate: str) -> None:
        self.flow.collect()
        if not self.flow.pending:
            return
        delivery = self.flow.pending.pop(place % len(self.flow.pending))
        if fate == "late":
            self.late.append(delivery)
        elif fate != "lost" or delivery[0] in ("message", "package"):  # a queue and a rule keep theirs
            for _ in range(2 if fate == "twice" else 1):
                self._deliver(*delivery)

    @rule(fails=st.booleans())
    def sagemaker_ends_something(self, fails: bool) -> None:
        for name, state in self.flow.endpoints.states.items():
            if state.status in ("Creating", "Updating"):
                self.flow.endpoints.settle(name, "no capacity" if fails else "")
                return

    @rule(
        champion=st.integers(0, 300),
        challenger=st.integers(0, 300),
        rate=st.floats(0, 1),
        failing=st.booleans(),
    )
    def people_are_served(self, champion: int, challenger: int, rate: float, failing: bool) -> None:
        lanes = {"champion": (champion, champion // 2), "challenger": (challenger, int(challenger * rate))}
        self.flow.serve(lanes, failures=challenger // 2 if failing else 0)

    @rule(after=st.integers(1, 6))
    def a_function_will_end_too_early(self, after: int) -> None:
        self.flow.world.crash_after = len(self.flow.world.effects) + after

    # what people do

    @rule(
        challenger=st.sampled_from([1, 2, 3]),
        mode=st.sampled_from(["ab", "bandit", "shadow"]),
        decision=st.sampled_from(["automatic", "manual"]),
    )
    def somebody_starts_one(self, challenger: int, mode: str, decision: str) -> None:
        self.asked += 1
        terms = {"max_duration": "12h", "outcome_window": "1h", "decision": decision, "minimum_exposure": 50}
        wanted = self.flow.wanted(challenger, mode=mode, cause=str(self.asked), **terms)
        self._person(lambda: self.flow.contests().start(MODEL, wanted, self.flow.world.tick()))

    @rule(word=st.sampled_from(["promote", "keep", "stop"]))
    def somebody_decides(self, word: str) -> None:
        self._person(lambda: self.flow.contests().decide(MODEL, word, None, "ada", "", self.flow.world.tick()))

    @rule(number=st.sampled_from([1, 2, 3]))
    def somebody_deploys(self, number: int) -> None:
        self._person(lambda: self.flow.steer().deploy(MODEL, number, ADA, self.flow.world.tick()))

    @rule(number=st.sampled_from([1, 2, 3]))
    def somebody_rejects(self, number: int) -> None:
        self._person(lambda: self.flow.steer().reject(MODEL, number, ADA, self.flow.world.tick()))

    @precondition(lambda self: self.flow.registry.version(MODEL, 2)["status"] == "retired")
    @rule()
    def a_version_is_approved(self) -> None:
        """As if it was just trained."""
        version = self.flow.registry.items["version", MODEL, 2]
        version["status"] = "approved"
        self.flow.registry.items["run", MODEL, version["run"]]["status"] = "deploying"
        with contextlib.suppress(Crash):
            self.flow.packages.decide(version["model_package_arn"], "Approved", "")

    def _person(self, act: Any) -> None:
        # refused, or cut off: a person tries again or doesn't
        with contextlib.suppress(CannotStart, NotPossible, Crash):
            act()

    def _deliver(self, kind: str, identity: str, about: Any) -> None:
        try:
            self.flow.attempt(kind, identity, about)
        except Transient:
            self.flow.pending.append((kind, identity, about))

    # what always holds

    @invariant()
    def there_is_a_champion(self) -> None:
        if not hasattr(self, "flow"):
            return
        live = self.flow.item()["live_version"]
        assert self.flow.registry.version(MODEL, live)["status"] == "live"
        assert [item["version"] for item in self.flow.registry.versions(MODEL) if item["status"] == "live"] == [live]

    @invariant()
    def who_has_traffic_is_there(self) -> None:
        if not hasattr(self, "flow"):
            return
        routing = self.flow.storage.json(f"routing/{MODEL}.json")
        assert routing["lanes"]
        for lane in [*routing["lanes"], *([routing["shadow"]] if routing["shadow"] else [])]:
            assert lane["endpoint"] in self.flow.endpoints.states, "its endpoint was taken down before its traffic"

    @invariant()
    def who_asks_the_champion_is_answered(self) -> None:
        """Whatever the endpoint serves now, the routing knows how to ask it: the champion's lane, or one that comes in
        its place, which is also where the requests of a lane go that was a variant until now."""
        if not hasattr(self, "flow"):
            return
        routing = self.flow.storage.json(f"routing/{MODEL}.json")
        asked = [*(lane for lane in routing["lanes"] if lane["slot"] == "champion"), *routing["coming"]]
        assert {lane["variant"] for lane in asked if lane["endpoint"] == ENDPOINT} & set(self.flow.weights())

    @invariant()
    def who_calls_sagemaker_is_answered(self) -> None:
        if hasattr(self, "flow"):
            champion, *_ = self.flow.weights().values()
            assert champion > 0

    @invariant()
    def no_variant_scales_that_goes(self) -> None:
        """SageMaker would refuse the order."""
        if not hasattr(self, "flow"):
            return
        state = self.flow.endpoints.states[ENDPOINT]
        there = set(self.flow.endpoints.variants[state.pending_config or state.config])
        assert {variant for _, variant in self.flow.scaling.targets} <= there

    @invariant()
    def states_move_by_the_table(self) -> None:
        if not hasattr(self, "flow"):
            return
        for found in self.flow.registry.experiments(MODEL):
            walked = [None, *(line["status"] for line in found["history"])]
            assert all(lifecycle.allows("experiment", one, two) for one, two in itertools.pairwise(walked))
            assert (found["status"] in OVER) == bool(found.get("ended_at"))

    def teardown(self) -> None:
        """The world goes on without more mishaps: everything comes to its end."""
        if not hasattr(self, "flow"):
            return
        flow = self.flow
        flow.world.crash_after = None
        flow.pending += self.late
        for _ in range(40):
            flow.play()
            flow.world.now += timedelta(minutes=45)
            self._deliver("tick", "tick", None)
            self._deliver("look", "look", flow.world.now)
            if flow.registry.experiments(MODEL) and flow.experiment()["status"] == "waits_for_decision":
                flow.decide("keep")
        flow.play()
        item = flow.item()
        assert [found["status"] for found in flow.registry.experiments(MODEL) if found["status"] not in OVER] == []
        assert {name: item.get(name) for name in ("experiment", "traffic", "challenging")} == {
            "experiment": None,
            "traffic": None,
            "challenging": None,
        }
        assert flow.shares() == {item["live_version"]: 1.0}
        assert flow.lanes_up() == set()
        rejected = [one["version"] for one in flow.registry.versions(MODEL) if one["status"] == "rejected"]
        assert item["live_version"] not in rejected
        assert flow.endpoints.states[ENDPOINT].config == f"{ENDPOINT}-v{item['live_version']}"
        assert len(flow.weights()) == 1
        assert [name for name in flow.endpoints.variants if "-X" in name] == []


TestContested = Contested.TestCase
TestContested.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
