"""Champion and challengers share the traffic until it is decided who serves.

Whatever happens to a model with an experiment ends in ``Experiments.advance``: an endpoint's event, the schedule, a
person. It reads what is written, does the next thing, and may be called any number of times, in any order, with any
part of a call lost. The order of what it does makes that safe:

* a lane is up before the registry sends traffic to it, and the routing is written after the registry;
* who leaves loses its traffic first; its lane goes ``DRAIN`` later, when nobody reads the old routing any more;
* the champion's lane stays as it is: a promoted challenger takes its place as every version does, by the rollout, and
  until it has, both serve as before;
* where the lanes are variants of one endpoint (``services.variants``), SageMaker's weights are made to follow the
  traffic last, whatever was done before;
* an experiment ends only when all that was decided is done, so whatever is lost on the way is done at the next look.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sluicegate.domain import names
from sluicegate.domain.errors import Conflict, NotFound, Refused, Transient
from sluicegate.domain.experiment_items import ContenderItem, ExperimentItem, VerdictItem
from sluicegate.domain.items import LaneItem, ModelItem, ShadowItem, moment, stamp
from sluicegate.domain.shadow import SHADOW
from sluicegate.ports import RolloutBell
from sluicegate.services.contests import begin, known
from sluicegate.services.experiment_looks import Looks, is_due
from sluicegate.services.experiment_steps import CONTESTS, SHARING, Steps, strategy
from sluicegate.services.experiment_terms import CHAMPION, CannotStart, Wanted
from sluicegate.services.lanes import Lanes
from sluicegate.services.ledger import Ledger, Step
from sluicegate.services.routing import RoutingTable, variant_of
from sluicegate.services.ticks import each, ring
from sluicegate.services.variants import Variants

log = logging.getLogger(__name__)

#: how long the routing may still be remembered somewhere: ``predict`` renews its copy after seconds, and a request that
#: began before it did takes at most half a minute
DRAIN = timedelta(seconds=60)
#: lanes that are not up by then never will be: SageMaker itself gives an endpoint up after about an hour
LONGEST_START = timedelta(hours=2)
#: what the lanes of an experiment are
VARIANTS, ENDPOINTS = "variants", "endpoints"
_AGAIN = "again"
#: more steps than there are between a start and an end
_MOST_STEPS = 12
#: what a look decides, as it is written down
_DECISIONS = {
    "promote": "promote",
    "keep": "keep",
    "stop_for_harm": "stop",
    "inconclusive": "inconclusive",
    "invalid": "invalid",
}


class Experiments:
    """``bell`` wakes the rollouts, when a version is to be promoted."""

    def __init__(
        self,
        ledger: Ledger,
        looks: Looks,
        lanes: Lanes,
        variants: Variants,
        routing: RoutingTable,
        bell: RolloutBell,
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._looks = looks
        self._lanes = lanes
        self._variants = variants
        self._routing = routing
        self._bell = bell
        self._prefix = ledger.prefix
        self._steps = Steps(ledger.registry)

    # what goes on by itself

    def tick(self, now: datetime) -> dict[str, str]:
        """What was done for each model that has an experiment or waits for one. Raises ``Transient`` when some could
        not be seen to, after the others were."""
        lines = self._registry.models()
        concerned = [line["model"] for line in lines if line.get("experiment") or line.get("challenging")]
        return each(concerned, lambda model: self.advance(model, now, recover=True))

    def advance(self, model: str, now: datetime, recover: bool = False) -> str:
        """The next things for the model's experiment; a word for where it stands: none | waits | starting | running |
        waits_for_decision | promoting | draining. With ``recover`` the routing is written again, too: a first try may
        have ended before it."""
        word = ""
        for _ in range(_MOST_STEPS):
            word = self._advance(model, now, recover)
            if word != _AGAIN:
                break
        else:
            log.warning("the experiment of %s is not at rest after %s steps", model, _MOST_STEPS)
        self._weigh(model)
        return word

    def _advance(self, model: str, now: datetime, recover: bool) -> str:
        try:
            item = self._registry.model(model)
        except NotFound:
            log.warning("there is no model %s", model)
            return "none"
        found = known(self._registry, model, item.get("experiment"))
        if found is None:
            return self._begin_next(item, now)
        if found["status"] == "deciding":
            return self._carry_out(item, found, now)
        broken = self._broken(item, found, now)
        if broken is not None:
            self._decide(found, broken, now)
            return _AGAIN
        if found["status"] == "starting":
            return self._bring(found, now)
        if is_due(found, now):
            return self._look(found, now)
        if recover:
            self._routing.publish(model)
        return found["status"]

    # beginning

    def _begin_next(self, item: ModelItem, now: datetime) -> str:
        """The version that waits for its experiment, if it can have one now."""
        number, model = item.get("challenging"), item["model"]
        if number is None:
            return "none"
        wanted = Wanted(
            (number,),
            ("version", str(number), item.get("challenging_at") or ""),
            "deployment.strategy",
            mode="shadow" if strategy(item) == "shadow" else None,
        )
        try:
            if strategy(item) in CONTESTS and self._registry.version(model, number)["status"] == "approved":
                begin(self._ledger, model, wanted, now)
                return _AGAIN
        except CannotStart as error:
            log.info("version %s of %s waits: %s", number, model, error)
            return "waits"
        self._ledger.step(model, now, lambda found: self._steps.uncontested(found, number))
        return "none"  # on the way to the endpoint, if it may serve: the rollouts' next tick takes it on

    def _bring(self, found: ExperimentItem, now: datetime) -> str:
        model, cause = found["model"], found["experiment"]
        if found.get("lanes_as") is None:
            lanes_as = VARIANTS if self._variants.fits(found) else ENDPOINTS
            self._ledger.step(model, now, lambda one: self._steps.placed(one, found, lanes_as))
            return _AGAIN
        lanes, shadow = self._placed(found)
        try:
            if found["lanes_as"] == VARIANTS:
                word = self._variants.bring(found)
            else:
                word = self._lanes.bring(model, [*lanes, *([shadow] if shadow is not None else [])], cause, now)
        except Refused as error:
            word = f"failed:{error}"
        if word == "ordered":
            self._ledger.step(model, now, lambda one: self._steps.ordered(one, found, now))
            return "starting"
        if word == "ready":
            self._ledger.step(model, now, lambda _: self._steps.share(found, lanes, shadow, now))
            self._routing.publish(model)
            return _AGAIN
        late = now - moment(found["created_at"]) > LONGEST_START
        if word == "busy" and not late:
            return "starting"
        why = "The lanes were not up within two hours." if late else word.partition(":")[2].strip()
        self._decide(found, _failed(why or "The lanes did not come up.", now), now)
        return _AGAIN

    # while it runs

    def _broken(self, item: ModelItem, found: ExperimentItem, now: datetime) -> VerdictItem | None:
        """Why the experiment can't go on: the world is no longer the one that it was designed for."""
        champion = found["lanes"][0]["version"]
        others = [item.get(name) for name in ("live_version", "desired_version", "deploying_version")]
        other = next((number for number in others if number not in (None, champion)), None)
        if item.get("live_version") is None:
            return _failed("No version is live any more.", now)
        if other is not None:
            return _ended("stop", f"Version {other} takes the champion's place: somebody deployed it.", now)
        if item.get("sleep"):
            return _ended("stop", "The endpoint was put to sleep.", now)
        if self._lanes.gone(found["model"]):
            return _failed("The model's endpoint was deleted.", now)
        for lane in found["lanes"][1:]:
            version = self._registry.version(found["model"], lane["version"])
            if version["status"] != "approved":
                return _ended("stop", f"Version {lane['version']} is {version['status']} now.", now)
        if found.get("lanes_as") == VARIANTS and found["status"] in SHARING:
            lost = self._variants.lost(found)
            return _failed(lost, now) if lost is not None else None
        return None

    def _weigh(self, model: str) -> None:
        """Those who call SageMaker themselves are shared as the traffic is. Every end of a call does it again."""
        try:
            item = self._registry.model(model)
        except NotFound:
            return
        found = known(self._registry, model, item.get("experiment"))
        if found is None or found.get("lanes_as") != VARIANTS or found["status"] == "starting":
            return
        traffic = item.get("traffic")
        lanes = traffic["lanes"] if traffic is not None and traffic["cause"] == found["experiment"] else []
        shares = {lane["slot"]: lane["weight"] for lane in lanes} or {CHAMPION: 1.0}
        try:
            self._variants.weigh(found, shares)
        except Conflict as error:
            log.info("the weights of %s wait for the endpoint: %s", model, error)

    def _look(self, found: ExperimentItem, now: datetime) -> str:
        model = found["model"]
        seen = self._looks.look(found, now)
        new = self._looks.record(found, seen, now)
        kind, slot = _DECISIONS.get(seen["decision"]["kind"]), seen["decision"]["lane"]
        decision = None
        if kind is not None:
            version = next((lane["version"] for lane in found["lanes"] if lane["slot"] == slot), None)
            decision = VerdictItem(
                kind=kind, slot=slot, version=version, reason=seen["reason"], by="experiment", at=stamp(now)
            )
        self._ledger.step(model, now, lambda one: self._steps.looked(one, found, seen, decision, new, now))
        self._routing.publish(model)
        if kind == "promote":
            ring(self._bell, model, now)
        return _AGAIN

    # ending

    def _decide(self, found: ExperimentItem, decision: VerdictItem, now: datetime) -> None:
        model = found["model"]
        if self._ledger.step(model, now, lambda one: self._steps.decided(one, found, decision, now)) is not None:
            self._routing.publish(model)

    def _carry_out(self, item: ModelItem, found: ExperimentItem, now: datetime) -> str:
        model, decision, settled = found["model"], found["decision"], found.get("settled_at")
        assert decision is not None
        if settled is None:
            return self._promote(found, decision, now)
        self._routing.publish(model)  # a first try may have ended before it
        if now < moment(settled) + DRAIN:
            return "draining"
        try:
            if found.get("lanes_as") == VARIANTS:
                self._variants.drop(item, found, now)
            else:
                self._lanes.drop(model, found["experiment"], None, now)
        except Transient as error:
            log.info("lanes of experiment %s of %s: %s", found["experiment"], model, error)
            return "draining"
        self._ledger.step(model, now, lambda one: self._steps.over(one, found, now))
        for lane in found["lanes"][1:]:
            self._ledger.look_again(model, f"run:{self._registry.version(model, lane['version'])['run']}", now)
        return _AGAIN

    def _promote(self, found: ExperimentItem, decision: VerdictItem, now: datetime) -> str:
        model, winner = found["model"], decision["version"]
        assert winner is not None

        def plan(item: ModelItem) -> Step | None:
            # the model as it is after the decision was read: the wish was written with it
            failure = None
            if item.get("live_version") != winner:
                version = self._registry.version(model, winner)
                if item.get("desired_version") == winner and version["status"] in ("approved", "deploying"):
                    return None
                failure = f"Version {winner} could not take over; version {item.get('live_version')} serves on."
            return self._steps.settled(item, found, now, failure)

        if self._ledger.step(model, now, plan) is None:
            return "promoting"
        self._routing.publish(model)
        return _AGAIN

    def _placed(self, found: ExperimentItem) -> tuple[list[LaneItem], ShadowItem | None]:
        """The lanes as the traffic names them: where each version answers, and its share."""
        model, design = found["model"], found["design"]
        shares = design.get("shares", {})
        apart = found.get("lanes_as") != VARIANTS
        lanes = [self._lane(model, lane, float(shares.get(lane["slot"], 1.0)), apart) for lane in found["lanes"]]
        if found["mode"] != "shadow":
            return lanes, None
        return lanes[:1], ShadowItem(**{**lanes[1], "slot": SHADOW, "sample": float(design["sample"])})

    def _lane(self, model: str, lane: ContenderItem, weight: float, apart: bool) -> LaneItem:
        """``apart``: a challenger's is an endpoint of its own."""
        number, own = lane["version"], lane["slot"] == CHAMPION or apart
        endpoint = names.endpoint(self._prefix, model)
        if lane["slot"] != CHAMPION and apart:
            endpoint = names.lane_endpoint(self._prefix, model, number)
        variant = variant_of(self._registry.version(model, number)) if own else names.lane_variant(number)
        return LaneItem(slot=lane["slot"], version=number, weight=weight, endpoint=endpoint, variant=variant)


def _ended(kind: str, reason: str, now: datetime) -> VerdictItem:
    return VerdictItem(kind=kind, slot=None, version=None, reason=reason, by="experiment", at=stamp(now))


def _failed(reason: str, now: datetime) -> VerdictItem:
    return _ended("failed", reason, now)
