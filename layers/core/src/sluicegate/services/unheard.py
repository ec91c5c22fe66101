"""Versions whose decision in SageMaker's registry nobody told this application of: the event was lost for good.

A model remembers the versions that were registered and that nobody took up yet (``awaited``). Every minute's tick asks
SageMaker what became of them and does what the event would have done, by the same way (``Deploy.package_changed``), so
an event that comes all the same finds it done.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import ModelItem, VersionItem, moment
from sluicegate.ports import Package, Packages
from sluicegate.services.deploy import Deploy
from sluicegate.services.ledger import Ledger, Step

log = logging.getLogger(__name__)

#: an event comes within seconds: a decision that is younger is left to it
GRACE = timedelta(minutes=2)
#: who registers a version decides its package right after, and is tried again for some minutes
UNDECIDED = timedelta(minutes=15)


class Unheard:
    def __init__(self, ledger: Ledger, packages: Packages, deploy: Deploy) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._packages = packages
        self._deploy = deploy

    def take_up(self, model: str, now: datetime) -> str | None:
        """As ``Deploy.package_changed`` for the newest decision that was not heard of; None when there is none."""
        item = self._registry.model(model)
        found: list[Package] = []
        gone: set[int] = set()
        for number in item.get("awaited") or []:
            version = self._registry.version(model, number)
            if not self._waits(item, version):
                continue
            try:
                package = self._packages.package(version["model_package_arn"])
            except NotFound:
                log.warning("the package of version %s of %s is gone: nobody decides it any more", number, model)
                gone.add(number)
                continue
            if package.approval in ("Approved", "Rejected"):
                if now - package.decided_at >= GRACE:
                    found.append(package)
            elif version["status"] == "approved" and now - moment(version["created_at"]) >= UNDECIDED:
                self._packages.decide(package.arn, "Approved", version["reason"])  # its event does the rest
        outcome = None
        # the newest first: an older one is overtaken then, and doesn't serve for the minutes until the newer does
        for package in sorted(found, key=lambda package: package.decided_at, reverse=True):
            log.warning("nobody told of %s, %s since %s", package.arn, package.approval, package.decided_at)
            done = self._deploy.package_changed(package.arn, now)
            outcome = outcome or done
        self._forget(model, gone, now)
        return outcome

    def _waits(self, item: ModelItem, version: VersionItem) -> bool:
        """Whether SageMaker's word for it is still to come. One that was wished for, is a challenger, or is over, was
        heard of."""
        if version["status"] != "approved":
            return version["status"] == "pending_approval"
        if version["version"] in (item.get("desired_version"), item.get("challenging")):
            return False
        return self._registry.run(version["model"], version["run"])["status"] == "deploying"

    def _forget(self, model: str, gone: set[int], now: datetime) -> None:
        def plan(item: ModelItem) -> Step | None:
            awaited = item.get("awaited") or []
            left = [
                number
                for number in awaited
                if number not in gone and self._waits(item, self._registry.version(model, number))
            ]
            return Step(item.get("message") or "", {"awaited": left or None}) if left != awaited else None

        self._ledger.step(model, now, plan)
