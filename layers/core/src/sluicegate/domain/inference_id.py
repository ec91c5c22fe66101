"""The id of one prediction: a token that says which version answered, and that nobody else can make.

Whoever sends feedback hands the token back; it names model, version, lane and time by itself, so no database is asked
(and none is written on the prediction path). 48 bytes, big-endian, as base64url = 64 characters (as many as SageMaker's
``InferenceId`` allows)::

    format 1 | model 6 | version 3 | lane 2 | time, ms since 1970 6 | nonce 8 | slot 1 | cause 4 | bucket 1 | tag 16

Format: 1. The tag is HMAC-SHA-256 of all before, cut. Slot: 0 champion, 1 challenger, n challenger-n. Cause: the
experiment's id (8 hex digits), 0 when there was none. Bucket: the subject's (``traffic.bucket``) and 1, 0 for none.

Cutting HMAC to half of the hash is what RFC 2104, section 5, recommends as the least.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from sluicegate.domain.errors import SluicegateError
from sluicegate.domain.names import digest
from sluicegate.domain.traffic import CHALLENGER, CHAMPION

LENGTH = 64
_TAG = 16
_FORMAT = 1
_CAUSE = re.compile("[0-9a-f]{8}")
_NO_CAUSE = "00000000"
_LARGEST_SLOT = 254
_SLOT_UNKNOWN = 255
_PURPOSE = b"sluicegate inference id\0"
_LARGEST_VERSION = 2**24 - 1
_LARGEST_TIME = 2**48 - 1


class InvalidInferenceId(SluicegateError):
    """The token was not issued with this key, or it was damaged."""


class InferenceId(NamedTuple):
    """What a token says. ``model`` and ``lane`` are digests: compare with `model_digest` and `lane_digest`."""

    model: str
    version: int
    lane: str
    time_ms: int
    nonce: int
    slot: str = CHAMPION
    cause: str | None = None
    bucket: int | None = None

    def is_of(self, model: str) -> bool:
        return self.model == model_digest(model)


@lru_cache(maxsize=256)
def model_digest(model: str) -> str:
    """12 hex digits that stand for a model's name."""
    return digest(["inference-model", model], 12)


@lru_cache(maxsize=256)
def lane_digest(endpoint: str, variant: str) -> str:
    """4 hex digits that tell the lanes of one model apart."""
    return digest(["inference-lane", endpoint, variant], 4)


def slot_number(slot: str) -> int:
    """
    >>> slot_number("champion"), slot_number("challenger"), slot_number("challenger-2"), slot_number("v3")
    (0, 1, 2, 255)
    """
    if slot in (CHAMPION, CHALLENGER):
        return int(slot == CHALLENGER)
    number = slot.removeprefix(f"{CHALLENGER}-")
    known = number != slot and number.isascii() and number.isdigit() and 2 <= int(number) <= _LARGEST_SLOT
    return int(number) if known else _SLOT_UNKNOWN


def slot_name(number: int) -> str:
    """What `slot_number` made a number of; "other" for those that share one."""
    if number == _SLOT_UNKNOWN:
        return "other"
    return (CHAMPION, CHALLENGER)[number] if number < 2 else f"{CHALLENGER}-{number}"


def issue(
    key: bytes,
    model: str,
    version: int,
    endpoint: str,
    variant: str,
    time_ms: int,
    nonce: int | None = None,
    *,
    slot: str = CHAMPION,
    cause: str | None = None,
    bucket: int | None = None,
) -> str:
    """One token. ``nonce`` (any integer, taken modulo 2^64) is random when not given."""
    number = secrets.randbits(64) if nonce is None else nonce
    where = (key, model, version, endpoint, variant)
    return next(issue_many(*where, time_ms, 1, number, slot=slot, cause=cause, buckets=(bucket,)))


def issue_many(
    key: bytes,
    model: str,
    version: int,
    endpoint: str,
    variant: str,
    time_ms: int,
    count: int,
    nonce: int | None = None,
    *,
    slot: str = CHAMPION,
    cause: str | None = None,
    buckets: Sequence[int | None] = (),
) -> Iterator[str]:
    """``count`` tokens of one request; they differ in their nonces, which follow one another from a random start, and
    each has its subject's bucket where there are ``buckets``. A ``cause`` that is not 8 hex digits is not named.

    Raises ValueError for a version or a time that the format can't hold.
    """
    if not 1 <= version <= _LARGEST_VERSION:
        raise ValueError(f"version must be 1 to {_LARGEST_VERSION}, not {version}")
    if not 0 <= time_ms <= _LARGEST_TIME:
        raise ValueError(f"time_ms must be 0 to {_LARGEST_TIME}, not {time_ms}")
    head = (
        bytes([_FORMAT])
        + bytes.fromhex(model_digest(model))
        + version.to_bytes(3, "big")
        + bytes.fromhex(lane_digest(endpoint, variant))
        + time_ms.to_bytes(6, "big")
    )
    told = bytes.fromhex(cause if cause and _CAUSE.fullmatch(cause) else _NO_CAUSE)
    rest = slot_number(slot).to_bytes(1, "big") + told
    start = secrets.randbits(64) if nonce is None else nonce
    for offset in range(count):
        bucket = buckets[offset] if buckets else None
        last = b"\0" if bucket is None else (bucket + 1).to_bytes(1, "big")
        body = head + ((start + offset) % 2**64).to_bytes(8, "big") + rest + last
        yield base64.urlsafe_b64encode(body + _tag(key, body)).decode("ascii")


def verify(token: str, key: bytes) -> InferenceId:
    """What the token says, if it was issued with ``key``; `InvalidInferenceId` otherwise. Compares in constant time."""
    if len(token) != LENGTH:
        raise InvalidInferenceId(f"an inference id has {LENGTH} characters, this one has {len(token)}")
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InvalidInferenceId("an inference id has only letters, digits, - and _") from error
    # "+" and "/" decode too when validate meets altchars; the canonical form is the only one accepted.
    if base64.urlsafe_b64encode(data) != token.encode("ascii"):
        raise InvalidInferenceId("an inference id has only letters, digits, - and _")
    body, tag = data[:-_TAG], data[-_TAG:]
    if not hmac.compare_digest(tag, _tag(key, body)):
        raise InvalidInferenceId("this inference id was not issued here")
    if body[0] != _FORMAT:
        raise InvalidInferenceId(f"this inference id has the unknown format {body[0]}")
    return InferenceId(
        model=body[1:7].hex(),
        version=int.from_bytes(body[7:10], "big"),
        lane=body[10:12].hex(),
        time_ms=int.from_bytes(body[12:18], "big"),
        nonce=int.from_bytes(body[18:26], "big"),
        slot=slot_name(body[26]),
        cause=body[27:31].hex() if any(body[27:31]) else None,
        bucket=body[31] - 1 if body[31] else None,
    )


def _tag(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + body, "sha256")[:_TAG]
