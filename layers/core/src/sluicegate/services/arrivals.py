"""What S3 says of a new object: what its key is for, and which of two writes came later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from sluicegate.domain import names
from sluicegate.domain.errors import NotFound
from sluicegate.ports import Storage, StoredObject

_NAME_RULE = (
    "A model's name has 1 to 40 lower-case letters, digits and hyphens, starts with a letter, "
    "and does not end in a hyphen."
)


@dataclass(frozen=True)
class Arrived:
    """What S3 says of a new object. ``etag`` is without quotes.

    ``sequencer`` orders the writes of one key, the same whenever the event is delivered; "" when it is not known.
    """

    key: str
    etag: str
    at: datetime
    sequencer: str = ""


@dataclass(frozen=True)
class Place:
    """What a key is for: ``data``, ``settings`` or ``code`` of ``model``, or none (``problem`` may say why)."""

    kind: str
    model: str = ""
    problem: str = ""


def place(key: str) -> Place:
    """
    >>> place("data/churn/2026/may.csv")
    Place(kind='data', model='churn', problem='')
    >>> place("data/churn.csv").kind
    'unplaced'
    """
    if key.endswith("/"):
        return Place("none")  # a folder that a console made
    parts = key.split("/")
    if parts[0] == "data" and len(parts) == 2:
        return Place("unplaced", problem="The file lies directly under data/; a model's files lie under data/<model>/.")
    if parts[0] == "data" and len(parts) > 2:
        if names.is_model(parts[1]):
            return Place("data", parts[1])
        return Place("unplaced", problem=f"{parts[1]!r} can't be a model's name. {_NAME_RULE}")
    if parts[0] == "models" and len(parts) == 3 and parts[2] == "model.yaml":
        if names.is_model(parts[1]):
            return Place("settings", parts[1])
        return Place("unplaced", problem=f"{parts[1]!r} can't be a model's name. {_NAME_RULE}")
    if parts[0] == "models" and len(parts) > 3 and parts[2] == "code" and names.is_model(parts[1]):
        return Place("code", parts[1])
    return Place("none")


def find(storage: Storage, arrived: Arrived) -> StoredObject:
    """The object, under the key as it came or as it reads when it came in URL form. Size -1: it is gone."""
    for key in dict.fromkeys((arrived.key, unquote_plus(arrived.key))):
        try:
            found = storage.head(key)
        except NotFound:
            continue
        # other content by now: that content has an event of its own
        return found if found.etag == arrived.etag else StoredObject(key, -1, arrived.etag)
    return StoredObject(arrived.key, -1, arrived.etag)


def newer(sequencer: str, other: str) -> bool:
    """Whether the write with ``sequencer`` came after the one with ``other`` (both of one key; "" is before all).

    S3: hexadecimal; the shorter of two is filled with zeros on the right before they are compared as text ("Event
    message structure", Amazon S3 User Guide).
    """
    length = max(len(sequencer), len(other))
    return bool(sequencer) and sequencer.upper().ljust(length, "0") > other.upper().ljust(length, "0")
