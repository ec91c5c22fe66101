"""Which ``Host`` headers the region answers.

A web page anywhere may make a browser resolve its own name to 127.0.0.1 (DNS rebinding) and then read the region's
answers as its own. A browser always sends the name, so a name that can't be the loopback's is refused.
"""

from __future__ import annotations

import ipaddress

#: names that resolve to the loopback everywhere (RFC 6761), or that their owners point there for this very use
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


def split_host(header: str) -> str:
    """The host of a ``Host`` header, without port, lower case; an IPv6 address without brackets.

    >>> split_host("bucket.localhost:4566"), split_host("[::1]:4566")
    ('bucket.localhost', '::1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


def is_allowed(header: str | None, bound_host: str) -> bool:
    """Whether a request with this ``Host`` header may be answered by a server bound to ``bound_host``.

    Allowed are loopback addresses, ``localhost`` and names below it (``bucket.localhost``, for S3's virtual-host
    style), and the host that the region was told to listen on.
    """
    if not header:
        return True  # HTTP/1.0 without Host: no browser
    host = split_host(header)
    if host == bound_host.lower():
        return True
    if any(host == name or host.endswith("." + name) for name in _LOOPBACK_NAMES):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def execute_api(header: str | None) -> bool:
    """Whether a request is for an API by its own host, ``{api}.execute-api.localhost`` (a region may stand before
    ``localhost``, as in AWS's own names).

    >>> execute_api("a1.execute-api.localhost:4566"), execute_api("a1.execute-api.us-east-1.localhost")
    (True, True)
    """
    labels = split_host(header or "").split(".")
    return len(labels) in (3, 4) and labels[1] == "execute-api" and labels[-1] == "localhost" and bool(labels[0])


def virtual_bucket(header: str | None) -> str | None:
    """The bucket that a virtual-host style request names, or None.

    >>> virtual_bucket("my.bucket.localhost:4566"), virtual_bucket("localhost:4566"), virtual_bucket("127.0.0.1")
    ('my.bucket', None, None)
    """
    host = split_host(header or "")
    if not host.endswith(".localhost"):
        return None
    bucket = host.removesuffix(".localhost").removesuffix(".s3") if host != "s3.localhost" else ""
    return bucket or None
