"""From an object to what is posted: the whole of it, single records, or as many records as fit.

"Use Batch Transform" of the SageMaker Developer Guide and TransformInput of the API: SplitType says what a record is,
BatchStrategy how many go into a request, MaxPayloadInMB how large that is at most. RecordIO is MXNet's: magic number
0xced7230a and a length (29 bits, in front of them 3 bits that say whether the record goes on), both little endian, then
the data, padded to four bytes. A request of a single record has the data alone, without head and padding; one of
several has the records as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import IO

_MAGIC = 0xCED7230A
_HEAD = struct.Struct("<II")
_LENGTH = (1 << 29) - 1


class TooLarge(Exception):
    """A record or an object is larger than MaxPayloadInMB."""


class NotRecordIO(Exception):
    """The object isn't RecordIO; the text says where."""


def payloads(stream: IO[bytes], split: str, many: bool, limit: int) -> Iterator[bytes]:
    """What is posted of ``stream``, each at most ``limit`` bytes. ``split``: None, Line or RecordIO."""
    if split == "None":
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge
        if body:
            yield body
    elif split == "Line" and many:
        yield from _whole_lines(stream, limit)
    else:
        found = records(stream, split, many, limit)
        yield from (body for body, _ in groups(found, many, limit))


def _whole_lines(stream: IO[bytes], limit: int) -> Iterator[bytes]:
    """Blocks of ``limit`` bytes, each cut after its last line end."""
    buffer = b""
    while True:
        block = stream.read(limit + 1 - len(buffer))
        buffer += block
        if not block or len(buffer) <= limit:
            if block:
                continue  # a short read is not the end
            if buffer.strip():
                yield buffer
            return
        cut = buffer.rfind(b"\n", 0, limit) + 1
        if cut == 0:
            raise TooLarge
        if buffer[:cut].strip():
            yield buffer[:cut]
        buffer = buffer[cut:]


def records(stream: IO[bytes], split: str, many: bool, limit: int) -> Iterator[bytes]:
    """The records of ``stream``: lines with their ends (blank ones are none), RecordIO records as they are posted."""
    if split == "RecordIO":
        yield from _record_io(stream, padded=many, limit=limit)
        return
    while line := stream.readline(limit + 1):
        if len(line) > limit:
            raise TooLarge
        if line.strip():
            yield line


def _record_io(stream: IO[bytes], padded: bool, limit: int) -> Iterator[bytes]:
    parts: list[bytes] = []
    while head := stream.read(8):
        if len(head) < 8 or (pair := _HEAD.unpack(head))[0] != _MAGIC:
            raise NotRecordIO("a record does not begin with RecordIO's magic number")
        flag, length = pair[1] >> 29, pair[1] & _LENGTH
        if length > limit:
            raise TooLarge
        data = stream.read(length + (-length % 4))
        if len(data) < length:
            raise NotRecordIO("it ends within a record")
        parts.append(head + data if padded else data[:length])
        if flag in (1, 2):  # the first or a middle part of a record whose data hold the magic number
            if not padded:
                parts.append(_HEAD.pack(_MAGIC, 0)[:4])
            continue
        body = b"".join(parts)
        parts = []
        if len(body) > limit:
            raise TooLarge
        yield body
    if parts:
        raise NotRecordIO("it ends within a record")


def groups(
    found: Iterator[bytes], many: bool, limit: int, prepare: Callable[[bytes], bytes] = lambda record: record
) -> Iterator[tuple[bytes, list[bytes]]]:
    """Bodies with the records that they were made of; ``prepare`` makes of a record what is posted of it."""
    bodies: list[bytes] = []
    kept: list[bytes] = []
    size = 0
    for record in found:
        body = prepare(record)
        if len(body) > limit:
            raise TooLarge
        if bodies and (not many or size + len(body) > limit):
            yield b"".join(bodies), kept
            bodies, kept, size = [], [], 0
        bodies.append(body)
        kept.append(record)
        size += len(body)
    if bodies:
        yield b"".join(bodies), kept
