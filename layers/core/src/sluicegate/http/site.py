"""The web page, its assets and the OpenAPI document: files of one folder, with the headers that keep a page safe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sluicegate.http.answers import Json, Problem, text_answer
from sluicegate.http.requests import Request, request_id_of

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json; charset=utf-8",
}
#: The page runs its own script and style, talks to its own API, and shows up in nobody's frame.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: in index.html; all its addresses are relative, since a stage or a base path stands before them
BASE = '<base href="./">'


class Site:
    """The files of ``folder``, read once. ``index.html`` is what the root shows."""

    def __init__(self, folder: Path) -> None:
        self.files = {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted(folder.iterdir())
            if path.suffix in CONTENT_TYPES
        }

    def handle(self, event: Mapping[str, Any], log: Callable[[Json], None]) -> Json:
        """The proxy answer; ``log`` gets one line a request."""
        line: Json = {"request_id": request_id_of(event)}
        try:
            request = Request(event)
            line["path"] = request.path[:200]
            found = self._answer(request)
        except Problem as problem:
            log(line | {"status": problem.status, "detail": problem.detail[:300]})
            found = problem.to_answer(request_id_of(event))
            found["headers"] = {**SECURITY, **found["headers"]}
            return found
        log(line | {"status": found["statusCode"]})
        return found

    def _answer(self, request: Request) -> Json:
        if request.method not in ("GET", "HEAD"):
            raise Problem(405, f"{request.method} is not possible here, only GET.", headers={"Allow": "GET, HEAD"})
        name = (request.segments or ["index.html"])[-1]
        if name not in self.files:
            raise Problem(404, f"There is nothing at {request.path[:200]}. The page is at the root of the stage.")
        text = self.files[name]
        if not request.segments and not request.full_path.endswith("/"):
            # "/v1" without its slash: relative addresses would lead beside the stage
            stage = quote(request.full_path.rsplit("/", 1)[-1])
            text = text.replace(BASE, f'<base href="{stage}/">')
        etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
        headers = {**SECURITY, "ETag": etag, "Cache-Control": "no-cache"}
        content_type = CONTENT_TYPES[Path(name).suffix]
        if etag in _listed(request.headers.get("if-none-match", "")):
            return text_answer(304, "", content_type, headers)
        return text_answer(200, "" if request.method == "HEAD" else text, content_type, headers)


def _listed(if_none_match: str) -> set[str]:
    """The entity tags of If-None-Match; weak ones count, since this is a comparison for GET (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
