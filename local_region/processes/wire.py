"""Messages between the region and a zygote: JSON behind a four-byte length, with at most one file descriptor."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
#: an environment and an argument list; anything longer is a mistake, not a message
MAX_MESSAGE = 8 * 1024 * 1024


class Closed(ConnectionError):
    """The other side is gone."""


def send(connection: socket.socket, message: dict[str, Any], descriptor: int | None = None) -> None:
    """Send ``message``; ``descriptor`` is duplicated into the receiver (SCM_RIGHTS)."""
    body = json.dumps(message).encode()
    if len(body) > MAX_MESSAGE:
        raise ValueError(f"a message to a zygote has at most {MAX_MESSAGE} bytes, this one has {len(body)}")
    header = _LENGTH.pack(len(body))
    try:
        if descriptor is None:
            connection.sendall(header + body)
        else:
            # The descriptor travels with the header's first byte, so the receiver can't miss it.
            sent = socket.send_fds(connection, [header], [descriptor])
            connection.sendall(header[sent:] + body)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed(str(error)) from error


def receive(connection: socket.socket) -> tuple[dict[str, Any], int | None]:
    """The next message and the descriptor that came with it, if any. ``Closed`` at the end."""
    header, descriptor = b"", None
    while len(header) < _LENGTH.size:
        try:
            data, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size - len(header), 1)
        except ConnectionResetError as error:
            raise Closed(str(error)) from error
        if descriptors:
            descriptor = descriptors[0]
            os.set_inheritable(descriptor, False)
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
    return message, descriptor
