"""Who signed a request, and for which service: the parts of AWS's signatures that the region reads.

Signatures are not verified: the region listens on the loopback only, and its owner's key is in ``region.json``.
Formats: Signature Version 4 as in "Authenticating Requests" of the Amazon S3 API Reference (header and query string),
and Signature Version 2's ``AWSAccessKeyId`` for old presigned URLs and forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Scope:
    """``service`` is the signing name ("s3", "sagemaker"), None when nothing says it."""

    access_key_id: str | None = None
    region: str | None = None
    service: str | None = None


def scope_of(authorization: str | None, query: str) -> Scope:
    """The scope of a request with this ``Authorization`` header and raw query string.

    >>> scope_of("AWS4-HMAC-SHA256 Credential=AK/20261122/us-east-1/s3/aws4_request, SignedHeaders=host, …", "")
    Scope(access_key_id='AK', region='us-east-1', service='s3')
    """
    if authorization:
        match = _CREDENTIAL.search(authorization)
        if match:
            return Scope(match[1], match[3], match[4].lower())
        if authorization.startswith("AWS "):  # version 2: only S3 still takes it
            return Scope(authorization[4:].partition(":")[0], None, "s3")
        return Scope()
    if "X-Amz-Credential=" in query:
        value = parse_qs(query)["X-Amz-Credential"][0]
        parts = value.split("/")
        if len(parts) == 5:
            return Scope(parts[0], parts[2], parts[3].lower())
    if "AWSAccessKeyId=" in query:
        return Scope(parse_qs(query)["AWSAccessKeyId"][0], None, "s3")
    return Scope()
