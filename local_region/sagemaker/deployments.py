"""One update of an endpoint: the new fleet beside the old, traffic in steps, bakes, alarms, and back if need be.

``shifting`` decides; this does it, on a thread of its own, and tells. Statuses and messages of a variant are those of
"SageMaker endpoint deployment state change",
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from local_region.ports import Json, Region
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import StartFailure
from local_region.sagemaker.shifting import Activate, Plan, RollBack, Rollout, Step, Wait
from local_region.sagemaker.traffic import Traffic

log = logging.getLogger(__name__)
#: seconds between looks at the alarms during a bake (a change of theirs is not told)
_LOOK_SECONDS = 0.25
_REASON_LENGTH = 1024


class Teller(Protocol):
    """What the endpoints do for a deployment."""

    def set_status(self, record: Record, status: str, **state: Any) -> None: ...  # under the record's lock
    def tell(self, record: Record, kind: str = "Endpoint") -> None: ...


class Deployment:
    """``run`` returns when the endpoint is InService again. ``launch`` starts the new fleet or raises ``StartFailure``;
    ``retire`` lets a fleet's requests end and then ends it."""

    def __init__(
        self,
        region: Region,
        record: Record,
        traffic: Traffic,
        config: Record,
        plan: Plan,
        launch: Callable[[], Fleet],
        retire: Callable[[Fleet], None],
        teller: Teller,
    ) -> None:
        self._region, self._record, self._traffic, self._config = region, record, traffic, config
        self._plan, self._launch, self._retire, self._teller = plan, launch, retire, teller
        self._began = region.clock.now()
        self._rollout = Rollout(plan, self._began)
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._waits_until: datetime | None = None
        self._moves = 0  # how often the clock was moved
        self._stopped = False

    # -- the region's clock --------------------------------------------------------------------------------------

    @property
    def waits_until(self) -> datetime | None:
        """The end of a bake; None while it works."""
        with self._lock:
            return self._waits_until

    def catch_up(self) -> None:
        """The clock has moved: it works until it has looked."""
        with self._lock:
            self._waits_until = None
            self._moves += 1
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    # -- the work ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        blue, green = self._traffic.blue, None
        try:
            self._show("Creating", lambda total: f"Launching {total} instance(s).", 0.0)
            green = self._launch()
            reason = self._shift(green)
        except StartFailure as error:
            reason = str(error)
        except Exception as error:
            log.exception("the update of endpoint %s failed within the region", self._record.name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
        if self._stopped:
            return
        if reason or green is None:
            self._traffic.settle(blue)
            self._roll_back(reason, green)
        else:
            self._finish(green, blue)

    def _shift(self, green: Fleet) -> str:
        """Step by step; why it has to go back, or ""."""
        while not self._stopped:
            move = self._rollout.look(self._now(), self._tripped())
            if isinstance(move, Activate):
                self._activate(green, move.step)
                self._rollout.activated(self._now())
            elif isinstance(move, Wait):
                self._wait(move.until)
            else:
                return move.reason if isinstance(move, RollBack) else ""
        return ""

    def _activate(self, green: Fleet, step: Step) -> None:
        part = f"{step.what} capacity"
        self._show(
            "ActivatingTraffic",
            lambda total: f"Activating traffic on {part} of {step.instances(total)} instance(s).",
            step.share,
        )
        self._traffic.shift(green, step.share)
        self._show(
            "Baking",
            lambda total: (
                f"Baking for {step.seconds} seconds ({step.setting}) with traffic enabled on {part} of "
                f"{step.instances(total)} instance(s)."
            ),
            step.share,
        )

    def _wait(self, until: datetime) -> None:
        """Until then, or until an alarm has gone off. At the end the alarms are evaluated with that moment's values."""
        while not self._stopped and (left := (until - self._now()).total_seconds()) > 0:
            self._wake.clear()
            moves = self._moves
            if self._tripped():
                break
            with self._lock:
                seen = moves == self._moves  # else it has to look again
                self._waits_until = until if seen else None
            if seen and self._now() < until:
                self._wake.wait(min(left, _LOOK_SECONDS) if self._plan.alarms else left)
        with self._lock:
            self._waits_until = None
        if self._plan.alarms:
            self._region.alarms.look()

    def _now(self) -> datetime:
        return self._region.clock.now()

    def _tripped(self) -> list[str]:
        return self._region.alarms.tripped(self._plan.alarms, self._began) if self._plan.alarms else []

    # -- ends ----------------------------------------------------------------------------------------------------

    def _finish(self, green: Fleet, blue: Fleet) -> None:
        self._show("Deleting", lambda total: f"Terminating {total} instance(s).", 1.0, of=blue)
        with self._record.lock:
            self._traffic.settle(green)
            self._record.state.pop("PendingDeploymentSummary", None)
            self._teller.set_status(self._record, "InService", EndpointConfigName=self._config.name)
        self._teller.tell(self._record)
        self._retire(blue)

    def _roll_back(self, reason: str, green: Fleet | None = None) -> None:
        """The old fleet serves all already."""
        log.warning("endpoint %s goes back to %s: %s", self._record.name, self._traffic.blue.config.name, reason)
        with self._record.lock:
            self._teller.set_status(self._record, "RollingBack", FailureReason=reason[:_REASON_LENGTH])
        self._teller.tell(self._record)
        if green is not None:
            self._show("Deleting", lambda total: f"Terminating {total} instance(s).", 0.0)
            self._retire(green)
        with self._record.lock:
            self._record.state.pop("PendingDeploymentSummary", None)
            self._teller.set_status(self._record, "InService")
        self._teller.tell(self._record)

    # -- what Describe and the events say ------------------------------------------------------------------------

    def _show(self, status: str, message: Callable[[int], str], share: float, of: Fleet | None = None) -> None:
        """``PendingDeploymentSummary`` with this status for each variant, and the event. ``message`` is given the
        instances of the variant (of the fleet ``of``, if it isn't the new one's)."""
        now = self._now()
        step = Step(share, 0, "", "")
        variants = []
        for variant in self._config.request["ProductionVariants"]:
            name, total = variant["VariantName"], variant.get("InitialInstanceCount", 1)
            weight = variant["InitialVariantWeight"]
            summary: Json = {"VariantName": name, "CurrentWeight": weight, "DesiredWeight": weight}
            if "ServerlessConfig" in variant:
                summary |= dict.fromkeys(
                    ("CurrentServerlessConfig", "DesiredServerlessConfig"), variant["ServerlessConfig"]
                )
            else:
                active = step.instances(total) if share else 0
                summary |= {"CurrentInstanceCount": active, "DesiredInstanceCount": total,
                            "InstanceType": variant["InstanceType"]}  # fmt: skip
            counted = of.variants[name].instances if of is not None and name in of.variants else total
            summary["VariantStatus"] = [{"Status": status, "StatusMessage": message(counted), "StartTime": now}]
            variants.append(summary)
        with self._record.lock:
            self._record.state["PendingDeploymentSummary"] = {
                "EndpointConfigName": self._config.name,
                "StartTime": self._began,
                "ProductionVariants": variants,
            }
        self._teller.tell(self._record, "Endpoint Deployment")
