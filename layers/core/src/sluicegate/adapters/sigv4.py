"""AWS Signature Version 4 for requests without a query string, on the standard library alone.

botocore's signer costs several times as much as the request it signs (benchmarks/predict_path.py), and importing it is
most of a cold start. The rules are AWS's: "Create a signed AWS API request", IAM User Guide; a contract test holds
this module equal to botocore's signer.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


class MissingCredentials(Exception):
    """The environment holds no AWS credentials; Lambda always sets them."""


class Keys(NamedTuple):
    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Keys(access_key_id={self.access_key_id!r})"


def keys_of_environment(environ: Mapping[str, str] = os.environ) -> Keys:
    """The credentials that Lambda puts into the environment. Raises `MissingCredentials`."""
    try:
        return Keys(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN", "")
        )
    except KeyError as error:
        raise MissingCredentials(f"{error.args[0]} is not set") from error


def signed(
    method: str,
    host: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    keys: Keys,
    region: str,
    service: str,
    now: float | None = None,
) -> dict[str, str]:
    """``headers`` with those added that authenticate the request (``host`` among them).

    ``path`` is percent-encoded and has no query. Every given header is signed, so give only headers that nobody
    rewrites on the way. ``service`` is the signing name ("sagemaker", "s3", "secretsmanager"). ``now`` is in seconds
    since 1970 (default: the clock).
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    date = stamp[:8]
    body_hash = hashlib.sha256(body).hexdigest()
    all_headers = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    all_headers["host"] = host
    all_headers["x-amz-date"] = stamp
    if keys.session_token:
        all_headers["x-amz-security-token"] = keys.session_token
    if service == "s3":
        all_headers["x-amz-content-sha256"] = body_hash
        canonical_path = path
    else:  # every service but S3 encodes the path once more
        canonical_path = quote(path, safe="/~")
    names = sorted(all_headers)
    listed = ";".join(names)
    lines = "".join(f"{name}:{all_headers[name]}\n" for name in names)
    canonical = f"{method}\n{canonical_path}\n\n{lines}\n{listed}\n{body_hash}"
    scope = f"{date}/{region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(keys.secret_access_key, date, region, service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    all_headers["authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return all_headers


@lru_cache(maxsize=16)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
