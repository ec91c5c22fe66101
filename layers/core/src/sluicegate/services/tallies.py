"""Where a prediction and what became of it are counted, and what an experiment reads of it.

A prediction counts in the hour in which it was made, in its experiment, under its lane's slot. Its outcome joins the
same hour whenever it comes: exposures and outcomes of an hour belong together. Outside experiments nothing is summed:
the prediction log has it all.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sluicegate.domain.experiment.tally import Cohort
from sluicegate.ports import Tallies

_HOUR = "%Y-%m-%dT%H"


def hour_of(time_ms: int) -> str:
    """
    >>> hour_of(1_767_323_045_000)
    '2026-01-02T03'
    """
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(_HOUR)


def end_of(hour: str) -> float:
    """The end of an hour, seconds since 1970.

    >>> end_of("1970-01-01T00")
    3600.0
    """
    return (datetime.strptime(hour, _HOUR).replace(tzinfo=UTC) + timedelta(hours=1)).timestamp()


def cohorts(tallies: Tallies, model: str, scope: str) -> dict[str, list[Cohort]]:
    """By lane, its hours in order, as ``domain.experiment`` reads them."""
    return {
        lane: [Cohort(end_of(hour), tally) for hour, tally in sorted(hours.items())]
        for lane, hours in tallies.read(model, scope).items()
    }
