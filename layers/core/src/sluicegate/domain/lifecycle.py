"""The allowed moves of everything that has a status. State moves only forward.

>>> allows("run", "training", "evaluating")
True
>>> allows("run", "live", "training")
False
>>> path("run", "preparing", "evaluating")
['training', 'evaluating']
"""

from __future__ import annotations

from collections import deque

#: kind → status → the statuses that may follow. ``None`` is "does not exist yet".
MOVES: dict[str, dict[str | None, tuple[str, ...]]] = {
    "upload": {
        None: ("received",),
        "received": ("accepted", "rejected", "ignored"),
        # its object was deleted, or replaced by other content
        "accepted": ("withdrawn",),
        # somebody puts the same content there again, after what kept it from being read was corrected
        "rejected": ("received",),
        # the object was gone; when the same content is put there again, it is read after all
        "ignored": ("received",),
        "withdrawn": ("received",),
    },
    "run": {
        None: ("preparing",),
        # a processing job prepares what is too much for a function
        "preparing": ("processing", "training", "failed"),
        "processing": ("training", "failed"),
        "training": ("evaluating", "failed"),
        "evaluating": ("registering", "failed"),
        "registering": ("deploying", "awaiting_approval", "rejected", "failed"),
        "awaiting_approval": ("deploying", "rejected", "failed"),
        "deploying": ("live", "in_experiment", "failed"),
        # its version shares traffic with the champion; the experiment's end decides
        "in_experiment": ("live", "rejected", "failed"),
        "rejected": (),
        "live": (),
        "failed": (),
    },
    "version": {
        None: ("approved", "pending_approval", "rejected"),
        "pending_approval": ("approved", "rejected"),
        # an approved version that a newer decision overtakes is retired without having served
        "approved": ("deploying", "retired", "failed", "rejected"),
        # a person may choose another version, or say no to this one, while it still takes over
        "deploying": ("live", "failed", "retired", "rejected"),
        "live": ("retired",),
        "rejected": (),
        # a person may bring them back, or forbid them for good
        "retired": ("approved", "rejected"),
        "failed": ("approved", "rejected"),
    },
    "batch": {
        None: ("received",),
        "received": ("preparing", "failed"),
        "preparing": ("predicting", "failed"),
        "predicting": ("finishing", "failed"),
        "finishing": ("done", "failed"),
        "done": (),
        "failed": (),
    },
    # of a model: its own endpoint, as far as the registry has a word in it ("asleep" and "waking" are written down,
    # the others follow from which version is live: see domain/sleep.py)
    "endpoint": {
        None: ("creating",),
        "creating": ("serving",),
        "serving": ("asleep",),
        # somebody who makes the endpoint by hand wakes it, too
        "asleep": ("waking", "serving"),
        "waking": ("serving", "asleep"),
    },
    "experiment": {
        None: ("starting",),
        # its lanes come up; nothing is shared yet
        "starting": ("running", "deciding"),
        "running": ("waits_for_decision", "deciding"),
        # the numbers have spoken, a person has not
        "waits_for_decision": ("deciding",),
        # what was decided is being carried out; until that is done the lanes that it needs stay
        "deciding": ("promoted", "kept", "stopped", "inconclusive", "failed"),
        "promoted": (),
        "kept": (),
        "stopped": (),
        "inconclusive": (),
        "failed": (),
    },
}

#: a run in these has not written yet that it trains
STARTING = ("preparing", "processing")
#: moves that give up; a path never leads through one
_ENDS = frozenset({"failed", "rejected", "retired", "ignored", "withdrawn", "in_experiment"})


def allows(kind: str, current: str | None, to: str) -> bool:
    """Whether a ``kind`` (a key of ``MOVES``) may move from ``current`` (None: does not exist) to ``to``."""
    return to in MOVES[kind].get(current, ())


def sources(kind: str, to: str) -> frozenset[str | None]:
    """The statuses from which one move leads to ``to``."""
    return frozenset(status for status, following in MOVES[kind].items() if to in following)


def is_terminal(kind: str, status: str) -> bool:
    return not MOVES[kind][status]


def path(kind: str, current: str | None, to: str) -> list[str]:
    """The moves that lead from ``current`` to ``to``: ``[]`` when there is no way (also when it is there already).

    An event may overtake the write that comes before it: a training job can end before its starter has written
    "training". Whoever handles the event walks the path, so that no status is skipped in the history.
    """
    if current == to:
        return []
    queue: deque[tuple[str | None, list[str]]] = deque([(current, [])])
    seen: set[str | None] = {current}
    while queue:
        status, walked = queue.popleft()
        for following in MOVES[kind].get(status, ()):
            if following == to:
                return [*walked, following]
            if following not in seen and following not in _ENDS:
                seen.add(following)
                queue.append((following, [*walked, following]))
    return []
