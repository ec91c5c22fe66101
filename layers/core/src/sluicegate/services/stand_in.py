"""What answers in place of an endpoint that sleeps, wakes or fails. The adapter is ``adapters.stand_in``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sluicegate.services.dispatch import Lane

#: who made the answers
ENDPOINT, FUNCTION = "endpoint", "function"


class StandIn(Protocol):
    def answer(self, lane: Lane, records: Sequence[bytes]) -> list[dict[str, Any]] | None:
        """What the endpoint would answer to the encoded records; None when the lane's model can't be evaluated here."""
        ...

    def wake(self, model: str, time_ms: int) -> None:
        """Asks for the endpoint; again and again is no more than once. Raises `Transient`."""
        ...


class NoStandIn:
    """Implements `StandIn` where there is none."""

    def answer(self, lane: Lane, records: Sequence[bytes]) -> list[dict[str, Any]] | None:  # noqa: ARG002
        return None

    def wake(self, model: str, time_ms: int) -> None:
        """Nobody is asked."""
