"""What functions on a schedule have in common: many models to see to, and others to wake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from sluicegate.domain.errors import SluicegateError, Transient
from sluicegate.ports import RolloutBell

log = logging.getLogger(__name__)
T = TypeVar("T")


def each(models: Iterable[str], work: Callable[[str], T]) -> dict[str, T]:
    """What ``work`` came to, by model. Raises ``Transient`` when it failed for some, after the others were seen to."""
    found: dict[str, T] = {}
    failures: list[str] = []
    for model in models:
        try:
            found[model] = work(model)
        except Exception as error:  # a mistake in the program, too: it must not stand in the others' way
            log.exception("%s could not be seen to", model)
            failures.append(f"{model}: {error!r}" if not isinstance(error, SluicegateError) else f"{model}: {error}")
    if failures:
        raise Transient("; ".join(failures))
    return found


def ring(bell: RolloutBell, model: str, now: datetime) -> None:
    """Wakes the rollouts for the model; when that can't be, their next tick finds what there is to do."""
    try:
        bell.ring(model, now)
    except Transient as error:
        log.warning("%s: nobody is told, the next tick finds it: %s", model, error)
