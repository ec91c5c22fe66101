"""Messages between the region and a zygote: JSON behind a four-byte length, and file descriptors beside it."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct("!I")
#: an environment and an argument list; anything longer is a mistake, not a message
MAX_MESSAGE = 8 * 1024 * 1024
#: a worker's output, and the control socket of one that becomes a zygote
MAX_DESCRIPTORS = 2


class Closed(ConnectionError):
    """The other side is gone."""


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send ``message``; ``descriptors`` are duplicated into the receiver (SCM_RIGHTS)."""
    body = json.dumps(message).encode()
    if len(body) > MAX_MESSAGE:
        raise ValueError(f"a message to a zygote has at most {MAX_MESSAGE} bytes, this one has {len(body)}")
    header = _LENGTH.pack(len(body))
    try:
        if not descriptors:
            connection.sendall(header + body)
        else:
            # They travel with the header's first byte, so the receiver can't miss them.
            sent = socket.send_fds(connection, [header], descriptors)
            connection.sendall(header[sent:] + body)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed(str(error)) from error


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message and the descriptors that came with it. ``Closed`` at the end."""
    header, descriptors = b"", list[int]()
    while len(header) < _LENGTH.size:
        try:
            data, received, _, _ = socket.recv_fds(connection, _LENGTH.size - len(header), MAX_DESCRIPTORS)
        except ConnectionResetError as error:
            raise Closed(str(error)) from error
        for descriptor in received:
            os.set_inheritable(descriptor, False)
        descriptors += received
        if not data:
            raise Closed("the other side closed the connection")
        header += data
    body = bytearray()
    (length,) = _LENGTH.unpack(header)
    while len(body) < length:
        data = connection.recv(min(length - len(body), 65536))
        if not data:
            raise Closed("the other side closed the connection in the middle of a message")
        body += data
    message: dict[str, Any] = json.loads(body)
    return message, descriptors
