"""Content is what its sender's digests say, or it is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from typing import Any

import pytest

from local_region.front.request import Incoming
from local_region.front.s3_digests import refuse_altered
from local_region.ports import AwsError

BODY = bytes(range(256)) * 9000  # more than two blocks


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def put(headers: dict[str, str], body: bytes = BODY, method: str = "PUT", query: str = "") -> Incoming:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/b/k",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return Incoming(environ)


RIGHT = {
    "content_md5": encoded(hashlib.md5(BODY).digest()),
    "x_amz_checksum_crc32": encoded(zlib.crc32(BODY).to_bytes(4, "big")),
    "x_amz_checksum_sha1": encoded(hashlib.sha1(BODY).digest()),
    "x_amz_checksum_sha256": encoded(hashlib.sha256(BODY).digest()),
}
#: the check values of the algorithms' catalogue, of the text 123456789
CHECK_VALUES = {"x_amz_checksum_crc32c": 0xE3069283, "x_amz_checksum_crc64nvme": 0xAE8B14860A799888}


@pytest.mark.parametrize("header", RIGHT)
def test_a_right_digest_passes_and_the_body_is_there_to_be_read(header: str) -> None:
    request = put({header: RIGHT[header]})
    refuse_altered(request)
    assert request.environ["wsgi.input"].read() == BODY


@pytest.mark.parametrize(("header", "value"), CHECK_VALUES.items())
def test_crcs_of_the_amazon_runtime(header: str, value: int) -> None:
    size = 4 if header.endswith("32c") else 8
    refuse_altered(put({header: encoded(value.to_bytes(size, "big"))}, b"123456789"))
    with pytest.raises(AwsError, match="did not match"):
        refuse_altered(put({header: encoded(value.to_bytes(size, "big"))}, b"123456780"))


@pytest.mark.parametrize("header", RIGHT)
def test_another_body_is_refused(header: str) -> None:
    with pytest.raises(AwsError, match="did not match") as caught:
        refuse_altered(put({header: RIGHT[header]}, BODY[:-1] + b"x"))
    assert (caught.value.code, caught.value.status) == ("BadDigest", 400)


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("content_md5", "not base64", "InvalidDigest"),
        ("content_md5", encoded(b"short"), "InvalidDigest"),
        ("x_amz_checksum_sha256", encoded(b"short"), "InvalidRequest"),
    ],
)
def test_what_is_no_digest_is_refused(header: str, value: str, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        refuse_altered(put({header: value}))
    assert caught.value.code == code


def test_digests_of_something_else_than_the_body_are_not_compared() -> None:
    wrong = {"x_amz_checksum_sha256": encoded(bytes(32))}
    refuse_altered(put(wrong, method="GET"))
    refuse_altered(put(wrong, method="POST", query="uploadId=u"))  # the object's, once its parts are joined
    refuse_altered(put({**wrong, "x_amz_copy_source": "b/other"}))
    refuse_altered(put({**wrong, "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}))
