"""Which lane answers for a subject: a pure function of the subject, the slots and their weights.

Weighted rendezvous hashing, in its logarithmic form (Thaler & Ravishankar 1998, IEEE/ACM Transactions on Networking 6;
Schindelhauer & Schomaker 2005, SPAA, "Weighted distributed hash tables"): each slot draws a number u in (0, 1) from a
hash of salt, subject and slot, and the slot with the least ``-ln(u) / weight`` wins. So a slot gets its share of the
subjects, and a change of weights moves only those subjects that have to move: from a slot that lost share to one that
gained. Slots are hashed, not versions: a new version in a slot moves nobody.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

CHAMPION = "champion"
CHALLENGER = "challenger"
SHADOW = "shadow"
#: into how many parts subjects fall, to see how much their outcomes hang together (``domain.experiment.clumps``)
BUCKETS = 64


def assign(subject: str, slots: Mapping[str, float], salt: str = "") -> str:
    """The slot for ``subject``; ``slots`` maps each slot to its weight (≥ 0). Slots of weight 0 get nobody, unless all
    are 0: then the first has everybody, because somebody must answer.

    Raises ValueError without a slot.

    >>> assign("ada", {"champion": 1.0, "challenger": 0.0})
    'champion'
    """
    if not slots:
        raise ValueError("there is no slot to assign to")
    if len(slots) == 1:
        return next(iter(slots))
    start = hashlib.sha256(f"{len(salt)}:{salt}{len(subject)}:{subject}".encode("utf-8", "surrogatepass"))
    chosen, least = "", math.inf
    for slot, weight in slots.items():
        if weight <= 0:
            continue
        hashed = start.copy()
        hashed.update(slot.encode())
        # a 52-bit number and a half: strictly between 0 and 1 as a double
        point = ((int.from_bytes(hashed.digest()[:8], "big") >> 12) + 0.5) / 2**52
        cost = -math.log(point) / weight
        if cost < least:
            chosen, least = slot, cost
    return chosen or next(iter(slots))


def bucket(subject: str, salt: str = "") -> int:
    """In which of the ``BUCKETS`` a subject is, whatever its slot: a hash of its own, so that each slot's subjects fall
    into all of them alike.

    >>> bucket("ada", "0123abcd"), bucket("ada", "89abcdef")
    (17, 58)
    """
    framed = f"bucket {len(salt)}:{salt}{len(subject)}:{subject}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(framed).digest()[0] % BUCKETS


def subject_of(record: object, field: str) -> str | None:
    """The subject that ``record`` names in ``field``; None when it doesn't. Numbers count as what they look like.

    >>> subject_of({"customer": 7}, "customer"), subject_of({}, "customer"), subject_of({"customer": 7.0}, "customer")
    ('7', None, '7')
    """
    value = record.get(field) if isinstance(record, Mapping) else None
    if isinstance(value, bool) or value is None or value == "":
        return None
    if isinstance(value, float):
        return None if not math.isfinite(value) else f"{value:.0f}" if value.is_integer() else repr(value)
    if isinstance(value, (int, str)):
        return str(value)
    return None


def positions(owners: Sequence[str]) -> dict[str, list[int]]:
    """Which places each owner has, owners in the order in which they first come.

    >>> positions(["a", "b", "a"])
    {'a': [0, 2], 'b': [1]}
    """
    found: dict[str, list[int]] = {}
    for place, owner in enumerate(owners):
        found.setdefault(owner, []).append(place)
    return found


def named_slots(slots: Iterable[tuple[str | None, str]]) -> list[str]:
    """A name for each lane, from (its slot, its variant). A document of before there were slots names none: its first
    lane is the champion, others go by their variants.

    >>> named_slots([(None, "v1"), (None, "v2")]), named_slots([("champion", "v1"), ("challenger", "v2")])
    (['champion', 'v2'], ['champion', 'challenger'])
    """
    found: list[str] = []
    for slot, variant in slots:
        found.append(slot or (variant if found else CHAMPION))
    return found
