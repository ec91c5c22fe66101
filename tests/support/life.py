"""A model's whole life over the fakes, in acts, with every way to disturb it.

A life is told once undisturbed; before each delivery the world is kept. A disturbance starts from there: the delivery
breaks off after one of its effects and comes again, at once or behind what it caused; or something else takes place
between two of its calls. Then the act is played to its end. As an act's end is compared whole, and the next act starts
from what is there, no act has to be played again behind a disturbance of an earlier one.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from sluicegate.domain import names
from sluicegate.domain.errors import Transient
from sluicegate.domain.items import is_moving
from sluicegate.domain.lifecycle import is_terminal
from sluicegate.domain.sleep_items import waits_for_waking
from sluicegate.services.costs import Costs
from sluicegate.services.experiment_terms import CannotStart
from sluicegate.services.lost_ends import LostEnds
from sluicegate.services.reap import Reap
from sluicegate.services.sleep_orders import SleepOrders
from sluicegate.services.sleeping import table_price
from sluicegate.services.steer import By, NotPossible
from sluicegate.services.wake import Wake
from sluicegate.services.wake_endpoint import WakeEndpoint
from tests.support.contest import ENDPOINT, MODEL, Contest
from tests.support.fakes import Crash, FakeBell, FakeCalls
from tests.support.flow import PREFIX, REGION
from tests.support.slumber import SlowEndpoints

Delivery = tuple[str, str, Any]
Happening = Callable[["Life"], object]
#: what AWS is to the application
PORTS = ("registry", "storage", "jobs", "packages", "endpoints", "alarms", "scaling", "metrics")
ANN = By("ann", "because")


class Seam:
    """A port that says of each of its calls that it begins."""

    def __init__(self, port: Any, begins: Callable[[], None]) -> None:
        self._port, self._begins = port, begins

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._begins()
            return found(*args, **kwargs)

        return call


class Life(Contest):
    """The application with everything that wakes it. ``meanwhile``: at which call of the next delivery what happens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.endpoints = SlowEndpoints(self.world)
        self.calls = FakeCalls()
        self.meanwhile: tuple[int, Happening] | None = None
        self.begun = 0

    # deliveries

    def deliver(self, kind: str, identity: str, about: Any) -> str:
        now = self.world.now
        if kind == "wake":
            return WakeEndpoint(self.ledger(), FakeBell(self.world)).asked(about, now)
        if kind == "reap":
            costs = Costs(self.registry, self.prices, REGION)
            bell = FakeBell(self.world)
            return str(Reap(self.ledger(), self.endpoints, self.calls, costs, bell, PREFIX).look(now))
        if kind == "schedule":
            lines = self.registry.models()
            told = LostEnds(self.ledger(), self.jobs, self.jobs, FakeBell(self.world)).look(lines, now)
            return str(Wake(self.ledger()).look(lines, now) + told)
        if kind == "person":
            try:
                return str(getattr(self, f"person_{identity}")(*about))
            except (NotPossible, CannotStart) as refusal:
                return f"refused: {refusal}"
        return super().deliver(kind, identity, about)

    def person_sleeps(self) -> object:
        return SleepOrders(self.ledger(), FakeBell(self.world), table_price(REGION)).sleep(MODEL, ANN, self.world.now)

    def person_deploys(self, number: int) -> object:
        return self.steer().deploy(MODEL, number, ANN, self.world.now)

    def person_starts(self, number: int, cause: str) -> object:
        return self.contests().start(MODEL, self.wanted(number, cause=cause), self.world.now)

    def person_decides(self, kind: str) -> object:
        return self.contests().decide(MODEL, kind, None, "ada", "", self.world.now)

    def attempt(self, kind: str, identity: str, about: Any, behind: bool = True) -> None:
        """A delivery that breaks off or can't be done now comes again: behind what waits, or before it."""
        try:
            self.seamed(kind, identity, about)
        except (Crash, Transient):
            self.collect()
            self.pending.insert(len(self.pending) if behind else 0, (kind, identity, about))

    def seamed(self, kind: str, identity: str, about: Any) -> None:
        """Delivers; every port's call is counted, and before the one that ``meanwhile`` names that takes place."""
        plain = {name: getattr(self, name) for name in PORTS}
        self.begun = 0
        for name, port in plain.items():
            setattr(self, name, Seam(port, lambda: self._call(plain)))
        try:
            self.deliver(kind, identity, about)
        finally:
            for name, port in plain.items():
                setattr(self, name, port)

    def _call(self, plain: dict[str, Any]) -> None:
        self.begun += 1
        if self.meanwhile is None or self.begun != self.meanwhile[0]:
            return
        _, happens = self.meanwhile
        self.meanwhile = None
        seams = {name: getattr(self, name) for name in plain}
        for name, port in plain.items():
            setattr(self, name, port)
        begun = self.begun
        happens(self)
        self.begun = begun
        for name, seam in seams.items():
            setattr(self, name, seam)

    # what people do past the application, in SageMaker and in the bucket

    def refuse(self, number: int) -> None:
        arn = self.registry.version(MODEL, number)["model_package_arn"]
        self.packages.decide(arn, "Rejected", "by hand")

    def remove_endpoint(self) -> None:
        """Nobody is told."""
        self.endpoints.states.pop(ENDPOINT, None)

    def stop_jobs(self) -> None:
        for (kind, name), job in list(self.jobs.states.items()):
            if not job.over:
                self.jobs.end(kind, name, "Stopped")

    # SageMaker and the schedules

    def sagemaker(self) -> bool:
        for name, state in self.endpoints.states.items():
            if state.status == "Deleting":
                self.endpoints.settle(name)
                return True
        return super().sagemaker()

    @property
    def rests(self) -> bool:
        lines = self.registry.models()
        return not any(is_moving(self.item()) or line.get("experiment") or line.get("challenging") for line in lines)

    def step(self) -> Delivery | None:
        """The next delivery; None when there is none and SageMaker has nothing to do: then the schedules come."""
        self.collect()
        return self.pending.pop(0) if self.pending else None

    def go_on(self, until: Callable[[Life], bool], told: Callable[[Delivery], None] = lambda _: None) -> None:
        """Until ``until``, or until nothing more happens."""
        for _ in range(600):
            following = self.step()
            if following is not None:
                told(following)
                self.attempt(*following)
                continue
            if self.sagemaker():
                continue
            if until(self):
                return
            self.world.now += self.every
            self.pending += [("tick", "tick", None), ("look", "look", self.world.now)]
        raise AssertionError("it does not come to rest")


