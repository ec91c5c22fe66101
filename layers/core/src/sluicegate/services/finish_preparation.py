"""A processing job that prepared a data set ended: the run goes on to its training."""

from __future__ import annotations

import logging
from datetime import datetime

from sluicegate.domain.errors import Refused, UserError
from sluicegate.domain.items import RunItem
from sluicegate.domain.lifecycle import STARTING
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.services import costs
from sluicegate.services.ledger import Ledger, refusal
from sluicegate.services.processing import Processing
from sluicegate.services.training import Training

log = logging.getLogger(__name__)


class FinishPreparation:
    """``job_ended`` may be called again for the same job, before or after its starter wrote that it runs."""

    def __init__(self, ledger: Ledger, processing: Processing, training: Training) -> None:
        self._ledger = ledger
        self._processing = processing
        self._training = training

    def job_ended(self, name: str, now: datetime) -> str:
        """What was done: training | failed | ignored."""
        found = self._processing.find(name)
        if found is None or not found[1].over:
            return "ignored"
        run, job = found
        model = run["model"]
        if run["status"] not in STARTING:
            if run["status"] == "failed":
                # the first try may have ended before it said so
                self._ledger.look_again(model, f"run:{run['run']}", now)
            return "ignored"
        self._processing.begun(run, now)
        cost = costs.spent(run.get("cost"), "preparation", 1, job.seconds or 0.0)
        fields = {} if cost is None else {"cost": cost}
        counted: RunItem = {**run, "cost": cost or run.get("cost")}
        try:
            settings = parse_settings(run.get("settings") or "")
            self._training.begin(counted, settings, self._processing.made(run, job), now)
        except (UserError, Refused) as error:
            self._ledger.fail_run(model, run["run"], now, refusal(error), **fields)
            return "failed"
        return "training"
