"""What people, and the strategy of model.yaml, ask of experiments: one conditional write each.

What follows from it (lanes, traffic, looks, a promotion) is done by ``services.experiment``, which is told at once or
finds it at its next look. What is asked for twice is done once.
"""

from __future__ import annotations

from datetime import datetime

from sluicegate.domain.errors import NotFound
from sluicegate.domain.experiment_items import ExperimentItem, VerdictItem
from sluicegate.domain.items import ModelItem, stamp
from sluicegate.ports import RegistryReader, RolloutBell
from sluicegate.services.experiment_steps import Steps, identity
from sluicegate.services.experiment_terms import CannotStart, Wanted, check, terms
from sluicegate.services.ledger import Ledger, Step
from sluicegate.services.ticks import ring

#: what a person may decide
WORDS = ("promote", "keep", "stop")


class Contests:
    """What a person may ask for. ``bell`` wakes whoever brings it about."""

    def __init__(self, ledger: Ledger, bell: RolloutBell) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._bell = bell
        self._steps = Steps(ledger.registry)

    def start(self, model: str, wanted: Wanted, now: datetime) -> ExperimentItem:
        """See ``begin``."""
        found = begin(self._ledger, model, wanted, now)
        ring(self._bell, model, now)
        return found

    def decide(self, model: str, kind: str, slot: str | None, who: str, why: str, now: datetime) -> ExperimentItem:
        """A person's word: promote (the challenger in ``slot``), keep or stop. Raises ``CannotStart`` where there is
        nothing to decide, ``NotFound`` for an unknown model."""
        found = known(self._registry, model, self._registry.model(model).get("experiment"))
        if found is not None and _said_before(found, kind, slot):
            ring(self._bell, model, now)  # a first call may have ended before it
            return found
        if found is None or found["status"] == "deciding":
            what = "has no experiment" if found is None else "has an experiment that is decided already"
            raise CannotStart("Nothing to decide", f"{model} {what}.")
        version = None
        if kind == "promote":
            if found["status"] == "starting":
                raise CannotStart("Too early", "The challengers' lanes are not up yet.", "Wait, or stop it.")
            slot, version = _chosen(found, slot)
        verdict = VerdictItem(
            kind=kind, slot=slot, version=version, reason=why or f"{who} decided so.", by=who, at=stamp(now)
        )
        self._ledger.step(model, now, lambda item: self._steps.decided(item, found, verdict, now))
        ring(self._bell, model, now)
        return self._registry.experiment(model, found["experiment"])


def begin(ledger: Ledger, model: str, wanted: Wanted, now: datetime) -> ExperimentItem:
    """The experiment that was asked for, begun now or before. Raises ``CannotStart`` with what stands in its way,
    ``SettingsError`` for what was given, ``NotFound`` for an unknown model."""
    registry, steps = ledger.registry, Steps(ledger.registry)
    mine = identity(model, wanted.cause)
    result = mine

    def plan(item: ModelItem) -> Step | None:
        nonlocal result
        result = mine
        if known(registry, model, mine) is not None:
            return None
        agreed = terms(item, wanted)
        active = known(registry, model, item.get("experiment"))
        if active is not None and (list(agreed.lanes), agreed.design) == (active["lanes"], active["design"]):
            result = active["experiment"]
            return None
        if active is not None:
            raise CannotStart(
                "An experiment is under way",
                f"Experiment {active['experiment']} of {model} has not ended.",
                f"Wait for its end, or stop it: sluice experiment stop {model}",
            )
        check(item, wanted, registry)
        return steps.begin(item, wanted, agreed, now)

    ledger.step(model, now, plan)
    return registry.experiment(model, result)


def known(registry: RegistryReader, model: str, experiment: str | None) -> ExperimentItem | None:
    if experiment is None:
        return None
    try:
        return registry.experiment(model, experiment)
    except NotFound:
        return None


def _said_before(found: ExperimentItem, kind: str, slot: str | None) -> bool:
    """Whether a person decided just that, and it is being carried out."""
    decision = found.get("decision")
    if found["status"] != "deciding" or decision is None or decision["by"] == "experiment":
        return False
    return decision["kind"] == kind and slot in (None, decision["slot"])


def _chosen(found: ExperimentItem, slot: str | None) -> tuple[str, int]:
    challengers = {lane["slot"]: lane["version"] for lane in found["lanes"][1:]}
    if slot is None and len(challengers) == 1:
        slot = next(iter(challengers))
    if slot is None or slot not in challengers:
        accepted = ", ".join(f"{name} (version {number})" for name, number in challengers.items())
        raise CannotStart("Which challenger?", f"Given: {slot or 'none'}.", f"Accepted: {accepted}.")
    return slot, challengers[slot]