@dataclass(frozen=True)
class Act:
    """``begins``: what people do. ``ends``: whether that is done, once nothing is under way."""

    name: str
    begins: Callable[[Life], None]
    ends: Callable[[Life], bool] = lambda life: life.rests


@dataclass(frozen=True)
class Moment:
    """Before a delivery: the world, and what the delivery will do undisturbed."""

    act: Act
    world: Life
    delivery: Delivery
    effects: tuple[str, ...]
    calls: int


class Told:
    """A life, told undisturbed: each act's moments and its end."""

    def __init__(self, life: Life, acts: Sequence[Act]) -> None:
        self.moments: list[Moment] = []
        self.ends: dict[str, dict[str, Any]] = {}
        self.before: dict[str, Life] = {}
        for act in acts:
            self.before[act.name] = copy.deepcopy(life)
            act.begins(life)
            self._tell(act, life)
            self.ends[act.name] = state_of(life)
        self.last = life

    def _tell(self, act: Act, life: Life) -> None:
        open_ones: list[tuple[Life, Delivery, int]] = []

        def close() -> None:
            if open_ones:
                world, delivery, before = open_ones.pop()
                effects = tuple(life.world.effects[before:])
                self.moments.append(Moment(act, world, delivery, effects, life.begun))

        def told(delivery: Delivery) -> None:
            close()
            open_ones.append((copy.deepcopy(life), delivery, len(life.world.effects)))

        life.go_on(act.ends, told)
        close()


def broken_off(moment: Moment, effect: int, behind: bool) -> Life:
    """The delivery breaks off after its ``effect``-th (from 1), comes again, and the act goes on."""
    life = copy.deepcopy(moment.world)
    life.world.crash_after = len(life.world.effects) + effect
    life.attempt(*moment.delivery, behind=behind)
    assert life.world.crash_after is None, "the crash took place"
    life.go_on(moment.act.ends)
    return life


def interrupted(moment: Moment, call: int, happens: Happening, until: Callable[[Life], bool] | None = None) -> Life:
    """Before the ``call``-th call of the delivery (from 1) something else ``happens``, and the act goes on, or life
    ``until``."""
    life = copy.deepcopy(moment.world)
    life.meanwhile = (call, happens)
    life.attempt(*moment.delivery)
    assert life.meanwhile is None, "it happened"
    life.go_on(until or moment.act.ends)
    return life


def repeated(moment: Moment) -> Life:
    """The delivery comes three times, and an event or message once more when the act is over."""
    life = copy.deepcopy(moment.world)
    for _ in range(3):
        life.attempt(*moment.delivery)
    life.go_on(moment.act.ends)
    if moment.delivery[0] != "person":  # a person who says it again later says something new
        life.attempt(*moment.delivery)
        life.go_on(moment.act.ends)
    return life


