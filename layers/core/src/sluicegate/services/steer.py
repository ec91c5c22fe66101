"""What people decide about versions: approve, reject, deploy (going back is deploying an older one).

A decision is one conditional write to the registry; it names who decided and why. Everything that follows from it (the
package in SageMaker's registry, the endpoint) is done by ``services.advance``, woken at once by an event and, should
that be lost, by the next tick. A decision that is made twice is made once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sluicegate.domain.errors import SluicegateError
from sluicegate.domain.items import ModelItem, VerdictOfPerson, VersionItem, stamp
from sluicegate.ports import Change, RolloutBell
from sluicegate.services.experiment_steps import Steps
from sluicegate.services.ledger import Ledger, Step, move_run, move_version
from sluicegate.services.wishes import moves, wish

log = logging.getLogger(__name__)

Approval = Literal["Approved", "Rejected"]


@dataclass(frozen=True)
class By:
    """Who decides, and why ("" when not said)."""

    who: str
    why: str = ""

    def sentence(self, what: str) -> str:
        """
        >>> By("ann", "better on new customers").sentence("Approved")
        'Approved by ann: better on new customers'
        """
        return f"{what} by {self.who}" + (f": {self.why}" if self.why else ".")


class NotPossible(SluicegateError):
    """The version's state does not allow it; the message says what it is and what would be possible."""


@dataclass(frozen=True)
class Decided:
    """``done`` is False when it was so already. ``message`` is for people."""

    version: VersionItem
    done: bool
    message: str


class Steer:
    def __init__(self, ledger: Ledger, bell: RolloutBell) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._bell = bell
        self._experiments = Steps(ledger.registry)

    def approve(self, model: str, number: int, by: By, now: datetime) -> Decided:
        """A version that waits for a person will be deployed, or compared with the champion first, as model.yaml says.
        Raises ``NotFound``, ``NotPossible``."""

        def plan(item: ModelItem) -> Step | str:
            version = self._registry.version(model, number)
            status = version["status"]
            if status in ("approved", "deploying", "live"):
                return f"Version {number} is {status} already."
            if status != "pending_approval":
                raise NotPossible(_why_not(version, "approved"))
            verdict = _decision("Approved", by, now)
            contested = self._experiments.contested(item, number, stamp(now), now, verdict)
            if contested is not None:
                return replace(contested, message=f"{by.sentence('Approved')} {contested.message}")
            return self._wished(item, version, "Approved", by, now)

        return self._decide(model, number, now, plan)

    def deploy(self, model: str, number: int, by: By, now: datetime) -> Decided:
        """A version that was approved once will serve (again). Raises ``NotFound``, ``NotPossible``."""

        def plan(item: ModelItem) -> Step | str:
            version = self._registry.version(model, number)
            if version["status"] in ("pending_approval", "rejected"):
                raise NotPossible(_why_not(version, "deployed"))
            wanted = item.get("desired_version")
            if wanted == number and version["status"] in ("approved", "deploying", "live"):
                said = "is live already" if version["status"] == "live" else "is being deployed already"
                return f"Version {number} {said}."
            if version["status"] == "live" and wanted is None:
                return f"Version {number} is live already."
            return self._wished(item, version, "Deployment asked for", by, now)

        return self._decide(model, number, now, plan)

    def reject(self, model: str, number: int, by: By, now: datetime) -> Decided:
        """The version will never serve (again). Raises ``NotFound``; ``NotPossible`` for one that does or soon will."""

        def plan(item: ModelItem) -> Step | str:
            version = self._registry.version(model, number)
            status = version["status"]
            if status == "rejected":
                return f"Version {number} is rejected already: {_reason(version)}"
            if status in ("live", "deploying"):
                raise NotPossible(_why_not(version, "rejected"))
            message = by.sentence("Rejected")
            fields: dict[str, Any] = {"telling": _with(item, number), "settling": True}
            if item.get("desired_version") == number:
                fields["desired_version"] = item.get("live_version")
            run = self._registry.run(model, version["run"])
            if item.get("active_run") == version["run"]:
                fields["active_run"] = None
            changes = moves(
                move_version(version, "rejected", now, message, decision=_decision("Rejected", by, now), reason=message)
            )
            changes += moves(move_run(run, "rejected" if status == "pending_approval" else "failed", now, message))
            return Step(f"Version {number}: {message}", fields, changes, "failed")

        return self._decide(model, number, now, plan)

    def _wished(self, item: ModelItem, version: VersionItem, what: str, by: By, now: datetime) -> Step:
        message, number = by.sentence(what), version["version"]
        fields, changes = wish(self._registry, item, version, stamp(now), now, message)
        fields["telling"] = _with(item, number)
        decision = {"decision": _decision("Approved", by, now)}
        mine = next((change for change in changes if (change.kind, change.name) == ("version", number)), None)
        if mine is not None:
            changes[changes.index(mine)] = Change(**{**mine.__dict__, "set": {**mine.set, **decision}})
        else:
            changes.append(Change("version", item["model"], number, set=decision, status_in=(version["status"],)))
        return Step(f"Version {number}: {message}", fields, changes)

    def _decide(self, model: str, number: int, now: datetime, plan: Any) -> Decided:
        said: list[str] = []

        def step(item: ModelItem) -> Step | None:
            said.clear()
            found = plan(item)
            said.append(found if isinstance(found, str) else found.message)
            return None if isinstance(found, str) else found

        done = self._ledger.step(model, now, step) is not None
        # also when it was so already: a first call may have ended before the event
        try:
            self._bell.ring(model, now)
        except SluicegateError:
            log.exception("nobody is told of %s; the next tick finds it", model)
        return Decided(self._registry.version(model, number), done, said[0])


def _decision(approval: Approval, by: By, now: datetime) -> VerdictOfPerson:
    return VerdictOfPerson(approval=approval, at=stamp(now), who=by.who, why=by.why)


def _with(item: ModelItem, number: int) -> list[int]:
    """The versions whose packages SageMaker's registry has to be told of."""
    return sorted({*(item.get("telling") or []), number})


def _reason(version: VersionItem) -> str:
    return version.get("reason") or "no reason was given."


def _why_not(version: VersionItem, what: str) -> str:
    number, status = version["version"], version["status"]
    if status == "rejected":
        return f"Version {number} can't be {what}: it was rejected. {_reason(version)}"
    if status == "pending_approval":
        return f"Version {number} can't be {what}: it waits for approval. Approving it deploys it."
    if status == "live":
        return f"Version {number} can't be {what}: it serves. Deploy another version first."
    if status == "deploying":
        return f"Version {number} can't be {what}: it is being deployed. Deploy another version first."
    return f"Version {number} can't be {what}: it is {status}. It was approved before; deploying brings it back."
