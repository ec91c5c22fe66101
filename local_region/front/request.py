"""One HTTP request, read lazily: what the dispatcher looks at, and the body only for those who ask for it."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

from werkzeug.datastructures import EnvironHeaders, MultiDict

from local_region.front.signing import Scope, scope_of
from local_region.ports import AwsError


class Incoming:
    """A view of a WSGI environ. A body that was read is put back, so that moto can read it again."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ.get("PATH_INFO", "") or "/"
        self._body: bytes | None = None
        #: the operation, once somebody knows it (for the log)
        self.label = ""

    @cached_property
    def request_id(self) -> str:
        return str(uuid.uuid4())

    @cached_property
    def scope(self) -> Scope:
        return scope_of(self.environ.get("HTTP_AUTHORIZATION"), self.environ.get("QUERY_STRING", ""))

    @property
    def raw_path(self) -> str:
        """The path as it was sent, percent-encoded."""
        raw: str = self.environ.get("RAW_URI") or self.path
        return raw.partition("?")[0] or "/"

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """What S3's path-style addresses name, decoded; "" for what isn't named."""
        bucket, _, key = unquote(self.raw_path).lstrip("/").partition("/")
        return bucket, key

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True)

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(self.query_pairs)

    def header(self, name: str) -> str | None:
        key = name.upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = "HTTP_" + key
        value: str | None = self.environ.get(key)
        return value

    @property
    def header_view(self) -> EnvironHeaders:
        return EnvironHeaders(self.environ)

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.header_view.items()}

    @property
    def content_length(self) -> int:
        try:
            return int(self.environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            raise AwsError("InvalidRequest", "Content-Length is not a number.") from None

    def body(self, limit: int) -> bytes:
        """The whole body; ``AwsError`` (413) when it has more than ``limit`` bytes."""
        if self._body is None:
            if self.content_length > limit:
                raise AwsError("RequestEntityTooLargeException", f"A request may have {limit} bytes at most.", 413)
            self._body = self.environ["wsgi.input"].read(self.content_length)
            self.environ["wsgi.input"] = io.BytesIO(self._body)
        return self._body

    def replace_body(self, body: bytes) -> None:
        self._body = body
        self.environ["wsgi.input"] = io.BytesIO(body)
        self.environ["CONTENT_LENGTH"] = str(len(body))

    def form(self, limit: int) -> MultiDict[str, str]:
        """The fields of the query protocol: of the body, and of the query string for the rare GET."""
        pairs = list(self.query_pairs)
        if (self.header("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
            pairs += parse_qsl(self.body(limit).decode("utf-8", "replace"), keep_blank_values=True)
        return MultiDict(pairs)
