"""A version was approved (or refused) in SageMaker's registry, by the gate or by a person."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.errors import NotFound, Refused, Transient
from sluicegate.domain.items import ModelItem, VersionItem, stamp
from sluicegate.ports import Package, Packages, RolloutBell
from sluicegate.services.experiment_steps import Steps
from sluicegate.services.ledger import Ledger, Step, move_run, move_version, refusal
from sluicegate.services.rollout import Rollout
from sluicegate.services.wishes import let_go, moves, overtaken, wish

log = logging.getLogger(__name__)


class Deploy:
    """``package_changed`` may be called again for the same package, in any order with others."""

    def __init__(self, ledger: Ledger, packages: Packages, rollout: Rollout, bell: RolloutBell, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._packages = packages
        self._rollout = rollout
        self._bell = bell
        self._experiments = Steps(ledger.registry)
        self._prefix = prefix

    def package_changed(self, arn: str, now: datetime) -> str:
        """What was done: deploying | live | failed | busy | nothing | rejected | compared | ignored."""
        try:
            package = self._packages.package(arn)
        except NotFound as error:
            log.warning("%s", error)
            return "ignored"
        model = names.group_model(self._prefix, package.group)
        if model is None or package.approval not in ("Approved", "Rejected"):
            return "ignored"
        version = self._version(model, package)
        if version is None:
            return "ignored"
        if package.approval == "Rejected":
            outcome = self._rejected(model, package, now)
            if outcome == "rejected":
                self._rollout.advance(model, now)  # one that was on its way in loses its share of the traffic at once
            return outcome
        if version["status"] not in ("pending_approval", "approved", "deploying"):
            log.info("version %s of %s is %s: not deployed", package.version, model, version["status"])
            return "ignored"
        if self._contest(model, package, now):
            return "compared"
        self._desire(model, package, now)
        try:
            return self._rollout.advance(model, now)
        except Refused as error:
            self._rollout.undeployable(model, package.version, now, refusal(error))
            return "failed"

    def _version(self, model: str, package: Package) -> VersionItem | None:
        try:
            return self._registry.version(model, package.version)
        except NotFound:
            if "run" in package.metadata:
                raise Transient(f"version {package.version} of {model} is not recorded yet") from None
            log.warning("version %s of %s was not registered by this application", package.version, model)
            return None

    def _contest(self, model: str, package: Package, now: datetime) -> bool:
        """Whether the version is to be compared with the champion, instead of replacing it."""
        mine = False

        def plan(item: ModelItem) -> Step | None:
            nonlocal mine
            step = self._experiments.contested(item, package.version, stamp(package.decided_at), now)
            mine = step is not None
            return step

        self._ledger.step(model, now, plan)
        if mine:
            self._ledger.look_again(model, f"run:{self._registry.version(model, package.version)['run']}", now)
            self._bell.ring(model, now)
        return mine

    def _desire(self, model: str, package: Package, now: datetime) -> None:
        """The newest decision is what should serve. One that is older than the decision in force comes too late."""
        decided = stamp(package.decided_at)

        def plan(item: ModelItem) -> Step | None:
            version = self._registry.version(model, package.version)
            if item.get("desired_version") == package.version:
                return None
            if version["status"] not in ("pending_approval", "approved"):
                return None
            if (item.get("desired_at") or "") > decided:
                newer = item.get("desired_version") or item.get("live_version") or 0
                changes = overtaken(self._registry, version, newer, now)
                return Step(item["message"], let_go(item, version), changes)
            fields, changes = wish(self._registry, item, version, decided, now, _told("Approved", package, version))
            return Step(f"Version {package.version} is approved and will be deployed.", fields, changes)

        self._ledger.step(model, now, plan)

    def _rejected(self, model: str, package: Package, now: datetime) -> str:
        """A person said no to a version that waits, is on its way in, or served before. One that serves stays: somebody
        has to serve, and the API tells why."""

        def plan(item: ModelItem) -> Step | None:
            found = self._registry.version(model, package.version)
            if found["status"] not in ("pending_approval", "approved", "deploying", "retired", "failed"):
                log.info("version %s of %s is %s: not rejected", package.version, model, found["status"])
                return None
            message = _told("Rejected in the model registry", package, found)
            run = self._registry.run(model, found["run"])
            fields: dict[str, Any] = {"active_run": None} if item.get("active_run") == found["run"] else {}
            if item.get("desired_version") == package.version:
                # what SageMaker does already can't be called off: it arrives, and ``services.rollout`` takes it back
                fields |= {"desired_version": item.get("live_version"), "settling": True}
            changes = moves(move_version(found, "rejected", now, message, reason=message))
            ended = "rejected" if found["status"] == "pending_approval" else "failed"
            changes += moves(move_run(run, ended, now, message, claim=None))
            return Step(f"Version {package.version}: {message}", fields, changes, "failed")

        return "ignored" if self._ledger.step(model, now, plan) is None else "rejected"


def _told(what: str, package: Package, version: VersionItem) -> str:
    """What was decided, and why where the person said it: the gate's reason stands there before."""
    gates = (version.get("verdict") or {}).get("reason") or ""
    said = "" if gates.startswith(package.reason) else package.reason.strip().rstrip(".")
    return f"{what}: {said}." if said else f"{what}."
