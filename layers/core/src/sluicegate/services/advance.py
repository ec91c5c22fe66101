"""Takes up what was decided and is not done yet: told to SageMaker's registry, brought to the endpoint.

Woken by a decision for one model, and every minute for all models that are on the way somewhere. So a function that
ended between the decision and what follows from it delays it by a minute and no more. The tick also takes up what was
decided in SageMaker's registry when the event of that was lost (``services.unheard``).
"""

from __future__ import annotations

import logging
from datetime import datetime

from sluicegate.domain.errors import NotFound, Refused
from sluicegate.domain.items import ModelItem
from sluicegate.ports import Packages
from sluicegate.services.ledger import Ledger, Step
from sluicegate.services.rollout import Rollout
from sluicegate.services.ticks import each
from sluicegate.services.unheard import Unheard

log = logging.getLogger(__name__)


class Advance:
    """Both may be called again, in any order, at any time."""

    def __init__(self, ledger: Ledger, packages: Packages, rollout: Rollout, unheard: Unheard) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._packages = packages
        self._rollout = rollout
        self._unheard = unheard

    def all(self, now: datetime) -> dict[str, str]:
        """By model that is on the way, or whose version was decided: what was done. Raises ``Transient`` when some
        could not be seen to, after the others were."""
        lines = {line["model"]: line for line in self._registry.models()}

        def seen_to(model: str) -> str | None:
            heard = self._unheard.take_up(model, now) if lines[model].get("awaited") else None
            done = self.one(model, now) if lines[model].get("moving") else None
            return done if heard is None else heard

        concerned = [model for model, line in lines.items() if line.get("moving") or line.get("awaited")]
        return {model: word for model, word in each(concerned, seen_to).items() if word is not None}

    def one(self, model: str, now: datetime) -> str:
        """deploying | live | failed | busy | nothing | ignored."""
        try:
            item = self._registry.model(model)
        except NotFound:
            log.warning("there is no model %s", model)
            return "ignored"
        outcome = self._rollout.advance(model, now)
        for number in item.get("telling") or []:
            self._tell(model, number, now)
        return outcome

    def alarmed(self, model: str, alarm: str, reason: str, at: datetime) -> str:
        """As ``one``, after an alarm was raised."""
        try:
            self._rollout.alarmed(model, alarm, reason, at)
        except NotFound:
            log.warning("alarm %s is of no model here", alarm)
            return "ignored"
        return self.one(model, at)

    def _tell(self, model: str, number: int, now: datetime) -> None:
        version = self._registry.version(model, number)
        decision = version.get("decision")
        if decision is not None:
            who, why = decision["who"], decision["why"]
            try:
                self._packages.decide(
                    version["model_package_arn"], decision["approval"], f"{why} ({who})" if why else f"By {who}."
                )
            except (NotFound, Refused):
                # the registry's word is what counts here; SageMaker's is for those who look there
                log.exception("the package of version %s of %s could not be told", number, model)

        def plan(item: ModelItem) -> Step | None:
            left = [other for other in item.get("telling") or [] if other != number]
            same = self._registry.version(model, number).get("decision") == decision
            if not same or left == (item.get("telling") or []):
                return None  # decided anew meanwhile: that is told next
            return Step(item.get("message") or "", {"telling": left or None})

        self._ledger.step(model, now, plan)
