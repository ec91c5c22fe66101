"""One event on its way to one target: attempts, retries, dead letter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local_region.events.inputs import payload
from local_region.events.targets import Deliverer, Undeliverable, kind_of
from local_region.ports import AwsError, Json


@dataclass
class Delivery:
    """``note`` is the entry of ``recent()`` that tells what became of it."""

    event: Json
    rule_name: str
    rule_arn: str
    target: Json
    note: Json

    def attempt(
        self, deliverer: Deliverer, permitted: Callable[[str, str], bool], delays: Sequence[float]
    ) -> float | None:
        """Try once. Returns the seconds after which to try again, None when it is over."""
        self.note["attempts"] += 1
        tried = int(self.note["attempts"])
        try:
            self._send(deliverer, permitted)
        except Undeliverable as error:
            policy = self.target.get("RetryPolicy") or {}
            # AWS tries for 24 hours, 185 times; here the region's delays are all the retries there are.
            allowed = min(int(policy.get("MaximumRetryAttempts", 185)), len(delays))
            self.note["error"] = str(error)
            if error.retry and tried <= allowed:
                return delays[tried - 1]
            self._give_up(deliverer, error)
            return None
        self.note |= {"status": "delivered", "error": None}
        return None

    def _send(self, deliverer: Deliverer, permitted: Callable[[str, str], bool]) -> None:
        arn = self.target["Arn"]
        try:
            text = payload(self.target, self.event, self.rule_arn, self.rule_name, self.event["time"])
        except ValueError as error:
            raise Undeliverable("INVALID_JSON", f"the target's input is not JSON: {error}") from error
        if kind_of(arn) == "event-bus":
            # The account's own bus gets the event itself, whatever the target's input settings.
            deliverer.send(arn, _text(self.event))
            return
        try:
            allowed = permitted(arn, self.rule_arn)
        except AwsError as error:
            raise Undeliverable("NO_RESOURCE", error.message) from error
        if not allowed:
            raise Undeliverable(
                "NO_PERMISSIONS",
                f"The resource policy of {arn} does not let events.amazonaws.com invoke it for {self.rule_arn}: "
                "add a permission (AWS::Lambda::Permission).",
            )
        group = (self.target.get("SqsParameters") or {}).get("MessageGroupId")
        deliverer.send(arn, text, group)

    def _give_up(self, deliverer: Deliverer, error: Undeliverable) -> None:
        self.note["status"] = "dead-lettered" if self._bury(deliverer, error) else "failed"  # the last word, said once

    def _bury(self, deliverer: Deliverer, error: Undeliverable) -> bool:
        """Whether the target has a dead-letter queue and it took the event."""
        queue = (self.target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return False
        attributes = {
            "RULE_ARN": ("String", self.rule_arn),
            "TARGET_ARN": ("String", str(self.target["Arn"])),
            "ERROR_CODE": ("String", error.code),
            "ERROR_MESSAGE": ("String", error.message),
        }
        if self.note["attempts"] > 1:
            attributes["RETRY_ATTEMPTS"] = ("String", str(self.note["attempts"] - 1))
        try:
            deliverer.send(queue, _text(self.event), attributes=attributes)
        except Undeliverable as second:
            self.note["error"] = f"{error}; its dead-letter queue: {second}"
            return False
        return True

    def about(self) -> tuple[str, str, str, str]:
        """For the log: event, rule, target, error."""
        return str(self.event["detail-type"]), self.rule_name, str(self.target["Arn"]), str(self.note["error"])


def _text(event: Json) -> str:

    return json.dumps(event)