def wrong(life: Life) -> list[str]:
    """What must not be once a model rests, whatever happened to it."""
    life.pending += [("reap", "reap", None), ("schedule", "schedule", None), ("tick", "tick", None)]
    life.go_on(lambda one: one.rests)
    item, found = life.item(), []
    live, sleep = item.get("live_version"), item.get("sleep")
    runs, versions = life.registry.runs(MODEL), life.registry.versions(MODEL)
    for run in runs:
        waits = run.get("version") is not None and waits_for_waking(item, run["version"])
        if not is_terminal("run", run["status"]) and not waits:
            found.append(f"run {run['run']} is {run['status']}")
    found += [f"the model holds on to {name}" for name in _PASSING if item.get(name) is not None]
    living = [version["version"] for version in versions if version["status"] == "live"]
    if living != ([] if live is None else [live]):
        found.append(f"version {live} is live, these say so of themselves: {living}")
    between = [version for version in versions if version["status"] == "deploying"]
    found += [f"version {version['version']} is deploying" for version in between]
    state = life.endpoints.states.get(ENDPOINT)
    if live is None or sleep is not None:
        found += ["there is an endpoint"] if state is not None else []
    elif state is None or state.status != "InService":
        found.append(f"the endpoint is {state.status if state is not None else 'gone'}")
    elif state.config != names.endpoint_config(PREFIX, MODEL, live):
        found.append(f"the endpoint has {state.config}, live is version {live}")
    found += [f"endpoint {name} was left" for name in life.endpoints.states if name != ENDPOINT]
    found += [f"config {name} was left" for name in life.endpoints.endpoint_configs if f"{MODEL}-X" in name]
    found += [f"alarm {name} was left" for name in life.alarms.specs]
    found += [f"{name} scales" for (_, name) in life.scaling.targets if state is None or name not in state.weights]
    if live is not None:
        routing = life.storage.json(f"routing/{MODEL}.json")
        lanes = [(lane["version"], lane["weight"]) for lane in routing["lanes"]]
        if lanes != [(live, 1.0)] or routing["cause"] is not None:
            found.append(f"requests go to {lanes} in {routing['cause']}, live is version {live}")
    trained = [run for run in runs if run["status"] != "failed"]
    data = sorted(one["upload"] for one in life.registry.uploads(MODEL) if one["status"] == "accepted")
    last = item.get("last_run") if not item.get("settings_problem") else None  # with one nothing starts
    if data and trained and trained[0]["run"] == last and sorted(trained[0]["uploads"]) != data:
        found.append(f"nobody trained {data}")
    return found


#: of a model's item, what is there only while something goes on
_PASSING = ("active_run", "deploying_version", "traffic", "rollout", "experiment", "challenging", "settling", "telling")


# what must come out the same

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?")
#: a column's example is any of its values
_EXAMPLE = re.compile(r'"example": ("[^"]*"|[-0-9.]+), ')
#: of an item, what says when or by which delivery it was written, or tells people what happened last
_UNTOLD = (
    "revision",
    "claim",
    "message",
    "latest_cause",
    "settings_sequencer",
    "sequencer",
    "look",
    "course",
    "awaited",
)


def state_of(life: Life) -> dict[str, Any]:
    """The registry, the bucket and SageMaker, without times; names that follow from times are numbered."""
    registry = {str(key): _item(item) for key, item in life.registry.items.items()}
    objects = {key: _content(key, body) for key, body in life.storage.objects.items()}
    endpoints = {
        name: (state.status, state.config, state.pending_config, dict(state.weights))
        for name, state in life.endpoints.states.items()
    }
    whole = {
        "registry": registry,
        "objects": objects,
        "endpoints": endpoints,
        "configs": sorted(life.endpoints.endpoint_configs),
        "training": sorted(life.jobs.training),
        "transforms": sorted(life.jobs.transforms),
        "tunings": sorted(life.jobs.tunings),
        "processing": sorted(life.jobs.processing),
        "models": sorted(life.jobs.models),
        "packages": sorted((package.arn, package.approval) for package in life.packages.packages.values()),
        "alarms": sorted(life.alarms.specs),
        "scaled": {str(key): value for key, value in life.scaling.targets.items()},
        "orders": [config for config, _ in groupby(life.endpoints.orders)],
        "sums": sorted(str(pair) for pair in life.tallies.sums.items()),
    }
    text = _TIME.sub("<time>", json.dumps(whole, sort_keys=True, default=str))
    text = _EXAMPLE.sub("", text)
    own = [item["experiment"] for item in life.registry.experiments(MODEL)]
    own += [item["attempt"] for item in life.registry.versions(MODEL) if item.get("attempt")]
    for number, name in enumerate(sorted(set(own), key=text.index)):
        text = text.replace(name, f"<id {number}>")
    return cast("dict[str, Any]", json.loads(text))


def _item(item: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name not in _UNTOLD and not name.endswith("_at")}
    kept["history"] = [line["status"] for line in item.get("history", [])]
    return kept


def _content(key: str, body: bytes) -> Any:
    """Of what is written with times in it, that it is there; of all else the content."""
    if key.startswith(("evaluations/", "experiments/", "data-rejects/")):
        return "there"
    if key.startswith("routing/") or key.endswith("/dataset.json"):
        return json.loads(body)
    return body.hex()


def differences(found: Any, wanted: Any, at: str = "") -> list[str]:
    """Where they differ, for people."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        return [line for key in keys for line in differences(found.get(key), wanted.get(key), f"{at}/{key}")]
    return [] if found == wanted else [f"{at}: {str(found)[:300]} instead of {str(wanted)[:300]}"]
